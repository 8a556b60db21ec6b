"""Training that was killed goes on as if nothing had happened, and two processes train as one does."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrastive_learning_model import ContrastiveModel
from conversations.reading.files import read_splits, write_splits
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits, split_conversations
from encoder.torch_encoder import SalesEncoder, run_upper_blocks
from evaluation.learning_curve import balanced_subset
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import file_sha256
from foundations.terminal import console
from generate_sales_data import generate_conversations
from main import main
from modelling import starter_head
from modelling.checkpoints import Checkpoints
from modelling.contrastive.network import ContrastiveNetwork, draw_dropout
from modelling.contrastive.settings import ContrastiveSettings
from modelling.contrastive.training import ContrastiveTrainer
from modelling.conversation_vectors import ConversationSpace
from modelling.processes import TrainingProcesses
from modelling.saved.artifact import load_artifact
from modelling.saved.training_record import TrainingHistory
from tests.modelling.contrastive_process import SETTINGS, train

pytestmark = pytest.mark.seconds(30)

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(ROOT)}
PROCESS = str(ROOT / "tests" / "modelling" / "contrastive_process.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact folder with splits, of so many conversations that an epoch has two steps."""
    records = generate_conversations(count=44, seed=3)
    folder = ArtifactFolder(tmp_path_factory.mktemp("untrained"))
    splits = split_conversations([conversation_from_record(record, "generated") for record in records], seed=3)
    assert round(len(splits.train) / SETTINGS.batch_size) == 2
    write_splits(splits, folder.data)
    return folder.root


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, untrained: Path, tiny_encoder_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "artifacts"
    shutil.copytree(untrained, folder)
    train(folder, tiny_encoder_folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_starter() -> Iterator[None]:
    """The processes that are started here know of no starter for the tiny encoder, so this one must not either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starter_head, "starter_head_for", lambda encoder: None)
        yield


def started(command: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [*command, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)


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
    tmp_path: Path, untrained: Path, tiny_encoder_folder: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(untrained, folder)
    killed = started([sys.executable, PROCESS], folder, tiny_encoder_folder, 4)  # at the end of the second epoch
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["contrastive_search.checkpoint"]
    assert not (folder / "models").exists()
    steps: list[int] = []
    train_a_step = ContrastiveTrainer._step

    def counted(self: ContrastiveTrainer, batch: Any) -> dict[str, float]:
        if self.settings.block_learning_rate > 0:  # not those of the folds
            steps.append(len(batch))
        return train_a_step(self, batch)

    monkeypatch.setattr(ContrastiveTrainer, "_step", counted)
    train(folder, tiny_encoder_folder, resume=True)
    arrays, history = artifact(folder)
    assert (
        len(steps) == 2 + round(len(read_splits(folder / "data").learned_from) / SETTINGS.batch_size) * history["best"]
    ), "no step of epoch 1"
    expected_arrays, expected_history = artifact(uninterrupted)
    assert history == expected_history
    assert len(history["rows"]) == 3
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)
    assert not (folder / "checkpoints").exists(), "a finished run leaves none"


@pytest.fixture(scope="module")
def learn(tiny_encoder: SalesEncoder, splits: DataSplits) -> Callable[..., TrainingHistory]:
    """Trains one network on a few conversations."""
    few = balanced_subset(splits.train, 16, seed=0)
    space = ConversationSpace.fit(tiny_encoder, few, 0)

    def train_one(checkpoints: Checkpoints | None, seed: int = 3) -> TrainingHistory:
        settings = ContrastiveSettings(batch_size=8)
        trainer = ContrastiveTrainer(tiny_encoder, space, settings, seed, checkpoints=checkpoints)
        return trainer.train(few, splits.validation, lambda share: None)

    return train_one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed", "is of other data, settings, seed or encoder"),
        ("cut off", "is damaged"),
        ("flipped", "is damaged"),
        ("code", "is damaged"),
        ("folder", "can't be read"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_left_out_with_a_sentence(
    tmp_path: Path, learn: Callable[..., TrainingHistory], change: str, said: str
) -> None:
    expected = learn(Checkpoints(tmp_path, False, say_nothing))
    path = tmp_path / "contrastive_search.checkpoint"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if change == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif change == "flipped":
        path.write_bytes(content)
    elif change == "code":
        path.write_bytes(with_sha256(b"cos\nsystem\n(S'touch executed'\ntR."))
    elif change == "folder":
        path.unlink()
        path.mkdir()
    sentences: list[str] = []
    seed = 4 if change == "seed" else 3
    history = learn(Checkpoints(tmp_path, True, sentences.append), seed)
    assert said in sentences[0]
    assert "trained from the start" in sentences[0]
    if change != "seed":
        assert history == expected


def with_sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest() + data


def test_without_resume_a_checkpoint_is_not_used(
    tmp_path: Path, learn: Callable[..., TrainingHistory], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(Checkpoints(tmp_path, False, say_nothing))
    before = file_sha256(tmp_path / "contrastive_search.checkpoint")
    monkeypatch.setattr(ContrastiveTrainer, "_restore", lambda self, saved: pytest.fail("it was used"))
    learn(Checkpoints(tmp_path, False, say_nothing), seed=4)
    assert file_sha256(tmp_path / "contrastive_search.checkpoint") != before


def test_the_training_on_all_data_goes_on_too(
    tmp_path: Path, tiny_encoder: SalesEncoder, splits: DataSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = balanced_subset(splits.train, 16, seed=0)
    space = ConversationSpace.fit(tiny_encoder, few, 0)

    def trained(resume: bool, stop_at: float = 2.0) -> dict[str, torch.Tensor]:
        def progress(share: float) -> None:
            if share > stop_at:
                raise KeyboardInterrupt

        checkpoints = Checkpoints(tmp_path, resume, say_nothing)
        settings = ContrastiveSettings(batch_size=8)
        trainer = ContrastiveTrainer(tiny_encoder, space, settings, 3, checkpoints=checkpoints)
        trainer.train_for(3, few, progress)
        return trainer.network.state_dict()

    expected = trained(resume=False)
    with pytest.raises(KeyboardInterrupt):
        trained(resume=False, stop_at=0.6)  # of 3 epochs of 2 steps it stops in the fifth step
    torch.manual_seed(99)
    for name, weights in trained(resume=True).items():
        assert torch.equal(weights, expected[name]), name


@pytest.mark.parametrize("cause", ["disk full", "no folder"])
def test_checkpoints_that_cannot_be_written_cost_a_sentence(
    tmp_path: Path, learn: Callable[..., TrainingHistory], monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    expected = learn(None)
    folder = tmp_path / "checkpoints"
    if cause == "no folder":
        folder.write_text("in the way")
    else:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
    sentences: list[str] = []
    history = learn(Checkpoints(folder, False, sentences.append))
    assert history == expected
    assert len(sentences) == 1
    assert sentences[0].startswith("The training goes on without checkpoints. Cannot write")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


# -------------------------------------------------------------------------------------------------------------- processes


def test_two_processes_have_the_loss_curve_of_one(
    tmp_path: Path, untrained: Path, tiny_encoder_folder: Path, uninterrupted: Path
) -> None:
    """Dropout included: both draw the same batches, segments and random numbers as one process does."""
    folder = tmp_path / "artifacts"
    shutil.copytree(untrained, folder)
    done = started(TORCHRUN, PROCESS, folder, tiny_encoder_folder)
    assert done.returncode == 0, done.stderr
    groups = dict(re.findall(r"process (\d) ran (\d+) groups", done.stdout))
    assert groups.keys() == {"0", "1"}
    assert min(map(int, groups.values())) > 3, groups  # both had work in every step
    arrays, history = artifact(folder)
    expected_arrays, expected_history = artifact(uninterrupted)
    assert len(history["rows"]) == len(expected_history["rows"]) == 3
    for row, expected in zip(history["rows"], expected_history["rows"], strict=True):
        # Which process encodes a text depends on the moment, and its neighbours on that: rounding, which bfloat16 enlarges.
        assert row == pytest.approx(expected, abs=1e-3)
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind == "U":
            assert np.array_equal(array, expected_arrays[name]), name
        else:
            np.testing.assert_allclose(array, expected_arrays[name], atol=1e-3, err_msg=name)
    assert done.stdout.count("cross-validated log loss") == 1, "only the first process prints"
    assert {path.name for path in folder.iterdir()} == {"cache", "data", "models", "stages.json"}


@pytest.mark.parametrize("rank", [0, 1])
def test_several_processes_do_nothing_but_train_and_one_of_them_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, rank: int
) -> None:
    @contextmanager
    def joined() -> Iterator[TrainingProcesses]:
        yield TrainingProcesses(rank, 2)

    monkeypatch.setattr("main.joined_processes", joined)
    monkeypatch.setattr(console, "quiet", False)  # put back afterwards
    assert main(["--mode", "evaluate", "--artifacts", str(tmp_path)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert ("start torchrun with --mode train, not --mode evaluate" in error) == (rank == 0)
    assert bool(error) == (rank == 0)


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
            draw_dropout(network.upper_blocks, [3, 7, 7, 11], tiny_encoder.device)
        else:
            run_upper_blocks(network.upper_blocks, states)
        after.append(torch.rand(4))
    torch.manual_seed(5)
    assert torch.equal(*after)
    assert not torch.equal(after[0], torch.rand(4)), "something was drawn"
