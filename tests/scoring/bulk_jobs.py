"""Bulk jobs for tests: their input, the command, and what came out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]


def write_notes(path: Path, count: int, first: int = 0) -> list[str]:
    """JSON lines with so many notes; gives their ids."""
    ids = [f"c{n}" for n in range(first, first + count)]
    notes = (f"Call {one}: they asked for a price of ${len(one) * int(one[1:])} and for {one} licences." for one in ids)
    lines = [json.dumps({"conversation_id": one, "transcript": note}) for one, note in zip(ids, notes, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return ids


def scoring(data: Path, output: Path, artifacts: Path, *more: object) -> list[str]:
    """Arguments of main.py; few_shot is the quickest model."""
    given = ["--mode", "score", "--engine", "local", "--model", "few_shot", "--workers", 1, "--shard-rows", 10]
    return [str(word) for word in (*given, "--data", data, "--output", output, "--artifacts", artifacts, *more)]


def started(arguments: list[str]) -> subprocess.Popen[str]:
    """main.py in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "500"}
    command = [sys.executable, "main.py", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def scored_rows(output: Path) -> list[dict[str, object]]:
    """The rows of all shards, in the order of the input."""
    rows: list[dict[str, object]] = []
    for path in sorted((output / "scores").iterdir()):
        if path.suffix == ".parquet":
            rows += pq.read_table(path).to_pylist()
        else:
            rows += [json.loads(line) for line in path.read_text().splitlines()]
    return rows


def scored_ids(output: Path) -> list[str]:
    return [str(row["conversation_id"]) for row in scored_rows(output)]


def receipts(output: Path) -> list[Path]:
    """Of the shards that are finished."""
    return sorted((output / "receipts").glob("part-*.json"))


def errors(output: Path) -> list[dict[str, str]]:
    path = output / "errors.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def busy_worker(driver: subprocess.Popen[str], data: Path) -> psutil.Process:
    """The process that has the input open, beside the driver: where a shard is many pieces, it is in the middle of one."""
    found: list[psutil.Process] = []
    began = psutil.Process().create_time()  # of the tests: no older process is looked into

    def is_found() -> bool:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):  # it ends, or is somebody else's
                if process.pid == driver.pid or process.create_time() < began:
                    continue
                if str(data) in {file.path for file in process.open_files()}:
                    found.append(process)
        return bool(found)

    wait_until(is_found, every=0.1)  # looking costs more than the work that is waited for
    return found[0]


def wait_until(happened: Callable[[], object], seconds: float = 180, every: float = 0.02) -> None:
    """Fails where it doesn't happen in time."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(every)
