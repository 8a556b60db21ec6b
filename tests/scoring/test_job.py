"""A bulk job's folder: what is written is read again, and a damaged manifest or receipt never counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from foundations.errors import InputError
from scoring.job import Receipt, ScoringJob, Terms, read_job
from scoring.plan import open_job
from tests.scoring.bulk_jobs import write_notes


@pytest.fixture
def job(tmp_path: Path) -> ScoringJob:
    write_notes(tmp_path / "deals.jsonl", 25)
    terms = Terms("few_shot", "0123456789ab", per_turn=False, output_format="jsonl", columns={"transcript": "Notes"})
    return open_job(tmp_path / "scored", [tmp_path / "deals.jsonl"], terms, 10, skip=False)


def test_a_manifest_is_read_as_it_was_written(job: ScoringJob) -> None:
    assert read_job(job.folder) == job
    manifest = json.loads((job.folder / "manifest.json").read_text())
    assert list(manifest) == ["format_version", "terms", "files", "shard_columns", "shards"]
    assert manifest["format_version"] == 1
    assert [dict(zip(manifest["shard_columns"], shard, strict=True))["row"] for shard in manifest["shards"]] == [
        0,
        10,
        20,
    ]


DAMAGED: dict[str, tuple[Callable[[str], str], str]] = {
    "cut off": (lambda text: text[:40], "invalid JSON"),
    "of another kind": (lambda text: "[]", "should be an object"),
    "of another format": (lambda text: text.replace('"format_version": 1', '"format_version": 2'), "format_version 2"),
    "without terms": (lambda text: text.replace('"terms"', '"conditions"'), "terms is missing"),
    "a word for a number": (lambda text: text.replace('"size": ', '"size": "large", "was": '), "files.0.size 'large'"),
    "a shard without its end": (lambda text: re.sub(r"20,\s+20,\s+5\s+\]", "20]", text), "shards.2"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_manifest_is_told_of_and_left_alone(job: ScoringJob, kind: str) -> None:
    path = job.folder / "manifest.json"
    damage, why = DAMAGED[kind]
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(InputError) as told:
        open_job(job.folder, [Path(job.files[0].path)], job.terms, 10, skip=False)
    sentence = str(told.value)
    assert sentence.startswith(f"{str(path)!r} is no manifest of a bulk job (")
    assert why in sentence and sentence.endswith("); give another --output.") and "\n" not in sentence
    assert path.read_text() == damaged


def test_a_shard_is_finished_if_its_receipt_fits_its_scores(job: ScoringJob) -> None:
    shard = job.shards[1]
    assert job.receipt(shard) is None
    job.scores_path(shard).parent.mkdir()
    job.scores_path(shard).write_text("scores")
    receipt = Receipt(rows=10, scored=9, bytes=6, problems=["line 3: broken JSON"], worker="here, process 7")
    job.finish(shard, receipt)
    assert job.receipt(shard) == receipt
    job.scores_path(shard).write_text("")  # a disk that lost what was written
    assert job.receipt(shard) is None


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"rows": "many", "bytes": 6}', '{"bytes": 5}', '{"problems": 1}'])
def test_a_damaged_receipt_is_none(job: ScoringJob, damaged: str) -> None:
    shard = job.shards[1]
    job.scores_path(shard).parent.mkdir()
    job.scores_path(shard).write_text("scores")
    job.finish(shard, Receipt(bytes=6))
    (path,) = (job.folder / "receipts").iterdir()
    path.write_text(damaged)
    assert job.receipt(shard) is None
