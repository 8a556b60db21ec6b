"""Speed and memory on this machine beside what people would use instead: the table of docs/performance.md.

    python -m benchmarks.speed [--write docs/performance.md] [--data FILE] [--only PART …] [--quick]

`make bench` runs it with the packages of requirements/bench.txt. All run on the same threads and read the same texts, in
turns; medians. --data trains on that file as well. Takes about twenty minutes on 2 cores, most of it for the part
"growth" (100,000 notes); --quick a fraction, for tests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.speed.sections import ROOT, SECTIONS, Bench
from benchmarks.tables import Row, markdown_table, rich_table, timed_row, write_between_markers
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from foundations.terminal import console, say

_PEAK = "import resource, runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, '.')\n"
_PEAK += "try:\n    runpy.run_path('main.py', run_name='__main__')\n"
_PEAK += "except SystemExit as end:\n    code = end.code\n"
_PEAK += "print('PEAK_KIB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"


def main() -> int:
    """Measures, prints the table and writes it where asked; 0, or 2 after one sentence for bad input."""
    options = _parser().parse_args()
    warnings.simplefilter("ignore")  # the packages compared with talk to their developers
    try:
        title, rows = measure(options.data, options.quick, options.artifacts, options.only)
        console.print(rich_table(rows, title))
        if options.write:
            write_between_markers(options.write, markdown_table(rows, title))
    except InputError as error:
        say(f"Error: {error}")
        return 2
    return 0


def measure(
    data: Path | None, quick: bool, trained: Path | None, only: Sequence[str] | None = None
) -> tuple[str, list[Row]]:
    """The title and all rows. `trained`: an artifact folder to use instead of training one; `only`: names of SECTIONS."""
    threads = load_settings().threads
    os.environ.update(OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    from benchmarks.speed.machine_rates import measured_rates

    rows: list[Row] = []
    load = os.getloadavg()[0]  # of others: nothing of ours runs yet
    with tempfile.TemporaryDirectory() as scratch:
        folder = ArtifactFolder(trained or Path(scratch) / "default")
        if trained is None:
            rows += _training_rows(folder.root, None, "200 generated conversations", "≤ 30 s", "< 2048 MiB")
        if data:
            rows += _training_rows(Path(scratch) / "data", data, data.name, "≤ 240 s for 611 dialogues")
        rates = measured_rates(threads, repeats=3 if quick else 25)
        bench = Bench(folder, threads, 3 if quick else 7, rates, 0.02 if quick else 1.0)
        for name in only or SECTIONS:
            say(f"{name} …", style="dim")
            rows += SECTIONS[name](bench)
    speeds = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates.items())
    return f"{threads} threads; load average before: {load:.1f}; matrix products in Gop/s: {speeds}", rows


def _training_rows(
    artifacts: Path, data: Path | None, what: str, target: str, memory_target: str = ""
) -> Iterator[Row]:
    """A fresh process, start-up and everything else included."""
    command = [sys.executable, "-c", _PEAK, "main.py", "--mode", "train", "--artifacts", str(artifacts)]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *(["--data", str(data)] if data else [])], cwd=ROOT, check=True, capture_output=True, text=True
    )
    yield timed_row(f"train all models: {what}", time.perf_counter() - start, target=target)
    mebibytes = float(done.stdout.rsplit("PEAK_KIB", 1)[1]) / 1024
    yield Row(f"train all models: {what}, peak memory", f"{mebibytes:.0f} MiB", target=memory_target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description="Measures speed and memory beside what people would use instead."
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this document")
    parser.add_argument("--data", type=Path, metavar="FILE", help="train on these labelled conversations too")
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="use these trained models, train none")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these parts of the table; default: all")
    parser.add_argument("--quick", action="store_true", help="few repeats and texts: shows that it runs, not how fast")
    return parser


if __name__ == "__main__":
    sys.exit(main())
