"""Encoded segments on disk: nothing is encoded twice, results stay the same, and no state of the files stops a training."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from conversations.conversation import Conversation
from conversations.split import DataSplits
from encoder.cache import CacheFolder, SegmentCache
from encoder.cache_file import DamagedBlockError, SegmentBlock, write_block
from encoder.source import load_encoder
from encoder.torch_encoder import SalesEncoder
from evaluation.learning_curve import balanced_subset, measure_learning_curve
from main import main
from model_registry import model_class
from modelling.contrastive.settings import ContrastiveSettings
from stages import upkeep as cache_stage

ROOT = Path(__file__).parents[2]
GIB = 1024**3
TEXTS = ["Prospect: we can sign on Friday.", "Seller: what would you need?", "No.", "We have no budget this year."]


class Warnings(list[str]):
    """What a cache has said."""

    def __call__(self, sentence: str) -> None:
        self.append(sentence)


@pytest.fixture
def warnings() -> Warnings:
    return Warnings()


@pytest.fixture
def folder(tmp_path: Path, warnings: Warnings) -> CacheFolder:
    return CacheFolder(tmp_path / "cache", GIB, warnings)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that any encoder's frozen blocks run over, lower ones and upper ones alike, as often as they do."""
    runs: list[str] = []
    run_lower = SalesEncoder._run_lower_blocks
    run_upper = SalesEncoder._run_upper

    def lower(self: SalesEncoder, token_ids: list[list[int]]) -> Any:
        runs.extend(f"lower {ids}" for ids in token_ids)
        return run_lower(self, token_ids)

    def upper(self: SalesEncoder, blocks: Any, texts: Any) -> Any:
        if blocks is self.upper_blocks:
            runs.extend(f"upper {text}" for text in texts)
        return run_upper(self, blocks, texts)

    monkeypatch.setattr(SalesEncoder, "_run_lower_blocks", lower)
    monkeypatch.setattr(SalesEncoder, "_run_upper", upper)
    return runs


def files(folder: CacheFolder) -> list[Path]:
    return sorted(path for path in folder.path.rglob("*") if path.is_file())


def encoder_on(folder: CacheFolder, tiny: Path) -> SalesEncoder:
    return SalesEncoder.load(str(tiny), keep_states=True, cache_folder=folder)


def numbers(rows: int, value: float = 1.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.full((rows, 4), value, dtype=np.float32)


# -------------------------------------------------------------------------------------------------------------- one file


def test_a_block_gives_back_what_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {bytes([n]) * 16: random.normal(size=(n + 1, 8)).astype(np.float32) for n in range(5)}
    write_block(tmp_path / "one.segments", arrays)
    block = SegmentBlock(tmp_path / "one.segments")
    assert block.keys() == list(arrays)
    for entry, array in enumerate(arrays.values()):
        assert block.get(entry).tobytes() == array.tobytes()


@pytest.mark.parametrize("place", ["magic", "count", "table", "data", "shorter", "longer", "empty"])
def test_a_changed_block_is_told(tmp_path: Path, place: str) -> None:
    path = tmp_path / "one.segments"
    write_block(path, {b"a" * 16: numbers(2), b"b" * 16: numbers(3)})
    content = bytearray(path.read_bytes())  # header 48, table 2 · 32, data 5 · 4 · 4 bytes
    assert len(content) == 48 + 64 + 80
    at = {"magic": 0, "count": 8, "table": 48 + 16, "data": 48 + 64 + 33}
    if place in at:
        content[at[place]] ^= 1
    path.write_bytes(
        {"shorter": bytes(content[:-1]), "longer": bytes(content) + b"x", "empty": b""}.get(place, bytes(content))
    )
    with pytest.raises(DamagedBlockError):
        SegmentBlock(path).get(1)


# ------------------------------------------------------------------------------------------------------ nothing twice


def test_another_encoder_of_the_same_weights_encodes_nothing_again(
    folder: CacheFolder, tiny_encoder_folder: Path, encoded: list[str]
) -> None:
    first = encoder_on(folder, tiny_encoder_folder)
    vectors = first.embed_texts(TEXTS)
    states = {text: s for group, of_group in first.lower_states(TEXTS) for text, s in zip(group, of_group, strict=True)}
    first.keep_on_disk()
    assert len(encoded) == 2 * len(TEXTS)
    second = encoder_on(folder, tiny_encoder_folder)
    assert second.embed_texts(TEXTS).tobytes() == vectors.tobytes()
    for group, of_group in second.lower_states(TEXTS):
        for text, state in zip(group, of_group, strict=True):
            assert state.numpy().tobytes() == states[text].numpy().tobytes()
    assert len(encoded) == 2 * len(TEXTS)


def test_training_curve_and_cross_validation_encode_nothing_again_and_give_the_same(
    folder: CacheFolder, tiny_encoder_folder: Path, splits: DataSplits, encoded: list[str]
) -> None:
    few = replace(splits, train=balanced_subset(splits.train, 16, seed=0), test=splits.test[:6])

    def results(encoder: SalesEncoder) -> list[bytes]:
        model = model_class("contrastive")(
            encoder, ContrastiveSettings(epochs=1), seed=3
        )  # makes its out-of-fold predictions, too
        model.fit(few.train, few.validation)
        assert model.last_fit is not None
        curve = measure_learning_curve(encoder, few, ["classification_head"], seed=3)
        encoder.keep_on_disk()
        return [model.predict_proba(few.test).tobytes(), model.last_fit.log_odds.tobytes(), repr(curve).encode()]

    without = results(SalesEncoder.load(str(tiny_encoder_folder), keep_states=True))
    alone = len(encoded)
    assert alone > 0
    cold = results(encoder_on(folder, tiny_encoder_folder))
    assert len(encoded) == 2 * alone
    warm = results(encoder_on(folder, tiny_encoder_folder))
    assert len(encoded) == 2 * alone, "the second run encodes nothing"
    assert cold == without, "bit for bit"
    assert warm == without, "bit for bit"


def test_other_weights_tokenizer_or_pooling_share_nothing(
    folder: CacheFolder, tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_encoder(str(tiny_encoder_folder))
    encoder = SalesEncoder(loaded, cache_folder=folder)
    described = encoder._numerics()
    assert loaded.identity.sha256 in described
    for place in range(len(described)):
        changed = SegmentCache(folder, [*described[:place], described[place] + "x", *described[place + 1 :]])
        assert changed._path != SegmentCache(folder, described)._path


# ------------------------------------------------------------------------------------------------------------- privacy


def test_no_text_lies_in_the_files(
    folder: CacheFolder, tiny_encoder_folder: Path, conversations: list[Conversation]
) -> None:
    encoder = encoder_on(folder, tiny_encoder_folder)
    encoder.embed_texts(TEXTS)
    encoder.keep_on_disk()
    content = b"".join(path.read_bytes() + path.name.encode() for path in files(folder)).lower()
    words = {word for text in TEXTS for word in text.lower().strip(".?").split() if len(word) > 3}
    assert len(words) > 5
    assert [word for word in words if word.encode() in content] == []


# ------------------------------------------------------------------------------------------------------- size and runs


def test_the_least_recently_used_files_go_first(tmp_path: Path, warnings: Warnings) -> None:
    # A file is 48 + 32 + 4 · 4 · 10 = 240 bytes; 600 bytes hold two.
    folder = CacheFolder(tmp_path / "cache", 600, warnings)
    for age, text in enumerate(["unused", "used"]):
        cache = SegmentCache(folder, ["encoder"])
        cache.add("vector", text, numbers(10))
        cache.flush()
        (path,) = [path for path in files(folder) if path.stat().st_mtime > 5000]
        os.utime(path, (2000 - 1000 * age, 2000 - 1000 * age))  # "used" is the older one
    cache = SegmentCache(folder, ["encoder"])
    assert cache.get("vector", "used") is not None
    cache.add("vector", "new", numbers(10))
    cache.flush()
    again = SegmentCache(folder, ["encoder"])
    assert [again.get("vector", text) is not None for text in ("unused", "used", "new")] == [False, True, True]
    assert sum(path.stat().st_size for path in files(folder)) == 480
    assert warnings == []


def test_a_small_cache_is_never_larger_than_allowed(tmp_path: Path, warnings: Warnings) -> None:
    folder = CacheFolder(tmp_path / "cache", 2000, warnings)
    cache = SegmentCache(folder, ["encoder"])
    for number in range(40):
        cache.add("vector", str(number), numbers(10))
        assert sum(path.stat().st_size for path in files(folder)) <= 2000
    cache.flush()
    assert 1000 < sum(path.stat().st_size for path in files(folder)) <= 2000
    assert SegmentCache(folder, ["encoder"]).get("vector", "39") is not None
    assert warnings == []


def test_what_was_open_stays_readable_when_its_file_goes(folder: CacheFolder) -> None:
    cache = SegmentCache(folder, ["encoder"])
    cache.add("vector", "a", numbers(3, 7.0))
    cache.flush()
    assert folder.clear() == 1
    found = cache.get("vector", "a")
    assert found is not None
    assert (found == 7.0).all()
    assert files(folder) == []


def test_states_on_disk_are_not_in_memory_as_well(
    folder: CacheFolder, tiny_encoder_folder: Path, encoded: list[str]
) -> None:
    encoder = encoder_on(folder, tiny_encoder_folder)
    expected = states_of(encoder, TEXTS)
    encoder.keep_on_disk()
    encoded.clear()
    for _ in range(2):
        found = states_of(encoder, TEXTS)
        assert {text: state.tobytes() for text, state in found.items()} == {
            text: state.tobytes() for text, state in expected.items()
        }
        assert {encoder._states.get(text) for text in TEXTS} == {None}
    assert encoded == []
    (path,) = files(folder)
    with path.open("r+b") as file:  # changed while it is open
        file.seek(-3, os.SEEK_END)
        file.write(b"abc")
    found = states_of(encoder, TEXTS)
    assert all(np.allclose(found[text], expected[text], atol=1e-5) for text in TEXTS)
    assert encoded


def states_of(encoder: SalesEncoder, texts: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    groups = encoder.lower_states(texts)
    return {text: state.numpy() for group, states in groups for text, state in zip(group, states, strict=True)}


def test_processes_that_run_at_once_keep_everything(folder: CacheFolder) -> None:
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom encoder.cache import CacheFolder, SegmentCache\n"
        "cache = SegmentCache(CacheFolder(Path(sys.argv[1]), 2**30, print), ['encoder'])\n"
        "for n in range(50):\n"
        "    for name in (sys.argv[2], 'both'):\n"
        "        cache.add('vector', f'{name} {n}', np.full((3, 4), n, dtype=np.float32))\n"
        "    cache.flush()\n"
    )
    command = [sys.executable, "-c", script, str(folder.path)]
    running = [subprocess.Popen([*command, name], cwd=ROOT, stdout=subprocess.PIPE) for name in "ab"]
    assert [process.communicate()[0] for process in running] == [b"", b""]
    assert [process.returncode for process in running] == [0, 0]
    cache = SegmentCache(folder, ["encoder"])
    for n in range(50):
        for name in ("a", "b", "both"):
            found = cache.get("vector", f"{name} {n}")
            assert found is not None and (found == n).all()


def test_a_process_finds_what_another_wrote_after_it_began(folder: CacheFolder) -> None:
    early, late = SegmentCache(folder, ["encoder"]), SegmentCache(folder, ["encoder"])
    late.add("vector", "a", numbers(2))
    late.flush()
    assert early.get("vector", "a") is None
    early.refresh()
    assert early.get("vector", "a") is not None


# ------------------------------------------------------------------------------------------------------------ bad states


@pytest.mark.parametrize("damage", ["cut off", "changed", "not ours"])
def test_a_damaged_file_is_encoded_and_written_again(
    folder: CacheFolder, tiny_encoder_folder: Path, encoded: list[str], damage: str, warnings: Warnings
) -> None:
    first = encoder_on(folder, tiny_encoder_folder)
    vectors = first.embed_texts(TEXTS)
    first.keep_on_disk()
    (path,) = files(folder)
    content = path.read_bytes()
    damaged = {"cut off": content[:-40], "changed": content[:-3] + b"abc", "not ours": b"something else"}
    path.write_bytes(damaged[damage])
    for expected in (True, False):  # the second time all is well again
        encoded.clear()
        encoder = encoder_on(folder, tiny_encoder_folder)
        assert encoder.embed_texts(TEXTS).tobytes() == vectors.tobytes()
        encoder.keep_on_disk()
        assert bool(encoded) == expected
    assert warnings == []


@pytest.mark.parametrize("cause", ["disk full", "no folder"])
def test_without_room_or_permission_it_says_so_once_and_goes_on(
    folder: CacheFolder,
    tiny_encoder_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: str,
    warnings: Warnings,
    encoded: list[str],
) -> None:
    if cause == "no folder":
        folder.path.write_text("in the way")  # below a regular file no folder can be made, also not by root
    else:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
    encoder = encoder_on(folder, tiny_encoder_folder)
    for texts in (TEXTS[:2], TEXTS):
        assert encoder.embed_texts(texts).shape == (len(texts), encoder.dim)
        encoder.keep_on_disk()
    assert len(warnings) == 1, warnings
    assert str(folder.path) in warnings[0]
    states_of(encoder, TEXTS)  # those that the disk lost
    encoded.clear()
    states_of(encoder, TEXTS)
    assert encoded == []  # kept in memory, then
    assert [path for path in folder.path.rglob("*") if path.is_file()] == [], "nothing half-written"


# ------------------------------------------------------------------------------------------------------ the command line


def test_the_command_line_shows_and_empties_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache_stage, "say", lambda text, style="": Console(width=300).print(text))
    arguments = ["--mode", "cache", "--artifacts", str(tmp_path)]
    cache = SegmentCache(CacheFolder(tmp_path / "cache", GIB, print), ["encoder"])
    cache.add("vector", "a", np.zeros((1, 1024**2), dtype=np.float32))
    cache.flush()
    assert main(arguments) == 0
    assert "1 entries of 1 encoders" in (shown := capsys.readouterr().out)
    assert "4.0 MiB of at most 4.0 GiB" in shown
    assert main([*arguments, "--clear"]) == 0
    assert "1 entries deleted, 4.0 MiB freed" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "0 entries of 0 encoders" in capsys.readouterr().out


def test_settings_move_and_switch_off_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--mode", "cache", "--artifacts", str(tmp_path)]
    monkeypatch.setenv("SALES_CACHE", str(tmp_path / "elsewhere"))
    assert main(arguments) == 0
    assert "elsewhere" in capsys.readouterr().out
    monkeypatch.setenv("SALES_CACHE_GB", "0")
    assert main(arguments) == 0
    assert "no cache" in capsys.readouterr().out
    monkeypatch.setenv("SALES_CACHE_GB", "lots")
    assert main(arguments) == 2
    assert "SALES_CACHE_GB is 'lots'" in " ".join(capsys.readouterr().err.split())


def test_a_folder_that_cannot_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert main(["--mode", "cache", "--artifacts", str(tmp_path)]) == 2
    assert "Cannot read the cache" in " ".join(capsys.readouterr().err.split())
