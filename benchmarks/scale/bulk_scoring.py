"""Scoring in bulk: rate, peak memory, and what a second worker brings, on this machine's cores and on Ray.

    python -m benchmarks.scale.bulk_scoring --artifacts artifacts [--rows 1000000] [--write docs/scaling.md]

The notes are generated (about forty words). Their sentences come from one bank and so repeat, as greetings and stock
phrases do in life, only more; two workers score them. `--ratio-rows` notes in which no sentence comes twice are scored by
two workers, by one, and by two threads of one process. Every run is `python main.py --mode score` in a fresh process and
is checked to have scored each id once. The million takes some minutes to an hour, by engine and machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.tables import write_between_markers
from benchmarks.texts import WORDS_A_NOTE, notes
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.terminal import console, say
from scoring.worker import duplicate_ids

ROOT = Path(__file__).parents[2]
MARKERS = "bulk scoring"
THREADS = "one process, threads"
HEADINGS = ("engine", "notes", "workers", "seconds", "notes/s", "peak memory", "rate beside one worker")
_AT_ONCE = 50_000
_SHARDS = 8  # at least: with fewer the last one is waited for
_MOST_SHARD_ROWS = 5000  # as users get them


class Run(NamedTuple):
    """One job, from the start of its process to its end."""

    engine: str
    what: str
    workers: int
    rows: int
    seconds: float
    mebibytes: float  # peak of the process and all that it started, shared pages counted once

    @property
    def rate(self) -> float:
        """Notes a second, start-up included."""
        return self.rows / self.seconds


def main() -> int:
    """Measures, prints the table and writes it where asked; 0, or 2 after one sentence for bad input."""
    options = _parser().parse_args()
    try:
        runs = list(_measured(options.artifacts, options.model, options.engines, options.rows, options.ratio_rows))
        text = markdown_table(runs, f"{available_cores()} cores, model {options.model}")
        console.print(text, markup=False, soft_wrap=True)
        if options.write:
            write_between_markers(options.write, text, MARKERS)
    except InputError as error:
        say(f"Error: {error}")
        return 2
    return 0


def markdown_table(runs: list[Run], title: str) -> str:
    """The runs, each beside the same work with one worker where that was measured."""
    lines = [f"{title}:", "", "| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    alone = {(run.engine, run.what): run for run in runs if run.workers == 1}
    alone |= {(THREADS, what): run for (engine, what), run in alone.items() if engine == "local"}
    for run in runs:
        one = alone.get((run.engine, run.what))
        ratio = f"{run.rate / one.rate:.2f} ×" if one and one is not run else ""
        cells = (
            run.engine,
            run.what,
            run.workers,
            f"{run.seconds:,.0f}",
            f"{run.rate:,.0f}",
            f"{run.mebibytes:,.0f} MiB",
        )
        lines.append("| " + " | ".join(map(str, (*cells, ratio))) + " |")
    return "\n".join(lines)


def _measured(artifacts: Path, model: str, engines: list[str], rows: int, ratio_rows: int) -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as scratch:
        many, distinct = Path(scratch) / "many.jsonl", Path(scratch) / "distinct.jsonl"
        write_notes(many, rows, distinct=False)
        write_notes(distinct, ratio_rows, distinct=True)
        common = ["--model", model, "--artifacts", str(artifacts.absolute())]
        jobs = (
            (many, f"{rows:,}, sentences repeat", rows),
            (distinct, f"{ratio_rows:,}, no sentence twice", ratio_rows),
        )
        for engine in engines:
            for data, what, count in jobs:
                for workers in (2, 1) if data is distinct else (2,):
                    output = Path(scratch) / f"{engine}-{data.stem}-{workers}"
                    given = [
                        "--engine",
                        engine,
                        "--workers",
                        str(workers),
                        "--shard-rows",
                        str(min(_MOST_SHARD_ROWS, max(1, count // _SHARDS))),
                        "--data",
                        str(data),
                        "--output",
                        str(output),
                    ]
                    seconds, mebibytes = _timed([*common, *given])
                    _check(sorted((output / "scores").iterdir()), count)
                    yield _told(Run(engine, what, workers, count, seconds, mebibytes))
        output = Path(scratch) / "one.jsonl"
        seconds, mebibytes = _timed([*common, "--data", str(distinct), "--output", str(output)], threads=2)
        _check([output], ratio_rows)
        yield _told(Run(THREADS, jobs[1][1], 2, ratio_rows, seconds, mebibytes))


def write_notes(path: Path, rows: int, distinct: bool) -> None:
    """JSON lines, fifty thousand in memory at a time."""
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, _AT_ONCE):
            for place, note in enumerate(notes(min(_AT_ONCE, rows - start), distinct, seed=start), start=start):
                words = f"{note} {place}." if distinct else note
                file.write(json.dumps({"conversation_id": f"n{place}", "transcript": words}) + "\n")


def _timed(arguments: list[str], threads: int = 1) -> tuple[float, float]:
    """Seconds and peak MiB of a run. Raises InputError with its last words where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "main.py", "--mode", "score", *arguments],
        cwd=ROOT,
        env={**os.environ, "SALES_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    peak = _Peak(process.pid)
    peak.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - start
    peak.join()
    if process.returncode:
        raise InputError(said.strip().splitlines()[-1])
    return seconds, peak.mebibytes


class _Peak(threading.Thread):
    """Looks twice a second at the memory of a process and all its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.mebibytes = 0.0

    def run(self) -> None:
        while psutil.pid_exists(self._pid):
            self.mebibytes = max(self.mebibytes, self._now())
            time.sleep(0.5)

    def _now(self) -> float:
        total = 0
        try:
            family = [psutil.Process(self._pid), *psutil.Process(self._pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0.0
        for process in family:
            try:
                full = process.memory_full_info()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            total += getattr(full, "pss", full.rss)
        return total / 2**20


def _check(shards: list[Path], rows: int) -> None:
    scored = sum(path.read_bytes().count(b"\n") for path in shards)
    if scored != rows or duplicate_ids(shards):
        raise InputError(f"{scored:,} scores of {rows:,} notes, or some twice: this is a bug.")


def _told(run: Run) -> Run:
    say(
        f"{run.engine}, {run.what}, {run.workers} workers: {run.rate:,.0f} notes/s, {run.mebibytes:,.0f} MiB",
        style="dim",
    )
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale.bulk_scoring",
        description=f"Rate and memory of scoring notes of {WORDS_A_NOTE} words in bulk.",
    )
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="the trained models")
    parser.add_argument("--model", default="classification_head", metavar="NAME", help="default: classification_head")
    parser.add_argument(
        "--engines", nargs="+", default=["local", "ray"], choices=("local", "ray"), help="default: both"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="notes whose sentences repeat (default 1000000)")
    parser.add_argument(
        "--ratio-rows", type=int, default=20_000, help="notes in which no sentence does (default 20000)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
