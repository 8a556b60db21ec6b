"""Scoring in bulk on one machine: each id once, whatever is stopped or killed, and every bad input in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from main import main
from model_registry import artifact_path
from modelling.saved.serving_folder import serving_folder
from scoring.handing_out import Event, Waiting
from scoring.job import ScoringJob, Shard, Terms, locked
from scoring.local_engine import score_locally
from scoring.plan import open_job
from scoring.progress import ScoringProgress, StalledError
from scoring.worker import Reply, ShardScorer, duplicate_ids, model_version, write_shard
from tests.conversations.formats.tables.workbooks import workbook
from tests.scoring.bulk_jobs import (
    busy_worker,
    errors,
    receipts,
    scored_ids,
    scored_rows,
    scoring,
    started,
    wait_until,
    write_notes,
)

pytestmark = pytest.mark.seconds(10)


@pytest.fixture(scope="module")
def artifacts(trained_artifacts: ArtifactFolder) -> Path:
    return trained_artifacts.root


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("Error: ") and "Traceback" not in error
    return error


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


# ------------------------------------------------------------------------------------------------------------- each once


def test_every_row_is_scored_once_as_without_an_engine(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = write_notes(tmp_path / "deals.jsonl", 45)
    output = tmp_path / "scored"
    assert main(scoring(tmp_path / "deals.jsonl", output, artifacts, "--workers", 2)) == 0
    assert "45 conversations scored" in " ".join(capsys.readouterr().out.split())
    assert scored_ids(output) == ids
    assert len(receipts(output)) == 5
    single = [*scoring(tmp_path / "deals.jsonl", tmp_path / "one.jsonl", artifacts)[:2], "--model", "few_shot"]
    single += [
        "--data",
        str(tmp_path / "deals.jsonl"),
        "--output",
        str(tmp_path / "one.jsonl"),
        "--artifacts",
        str(artifacts),
    ]
    assert main(single) == 0
    expected = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()]
    for row, other in zip(scored_rows(output), expected, strict=True):
        assert row["probability"] == pytest.approx(other["probability"], abs=1e-4)
        assert {**row, "probability": 0, "confidence": 0} == {**other, "probability": 0, "confidence": 0}


def test_four_kinds_of_files_become_parquet_with_a_row_a_turn(tmp_path: Path, artifacts: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.jsonl").write_text('{"transcript": "They liked it. They asked for a price."}\n' * 2)
    (data / "b.csv").write_text("transcript,industry\nToo dear.,retail\n")
    pq.write_table(pa.table({"conversation_id": [7], "transcript": ["They sign. On Friday."]}), data / "c.parquet")
    (data / "d.xlsx").write_bytes(workbook({"Deals": [["Id", "Description"], [8, "They wait."]]}))
    output = tmp_path / "scored"
    assert main(scoring(data, output, artifacts, "--output-format", "parquet", "--per-turn")) == 0
    rows = pq.read_table(output / "scores").to_pylist()  # all of the folder at once, as a warehouse reads it
    assert [(row["conversation_id"], row["turn"]) for row in rows] == [
        *[("a.jsonl:row-1", 1), ("a.jsonl:row-1", 2), ("a.jsonl:row-2", 1), ("a.jsonl:row-2", 2)],
        *[("b.csv:row-1", 1), ("7", 1), ("7", 2), ("8", 1)],
    ]


@pytest.mark.parametrize("output_format", ["jsonl", "parquet"])
def test_closed_deals_are_marked_and_counted(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str], output_format: str
) -> None:
    ended = ["failed", "", "successful"]
    table = "transcript,outcome\n" + "".join(f"They asked for a price.,{outcome}\n" for outcome in ended)
    (tmp_path / "deals.csv").write_text(table)
    output = tmp_path / "scored"
    assert main(scoring(tmp_path / "deals.csv", output, artifacts, "--output-format", output_format)) == 0
    path = output / "scores" / f"part-00000.{output_format}"
    rows = pq.read_table(path).to_pylist() if output_format == "parquet" else scored_rows(output)
    assert [row["recorded_outcome"] for row in rows] == ["failed", None, "successful"]
    assert "2 of these are of deals closed already" in " ".join(capsys.readouterr().out.split())


def test_a_killed_job_goes_on_with_what_is_missing(tmp_path: Path, artifacts: Path) -> None:
    ids = write_notes(tmp_path / "deals.jsonl", 2000)
    output = tmp_path / "scored"
    arguments = scoring(tmp_path / "deals.jsonl", output, artifacts, "--workers", 2, "--shard-rows", 25)
    driver = started(arguments)
    wait_until(lambda: len(receipts(output)) >= 3)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.communicate()
    wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers), seconds=20)
    finished = {path.name: path.stat().st_mtime_ns for path in (output / "scores").glob("part-*")}
    whole = {path.stem for path in receipts(output)}
    assert 3 <= len(whole) < 80, "it was to be killed in the middle"
    assert main(arguments) == 0
    assert scored_ids(output) == ids
    assert len(receipts(output)) == 80
    for name, written in finished.items():
        if Path(name).stem in whole:
            assert (output / "scores" / name).stat().st_mtime_ns == written, "a finished shard was scored again"
    assert list(output.rglob(".*.tmp")) == []


def test_a_killed_worker_costs_only_its_shard(tmp_path: Path, artifacts: Path) -> None:
    ids = write_notes(tmp_path / "deals.jsonl", 1200)
    output = tmp_path / "scored"
    driver = started(scoring(tmp_path / "deals.jsonl", output, artifacts, "--workers", 2, "--shard-rows", 30))
    wait_until(lambda: len(receipts(output)) >= 2)
    worker = next(child for child in psutil.Process(driver.pid).children() if "spawn_main" in " ".join(child.cmdline()))
    worker.send_signal(signal.SIGKILL)
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert scored_ids(output) == ids


def test_the_third_worker_that_dies_at_a_shard_ends_the_job(tmp_path: Path, artifacts: Path) -> None:
    write_notes(tmp_path / "deals.jsonl", 6000)
    output = tmp_path / "scored"
    driver = started(scoring(tmp_path / "deals.jsonl", output, artifacts, "--shard-rows", 6000))
    for _ in range(3):
        worker = busy_worker(driver, tmp_path / "deals.jsonl")
        worker.kill()
        worker.wait(timeout=20)
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 2, said
    expected = f"A worker process was ended by signal 9, the 3rd one at shard part-00000 of {tmp_path / 'deals.jsonl'}"
    assert expected in said
    assert receipts(output) == []


def test_a_worker_whose_driver_was_killed_ends_before_it_writes(tmp_path: Path, artifacts: Path) -> None:
    """Another run may be at that shard by then."""
    write_notes(tmp_path / "deals.jsonl", 6000)
    output = tmp_path / "scored"
    driver = started(scoring(tmp_path / "deals.jsonl", output, artifacts, "--shard-rows", 6000))
    worker = busy_worker(driver, tmp_path / "deals.jsonl")
    driver.kill()
    driver.communicate()
    wait_until(lambda: not worker.is_running() or worker.status() == "zombie", seconds=20)
    assert receipts(output) == []
    assert files_of(output) == {"manifest.json"}


def test_rows_of_a_long_shard_are_told_while_it_is_in_work(tmp_path: Path, artifacts: Path) -> None:
    """So the watchdog of a stalled job sees that it moves; and one process is enough for one shard."""
    write_notes(tmp_path / "deals.jsonl", 3000)
    folder = ArtifactFolder(artifacts)
    terms = Terms("few_shot", model_version(folder, "few_shot"), per_turn=False, output_format="jsonl")
    job = open_job(tmp_path / "scored", [tmp_path / "deals.jsonl"], terms, 3000, skip=False)
    events = list(score_locally(artifacts, job, job.shards, 4, skip=False))
    assert {event.state for event in events if isinstance(event, Waiting)} == {"1 processes"}
    *told, last = [event for event in events if isinstance(event, Event)]
    assert last.said == Reply(scored=3000)
    rows = [event.said for event in told if isinstance(event.said, int)]
    assert rows == sorted(rows) and set(rows) <= {*range(0, 3000, 256), 3000}
    assert any(rows)  # a driver that looks in seldom may miss the first of them


def test_shards_that_were_half_written_are_written_again(tmp_path: Path, artifacts: Path) -> None:
    ids = write_notes(tmp_path / "deals.jsonl", 30)
    output = tmp_path / "scored"
    arguments = scoring(tmp_path / "deals.jsonl", output, artifacts)
    assert main(arguments) == 0
    (output / "receipts" / "part-00000.json").unlink()  # killed between the scores and the receipt
    (output / "scores" / "part-00001.jsonl").write_text("")  # a disk that lost what was written
    (output / "scores" / ".part-00002.jsonl.x1.tmp").write_text('{"conversation_id": "c2')
    assert main(arguments) == 0
    assert scored_ids(output) == ids


def test_ids_that_come_twice_are_scored_twice_and_told_of(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notes(tmp_path / "a.jsonl", 15)
    write_notes(tmp_path / "b.jsonl", 3, first=13)
    output = tmp_path / "scored"
    assert main(scoring(tmp_path / "*.jsonl", output, artifacts)) == 0
    assert "2 ids occur more than once in the input (the first: 'c13')" in " ".join(capsys.readouterr().out.split())
    assert len(scored_ids(output)) == 18
    assert duplicate_ids([output / "scores" / "part-00000.jsonl"]) is None


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_neighbours_with_one_id_are_told_of(tmp_path: Path, ending: str) -> None:
    row = {"conversation_id": "c1", "speaker": "", "probability": 0.5, "model": "few_shot", "recorded_outcome": None}
    turns = tmp_path / f"part-00000.{ending}"
    write_shard(turns, [row | {"turn": 1}, row | {"turn": 2}], per_turn=True)
    assert duplicate_ids([turns]) is None
    write_shard(turns, [row | {"turn": 1}, row | {"turn": 2}, row | {"turn": 1}], per_turn=True)
    assert duplicate_ids([turns]) == (1, "c1")
    rows = tmp_path / f"part-00001.{ending}"
    whole = row | {"outcome": "failed", "confidence": 0.5, "reliability": "high", "reliability_reasons": ""}
    write_shard(rows, [whole, whole, whole | {"conversation_id": "c2"}], per_turn=False)
    assert duplicate_ids([rows]) == (1, "c1")


# ------------------------------------------------------------------------------------------------- what a restart must be


def test_another_model_format_or_input_is_refused(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "deals.jsonl", tmp_path / "scored"
    write_notes(data, 12)
    assert main(scoring(data, output, artifacts)) == 0
    before = {name: (output / name).read_bytes() for name in files_of(output)}
    again = scoring(data, output, artifacts)
    assert "model 'few_shot', now it is 'ensemble'" in refused(capsys, [*again, "--model", "ensemble"])
    assert "output format 'jsonl', now it is 'parquet'" in refused(capsys, [*again, "--output-format", "parquet"])
    assert "per turn False, now it is True" in refused(capsys, [*again, "--per-turn"])
    other = tmp_path / "other.jsonl"
    write_notes(other, 12)
    assert "was begun with other inputs" in refused(capsys, scoring(other, output, artifacts))
    os.utime(data, (1, 1))  # the same words: a copy, or a restored backup
    assert {name: (output / name).read_bytes() for name in files_of(output)} == before
    assert main(again) == 0
    before["manifest.json"] = (output / "manifest.json").read_bytes()  # it knows the new date
    data.write_text(data.read_text().replace("price", "PRICE"))
    assert f"{str(data)!r} was changed since" in refused(capsys, again)
    assert {name: (output / name).read_bytes() for name in files_of(output)} == before


def test_after_a_bad_first_row_the_corrected_file_is_scored_by_the_same_command(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "deals.jsonl", tmp_path / "scored"
    write_notes(data, 12)
    good = data.read_text()
    data.write_text("{broken\n" + good)
    command = scoring(data, output, artifacts)
    assert f"{data}, line 1" in refused(capsys, command)
    assert (output / "manifest.json").exists()
    (output / "scores").mkdir(exist_ok=True)
    (output / "scores" / "part-00000.jsonl").write_text("of a shard that was stopped before its receipt")
    data.write_text(good)
    assert main(command) == 0
    scores = "".join(path.read_text() for path in sorted((output / "scores").iterdir()))
    assert len(scores.splitlines()) == 12
    assert "stopped before" not in scores


def test_a_model_that_was_trained_again_is_refused(
    tmp_path: Path, trained_artifacts: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ArtifactFolder(tmp_path / "artifacts")
    shutil.copytree(trained_artifacts.models, folder.models)
    write_notes(tmp_path / "deals.jsonl", 12)
    arguments = scoring(tmp_path / "deals.jsonl", tmp_path / "scored", folder.root)
    assert main(arguments) == 0
    few_shot = serving_folder(artifact_path(folder, "few_shot"))
    shutil.rmtree(few_shot)
    shutil.copytree(serving_folder(artifact_path(folder, "classification_head")), few_shot)
    assert "was begun with model version" in refused(capsys, arguments)


def test_a_copy_of_the_input_is_gone_on_with(tmp_path: Path, artifacts: Path) -> None:
    data, output = tmp_path / "deals.jsonl", tmp_path / "scored"
    ids = write_notes(data, 12)
    assert main(scoring(data, output, artifacts)) == 0
    (output / "receipts" / "part-00001.json").unlink()
    os.utime(data, (1, 1))
    assert main(scoring(data, output, artifacts)) == 0
    assert scored_ids(output) == ids


def test_a_run_that_is_refused_leaves_the_lock_of_another_alone(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "scored"):  # it still plans: there is no manifest yet
            for _ in range(2):
                with pytest.raises(InputError, match="Another run is writing to"), locked(tmp_path / "scored"):
                    pass
        assert not (tmp_path / "scored").exists()


def test_two_runs_on_one_folder(tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_notes(tmp_path / "deals.jsonl", 3000)
    output = tmp_path / "scored"
    arguments = scoring(tmp_path / "deals.jsonl", output, artifacts)
    first = started(arguments)
    try:
        wait_until((output / "manifest.json").exists)
        assert "Another run is writing to" in refused(capsys, arguments)
    finally:
        first.kill()
        first.communicate()


def test_a_folder_that_holds_something_else(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notes(tmp_path / "deals.jsonl", 3)
    assert "holds other files" in refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path, artifacts))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    error = refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path / "other", artifacts))
    assert "holds other files" in error
    (tmp_path / "other.csv").touch()
    assert "is a file" in refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path / "other.csv", artifacts))
    assert files_of(tmp_path) == {"deals.jsonl", "other.csv", "other/thesis.txt"}


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good file, one with a bad line, one of another schema, one that is damaged."""
    data = tmp_path / "data"
    data.mkdir()
    write_notes(data / "a.jsonl", 25)
    write_notes(data / "b.jsonl", 25, first=25)
    lines = (data / "b.jsonl").read_text().splitlines()
    lines[12] = lines[12][:30]
    (data / "b.jsonl").write_text("\n".join(lines))
    (data / "c.csv").write_text("who,what\nAnn,Hello\n")
    pq.write_table(pa.table({"transcript": ["Hi"] * 2000}), data / "d.parquet")
    whole = (data / "d.parquet").read_bytes()
    (data / "d.parquet").write_bytes(whole[:4] + bytes(40) + whole[44:])  # the footer is right, the pages aren't
    return data


def test_what_cannot_be_read_is_reported_and_stops_no_other(
    tmp_path: Path, mixed: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scored"
    arguments = scoring(mixed, output, artifacts, "--on-error", "skip", "--shard-rows", 1000)
    assert main(arguments) == 0
    assert scored_ids(output) == [f"c{n}" for n in range(50) if n != 37]
    found = [(Path(line["file"]).name, line["place"]) for line in errors(output)]
    assert found == [("c.csv", ""), ("b.jsonl", "line 13, column 28"), ("d.parquet", ""), ("d.parquet", "")]
    assert "no column 'transcript'" in errors(output)[0]["error"]
    assert "4 rows, shards or files could not be read" in " ".join(capsys.readouterr().out.split())
    # Put right, those files are scored by the same command; what was scored stays.
    write_notes(mixed / "e.jsonl", 0)
    (mixed / "e.jsonl").unlink()
    (mixed / "c.csv").write_text("conversation_id,transcript\nc50,Hello\n")
    assert main(arguments) == 0
    assert sorted(scored_ids(output)) == sorted(f"c{n}" for n in range(51) if n != 37)


def test_by_default_the_first_bad_row_ends_the_job(
    tmp_path: Path, mixed: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scored"
    assert "c.csv has no column 'transcript'" in refused(capsys, scoring(mixed, output, artifacts))
    assert not output.exists(), "nothing is begun where a file can't be planned"
    error = refused(capsys, scoring(mixed / "b.jsonl", output, artifacts))
    assert f"{mixed / 'b.jsonl'}, line 13, column 28: broken JSON" in error
    assert set(scored_ids(output)) <= {f"c{n}" for n in range(25, 35)}, "shards are whole or not there"
    assert not any(path.name.startswith(".part") for path in output.rglob("*"))


def small_disk(folder: Path) -> None:
    """A disk of 64 KiB at `folder`."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")


def test_a_disk_that_fills_up(tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_notes(tmp_path / "deals.jsonl", 900)
    disk = tmp_path / "disk"
    small_disk(disk)
    try:
        error = refused(capsys, scoring(tmp_path / "deals.jsonl", disk / "scored", artifacts, "--shard-rows", 100))
        assert "No space left on device" in error
        output = disk / "scored"
        assert 0 < len(receipts(output)) < 9
        assert all(path.read_bytes().endswith(b"}\n") for path in (output / "scores").iterdir()), "half a shard"
        assert list(output.rglob(".*.tmp")) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below a regular file no folder can be made, also not by root, whom no permission stops."""
    write_notes(tmp_path / "deals.jsonl", 3)
    error = refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path / "deals.jsonl" / "scored", artifacts))
    assert "choose a folder that you may write to" in error
    assert files_of(tmp_path) == {"deals.jsonl"}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that is there and cannot be read")
def test_a_file_without_permission(tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, scoring(Path("/proc/self/mem"), tmp_path / "scored", artifacts))
    assert "Cannot read '/proc/self/mem'" in error
    assert files_of(tmp_path) == set()


OPTIONS = {
    "--rank": ("--rank needs all scores", ["--rank"]),
    "an address for local": ("is for --engine ray", ["--ray-address", "auto"]),
    "no rows": ("--shard-rows 0", ["--shard-rows", "0"]),
    "no workers": ("--workers -1", ["--workers", "-1"]),
    "no time": ("--stall-timeout 0.0", ["--stall-timeout", "0"]),
    "all models": ("'all' can't score", ["--model", "all"]),
    "no such file": ("There is no file", ["--data", "nowhere/*.csv"]),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_do_not_fit(
    tmp_path: Path, artifacts: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    part, more = OPTIONS[kind]
    write_notes(tmp_path / "deals.jsonl", 3)
    assert part in refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path / "scored", artifacts, *more))
    assert files_of(tmp_path) == {"deals.jsonl"}


def test_bulk_options_without_an_engine_and_an_untrained_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notes(tmp_path / "deals.jsonl", 3)
    given = ["--mode", "score", "--data", str(tmp_path / "deals.jsonl"), "--artifacts", str(tmp_path / "none")]
    error = refused(capsys, [*given, "--output", str(tmp_path / "s.csv"), "--on-error", "skip"])
    assert "add --engine local or --engine ray" in error
    assert "--output DIR" in refused(capsys, [*given, "--engine", "local"])
    for model in ("auto", "few_shot"):
        arguments = [*given, "--engine", "local", "--output", str(tmp_path / "s"), "--model", model]
        assert "python main.py --mode train" in refused(capsys, arguments)
    assert files_of(tmp_path) == {"deals.jsonl"}


@pytest.mark.parametrize(
    ("package", "more"), [("pyarrow", ["--output-format", "parquet"]), ("ray", ["--engine", "ray"])]
)
def test_a_package_that_is_not_installed(
    tmp_path: Path,
    artifacts: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    more: list[str],
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    write_notes(tmp_path / "deals.jsonl", 3)
    error = refused(capsys, scoring(tmp_path / "deals.jsonl", tmp_path / "scored", artifacts, *more))
    assert f"needs the package {package!r}: pip install -r requirements/scale.txt" in error
    assert files_of(tmp_path) == {"deals.jsonl"}


# --------------------------------------------------------------------------------------------------- bar and watchdog


def test_a_job_without_progress_ends_with_a_sentence() -> None:
    now = [0.0]
    progress = ScoringProgress(total=100, done=0, stall=60, clock=lambda: now[0])
    now[0] = 50
    progress.advanced(0, 5)
    now[0] = 100  # 50 seconds later
    progress.advanced(0, 5)  # the same rows are no progress
    progress.tick()
    now[0] = 111
    with pytest.raises(StalledError, match=r"No row was scored for 61 seconds \(0 of 2 ready\)"):
        progress.tick("0 of 2 ready")
    assert progress.rows == 5
    assert progress.rate == pytest.approx(5 / 111)


def test_rows_of_a_shard_that_was_begun_again_count_once() -> None:
    progress = ScoringProgress(total=30, done=10, stall=60)
    progress.advanced(3, 8)
    progress.advanced(3, 2)  # its worker was lost
    assert progress.rows == 2
    progress.finished(3, 10)
    assert progress.rows == 10


def test_a_worker_that_hears_of_another_model(tmp_path: Path, artifacts: Path) -> None:
    write_notes(tmp_path / "deals.jsonl", 3)
    terms = Terms("few_shot", "0123456789ab", per_turn=False, output_format="jsonl")
    job = open_job(tmp_path / "scored", [tmp_path / "deals.jsonl"], terms, 10, skip=False)
    with pytest.raises(Exception, match="the job was begun with 0123456789ab"):
        ShardScorer(artifacts, job, skip=False)
    assert isinstance(job, ScoringJob) and isinstance(job.shards[0], Shard)
