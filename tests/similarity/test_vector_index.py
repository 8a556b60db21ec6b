"""The FAISS index against brute force, its inverted lists, and its files: atomic, checked, refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundations.atomic_files import SEAL, sealed, write_json
from foundations.errors import InputError
from similarity import index_files
from similarity.faiss_index import FaissIndex
from similarity.index_files import MANIFEST, load_index, save_index
from similarity.vector_index import Hit, Record, matches, quantised


def records(count: int, dim: int = 16, seed: int = 0) -> list[Record]:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        Record(f"c-{n}", vector, f"text {n}", {"outcome": ("failed", "successful")[n % 2], "n": n})
        for n, vector in enumerate(vectors)
    ]


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.record.id for hit in hits]


@pytest.fixture(params=[10_000, 100], ids=["flat", "ivf"])
def index(request: pytest.FixtureRequest) -> FaissIndex:
    """400 records, above the limit of the second."""
    found = FaissIndex(flat_limit=request.param)
    found.add(records(400)[:90])
    found.add(records(400)[90:])
    assert found.kind == ("flat" if request.param > 400 else "ivf")
    return found


def test_the_nearest_by_hand() -> None:
    index = FaissIndex()
    east, north, between = ([1, 0], [0, 1], [0.8, 0.6])
    for name, vector in (("east", east), ("north", north), ("between", between)):
        index.add([Record(name, np.array(vector, dtype=np.float32), "")])
    # Cosines with (0.6, 0.8): east 0.6, north 0.8, between 0.8 · 0.6 + 0.6 · 0.8 = 0.96.
    hits = index.search(np.array([0.6, 0.8], dtype=np.float32), 2)
    assert ids(hits) == ["between", "north"]
    assert [hit.similarity for hit in hits] == pytest.approx([0.96, 0.8])


def test_search_is_that_of_brute_force_with_and_without_a_filter(index: FaissIndex) -> None:
    everything = records(400)
    for query in records(20, seed=1):
        for where in (None, {"outcome": "failed"}, {"n": [3, 7, 11]}, {"outcome": "failed", "n": [3, 4]}):
            kept = [record for record in everything if matches(record.metadata, where or {})]
            best = sorted(kept, key=lambda record: -float(record.vector @ query.vector))[:5]
            assert ids(index.search(query.vector, 5, where)) == [record.id for record in best]


def test_what_does_not_match_is_not_found(index: FaissIndex) -> None:
    query = records(1)[0].vector
    assert index.search(query, 5, {"outcome": "open"}) == []
    assert index.search(query, 5, {"colour": None}) == []
    assert index.search(query, 0) == []
    assert FaissIndex().search(query, 5) == []
    assert len(index.search(query, 1000)) == 400


def test_records_are_replaced_and_removed(index: FaissIndex) -> None:
    new = Record("c-7", records(1, seed=2)[0].vector, "another text", {"outcome": "failed"})
    index.add([new])
    index.delete(["c-0", "c-1", "never seen"])
    assert len(index) == 398
    assert [record.text for record in index.get(["c-7", "c-0", "c-2"])] == ["another text", "text 2"]
    assert ids(index.search(new.vector, 1)) == ["c-7"]
    found = ids(index.search(records(400)[0].vector, 398))
    assert len(found) == len(set(found)) == 398
    assert not {"c-0", "c-1"} & set(found)


def test_vectors_of_another_width_are_refused(index: FaissIndex) -> None:
    with pytest.raises(InputError, match="have 4 dimensions, the index has 16"):
        index.add(records(1, dim=4))
    with pytest.raises(InputError, match="has 4 dimensions, the index has 16"):
        index.search(records(1, dim=4)[0].vector, 1)
    assert len(index) == 400


def test_quantised_vectors_keep_their_cosines() -> None:
    vectors = np.stack([record.vector for record in records(50, dim=384)])
    lost = quantised(vectors).astype(np.float32) / 127 @ vectors.T - vectors @ vectors.T
    assert np.abs(lost).max() < 0.01


def saved(folder: Path, count: int = 30) -> FaissIndex:
    index = FaissIndex()
    lines = quantised(np.eye(3))
    items = [
        Record(r.id, r.vector, r.text, r.metadata, lines[: n % 4] if n % 5 else None)
        for n, r in enumerate(records(count))
    ]
    index.add(items)
    save_index(folder, index, {"model": "contrastive"})
    return index


def test_what_is_read_is_what_was_written(tmp_path: Path, index: FaissIndex) -> None:
    for number, written in enumerate((index, FaissIndex(), saved(tmp_path / "lines"))):
        folder = tmp_path / str(number)
        save_index(folder, written, {"model": "contrastive"})
        found, manifest = load_index(folder, "do")
        assert (manifest["model"], manifest["count"], manifest["search"]) == ("contrastive", len(written), written.kind)
        for before, after in zip(written, found, strict=True):
            assert (before.id, before.text, before.metadata) == (after.id, after.text, after.metadata)
            assert np.allclose(before.vector, after.vector)
            assert (before.parts is None) == (after.parts is None)
            assert before.parts is None or np.array_equal(before.parts, after.parts)  # type: ignore[arg-type]
        query = records(1, seed=3)[0].vector
        assert ids(found.search(query, 5)) == ids(written.search(query, 5))
        found.add(records(2, seed=4))  # it can be added to
        assert len(found) == max(len(written), 2)


def test_only_data_is_written_and_old_versions_go(tmp_path: Path) -> None:
    for count in (30, 31):
        saved(tmp_path, count)
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".faiss", ".json", ".json", ".safetensors"]
    assert len(load_index(tmp_path, "do")[0]) == 31


@pytest.mark.parametrize("old", ["{", '{"format_version": 1, "files": {}}'])
def test_files_of_an_index_whose_manifest_cannot_be_read_go_as_well(tmp_path: Path, old: str) -> None:
    saved(tmp_path, 30)
    before = {path.name for path in tmp_path.iterdir()} - {MANIFEST}
    (tmp_path / MANIFEST).write_text(old)
    others = {"records.json", "vectors.of-mine.faiss", "notes.txt"}
    for name in others:
        (tmp_path / name).write_text("not of an index")
    saved(tmp_path, 31)
    now = {path.name for path in tmp_path.iterdir()}
    assert not now & before and others <= now and len(now - others) == 4
    assert len(load_index(tmp_path, "do")[0]) == 31


@pytest.mark.parametrize("part", ["vectors", "records", "lines"])
def test_a_changed_or_missing_file_is_refused(tmp_path: Path, part: str) -> None:
    saved(tmp_path)
    path = next(tmp_path.glob(f"{part}.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=rf"{part}.*was changed after it was written: its SHA-256 is .*; train, or"):
        load_index(tmp_path, "train")
    path.unlink()
    with pytest.raises(InputError, match=rf"There is no '.*{part}.*'; train\."):
        load_index(tmp_path, "train")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no"),
        ("{", "is damaged"),
        ("[]", "format version None"),
        ('{"format_version": 99, "files": {}}', "format version 99, this program reads 2"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=f"{said}.*; train"):
        load_index(tmp_path, "train")


def test_any_changed_byte_of_the_manifest_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    data = (tmp_path / MANIFEST).read_bytes()
    for place in range(len(data)):
        (tmp_path / MANIFEST).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(InputError, match="train"):
            load_index(tmp_path, "train")


def test_files_that_belong_to_different_versions_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a", 30)
    saved(tmp_path / "b", 20)
    manifests = [json.loads((tmp_path / name / MANIFEST).read_text()) for name in "ab"]
    manifests[0]["files"]["records"] = manifests[1]["files"]["records"]
    manifests[0]["files"]["lines"] = manifests[1]["files"]["lines"]
    for path in (tmp_path / "b").iterdir():
        if path.name != MANIFEST:
            (tmp_path / "a" / path.name).write_bytes(path.read_bytes())
    manifests[0].pop(SEAL)
    write_json(tmp_path / "a" / MANIFEST, sealed(manifests[0]))
    with pytest.raises(InputError, match="20 texts but not as many vectors"):
        load_index(tmp_path / "a", "train")


@pytest.mark.parametrize("stopped_at", [1, 2, 3, 4])
def test_a_writer_that_is_stopped_leaves_the_old_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    saved(tmp_path, 30)
    writes = 0
    for name in ("write_atomically", "write_json"):
        write = getattr(index_files, name)

        def stopping(*of: Any, write: Any = write) -> None:
            nonlocal writes
            writes += 1
            if writes == stopped_at:
                raise KeyboardInterrupt
            write(*of)

        monkeypatch.setattr(index_files, name, stopping)
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path, 40)
    assert len(load_index(tmp_path, "do")[0]) == 30
