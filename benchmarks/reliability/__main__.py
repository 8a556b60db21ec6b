"""What an operator may rely on, shown with real servers, real databases and real kills: the tables of
docs/reliability.md.

    python -m benchmarks.reliability [--only NAME] [--write docs/reliability.md] [--artifacts DIR] [--quick] [sizes]

`make reliability` runs all of it, about an hour on 2 cores, most of it the soak and the durable predictions. --only NAME
runs one proof and may be given several times; --write replaces the tables of the proofs that ran. --quick shows that
everything runs. Trains the default models first unless --artifacts is given. Exit code 1 where a promise is not met.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.reliability.api import counters, schema
from benchmarks.reliability.bytes import flipped_bytes
from benchmarks.reliability.ends import ended_under_load, killed_workers
from benchmarks.reliability.figures import HEADINGS, Figure, Proof, Sizes
from benchmarks.reliability.learning import learning
from benchmarks.reliability.load import overload, soak
from benchmarks.reliability.store import away, durable, loss
from benchmarks.reliability.strangers import connections, fair
from benchmarks.reliability.trials import trials
from benchmarks.running_server import ROOT
from benchmarks.tables import plain_table, rich_table, write_between_markers
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.terminal import console, progress_bar, say

PROOFS = (
    Proof("schema", "Generated requests", schema),
    Proof("kills", "Workers killed under load", killed_workers),
    Proof("stop", "SIGTERM under load", ended_under_load),
    Proof("overload", "Ten times more load than it can serve", overload),
    Proof("connections", "Connections that never ask", connections),
    Proof("fair", "Long conversations beside short ones", fair),
    Proof("durable", "Durable mode, killed at random", durable),
    Proof("away", "PostgreSQL away", away),
    Proof("bytes", "Flipped bytes and pickles", flipped_bytes),
    Proof("counters", "Prometheus over four workers", counters),
    Proof("trials", "Versions on trial", trials),
    Proof("soak", "Long load", soak),
    Proof("learning", "Retraining while the service runs", learning),
    Proof("loss", "What the default mode can lose", loss),
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the proofs, prints their tables and writes them where asked; 1 where a promise is not met, 2 for bad input."""
    options = _parser().parse_args(arguments)
    sizes = Sizes(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Sizes)})
    sizes = sizes.quick() if options.quick else sizes
    wanted = [proof for proof in PROOFS if not options.only or proof.name in options.only]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            artifacts = options.artifacts or _trained(Path(scratch) / "default")
            missed = [proof.name for proof in wanted if not _run(proof, artifacts, sizes, options.write)]
    except InputError as error:
        say(f"Error: {error}")
        return 2
    say(f"Missed: {', '.join(missed)}" if missed else "All promises are met.")
    return int(bool(missed))


def _run(proof: Proof, artifacts: Path, sizes: Sizes, document: Path | None) -> bool:
    """Whether all that was promised is met."""
    began = time.monotonic()
    with progress_bar(proof.title) as progress:
        figures: list[Figure] = list(proof.measure(artifacts, sizes, progress))
    minutes = (time.monotonic() - began) / 60
    said = f"{proof.title}: {available_cores()} cores, {minutes:.1f} min, {datetime.now(UTC):%Y-%m-%d}"
    rows = [figure.row() for figure in figures]
    console.print(rich_table(rows, said, HEADINGS))
    if document is not None:
        write_between_markers(document, plain_table(HEADINGS, rows, said), f"reliability {proof.name}")
    return all(figure.met is not False for figure in figures)


def _trained(folder: Path) -> Path:
    say("training the default models …", style="dim")
    command = [sys.executable, "main.py", "--mode", "train", "--artifacts", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"Training failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability", description="Shows what an operator may rely on."
    )
    names = [proof.name for proof in PROOFS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put each table between its markers of this document"
    )
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="use these trained models, train none")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, proves nothing")
    for field in dataclasses.fields(Sizes):
        option = "--" + field.name.replace("_", "-")
        said = f"{field.metadata['meaning']} (default {field.default:g})"
        parser.add_argument(option, type=type(field.default), default=field.default, metavar="N", help=said)
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ended, it leaves no server behind
    sys.exit(main())
