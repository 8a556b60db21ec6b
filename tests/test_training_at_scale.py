"""Training that was killed goes on as if nothing had happened, and two processes train as one does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atomic_files import file_sha256
from contrastive_learning_model import ContrastiveModel, ContrastiveSettings
from contrastive_network import ContrastiveNetwork, draw_dropout
from contrastive_training import ContrastiveTrainer
from conversation_split import DataSplits
from conversation_vectors import ConversationSpace
from main import main
from model_artifact import load_artifact
from sales_encoder import SalesEncoder, run_upper_blocks
from training_checkpoint import Checkpoints

ROOT = Path(__file__).parents[1]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
# Trains by the command line and kills itself, as the machine would, when it begins its n-th step.
KILLED_IN_STEP = """
import os, signal, sys
from contrastive_training import ContrastiveTrainer
from main import main
left, train_a_step = int(sys.argv[1]), ContrastiveTrainer._step
def step(self, batch):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_a_step(self, batch)
ContrastiveTrainer._step = step
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def deals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many that an epoch has several steps."""
    path = tmp_path_factory.mktemp("deals") / "deals.json"
    assert main(["--mode", "generate", "--count", "160", "--seed", "3", "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, deals: Path, tiny_encoder_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert main(training(deals, folder, tiny_encoder_folder)) == 0
    return folder


def training(data: Path, folder: Path, encoder: Path) -> list[str]:
    named = {"--data": data, "--artifacts": folder, "--encoder": encoder}
    return ["--mode", "train", "--model", "contrastive", *(str(word) for pair in named.items() for word in pair)]


def artifact(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(learned arrays by name, training history)."""
    state, manifest = load_artifact(folder / "models" / ContrastiveModel.artifact_file)
    return flat(state), manifest["history"]


def flat(state: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in state.items():
        found |= flat(value, f"{before}{name}/") if isinstance(value, dict) else {before + name: value}
    return found


def say_nothing(sentence: str) -> None:
    pytest.fail(f"nothing should be said, but: {sentence}")


# ------------------------------------------------------------------------------------------------------------ checkpoints


def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, deals: Path, tiny_encoder_folder: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = training(deals, tmp_path, tiny_encoder_folder)
    # 112 training conversations are 2 steps an epoch (112 / 48 ≈ 2): the fourth step is the end of the second epoch.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_STEP, "4", *command],
        cwd=ROOT,
        env=ONE_THREAD,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["contrastive.checkpoint"]
    assert not (tmp_path / "models" / ContrastiveModel.artifact_file).exists()
    steps: list[int] = []
    train_a_step = ContrastiveTrainer._step

    def counted(self: ContrastiveTrainer, batch: Any) -> dict[str, float]:
        if self.settings.block_learning_rate > 0:  # not those of the folds
            steps.append(len(batch))
        return train_a_step(self, batch)

    monkeypatch.setattr(ContrastiveTrainer, "_step", counted)
    assert main([*command, "--resume"]) == 0
    assert len(steps) == 2, "the second epoch alone"
    arrays, history = artifact(tmp_path)
    expected_arrays, expected_history = artifact(uninterrupted)
    assert history == expected_history
    assert len(history["rows"]) == 3
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)
    assert not (tmp_path / "checkpoints").exists(), "a finished run leaves none"


def fitted(
    encoder: SalesEncoder, splits: DataSplits, checkpoints: Checkpoints | None, seed: int = 3
) -> ContrastiveModel:
    model = ContrastiveModel(encoder, ContrastiveSettings(epochs=2, batch_size=24), seed)
    model.checkpoints = checkpoints
    model.fit(splits.train, splits.validation)
    return model


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed", "is of other data, settings, seed or encoder"),
        ("cut off", "is damaged"),
        ("flipped", "is damaged"),
        ("code", "is damaged"),
        ("missing", "There is no checkpoint"),
        ("folder", "can't be read"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_left_out_with_a_sentence(
    tmp_path: Path, tiny_encoder: SalesEncoder, splits: DataSplits, change: str, said: str
) -> None:
    expected = fitted(tiny_encoder, splits, Checkpoints(tmp_path, False, say_nothing))
    path = tmp_path / "contrastive.checkpoint"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if change == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif change == "flipped":
        path.write_bytes(content)
    elif change == "code":
        path.write_bytes(with_sha256(b"cos\nsystem\n(S'touch executed'\ntR."))
    elif change in ("missing", "folder"):
        path.unlink()
        if change == "folder":
            path.mkdir()
    sentences: list[str] = []
    seed = 4 if change == "seed" else 3
    model = fitted(tiny_encoder, splits, Checkpoints(tmp_path, True, sentences.append), seed)
    assert said in sentences[0]
    assert "trained from the start" in sentences[0]
    if change != "seed":
        assert model.history == expected.history


def with_sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest() + data


def test_without_resume_a_checkpoint_is_not_used(
    tmp_path: Path, tiny_encoder: SalesEncoder, splits: DataSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(tiny_encoder, splits, Checkpoints(tmp_path, False, say_nothing))
    before = file_sha256(tmp_path / "contrastive.checkpoint")
    monkeypatch.setattr(ContrastiveTrainer, "_restore", lambda self, saved: pytest.fail("it was used"))
    fitted(tiny_encoder, splits, Checkpoints(tmp_path, False, say_nothing), seed=4)
    assert file_sha256(tmp_path / "contrastive.checkpoint") != before


@pytest.mark.parametrize("cause", ["disk full", "no folder"])
def test_checkpoints_that_cannot_be_written_cost_a_sentence(
    tmp_path: Path, tiny_encoder: SalesEncoder, splits: DataSplits, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    expected = fitted(tiny_encoder, splits, None)
    folder = tmp_path / "checkpoints"
    if cause == "no folder":
        folder.write_text("in the way")
    else:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
    sentences: list[str] = []
    model = fitted(tiny_encoder, splits, Checkpoints(folder, False, sentences.append))
    assert model.history == expected.history
    assert len(sentences) == 1
    assert sentences[0].startswith("The training goes on without checkpoints. Cannot write")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


# -------------------------------------------------------------------------------------------------------------- processes


def test_two_processes_have_the_loss_curve_of_one(
    tmp_path: Path, deals: Path, tiny_encoder_folder: Path, uninterrupted: Path
) -> None:
    """By torchrun and the command line, dropout included: the same batches, segments and random numbers."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "main.py"]
    done = subprocess.run(
        [*command, *training(deals, tmp_path, tiny_encoder_folder)],
        cwd=ROOT, env=ONE_THREAD, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    arrays, history = artifact(tmp_path)
    expected_arrays, expected_history = artifact(uninterrupted)
    assert len(history["rows"]) == len(expected_history["rows"]) == 3
    for row, expected in zip(history["rows"], expected_history["rows"], strict=True):
        assert row == pytest.approx(expected, abs=1e-4)
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected_arrays[name], atol=1e-4, err_msg=name)
    assert done.stdout.count("cross-validated log loss") == 1, "only the first process prints"
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "data", "models", "reports", "stages.json"}


def test_several_processes_do_nothing_but_train(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "main.py"]
    done = subprocess.run(
        [*command, "--mode", "evaluate", "--artifacts", str(tmp_path)],
        cwd=ROOT, env=ONE_THREAD, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.count("start torchrun with --mode train, not --mode evaluate") == 1


def test_skipped_texts_leave_the_random_numbers_as_if_they_had_been_run(
    tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    space = ConversationSpace.fit(tiny_encoder, splits.train, 0)
    network = ContrastiveNetwork(tiny_encoder, space, dropout=0.1, tune_blocks=True)
    network.train()
    states = [torch.randn(tokens, tiny_encoder.dim) for tokens in (3, 7, 7, 11)]
    after = []
    for skipped in (False, True):
        torch.manual_seed(5)
        if skipped:
            draw_dropout(network.upper_blocks, len(states), 11, tiny_encoder.device)
        else:
            run_upper_blocks(network.upper_blocks, states)
        after.append(torch.rand(4))
    torch.manual_seed(5)
    assert torch.equal(*after)
    assert not torch.equal(after[0], torch.rand(4)), "something was drawn"
