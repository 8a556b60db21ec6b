"""How well each model predicts conversations it has not seen, beside every baseline: the tables of docs/accuracy.md.

    python -m benchmarks.accuracy                        the default generated data, 10 seeds
    python -m benchmarks.accuracy --data FILE            grouped cross-validation of a data file, 5 folds × 3 seeds

Results are kept seed by seed in --results, so a run that was stopped goes on where it was. On 2 cores the generated data
take about 10 minutes, 600 dialogues of 20 turns in all three conditions about an hour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.cross_validation import CONDITIONS, Condition
from benchmarks.accuracy.seeds import Task, run
from benchmarks.accuracy.tables import cross_validation_table, markdown, synthetic_table
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.terminal import console, say

SYNTHETIC_SEEDS, DATA_SEEDS = 10, 3


def main() -> int:
    """Runs what is missing and prints the tables; 0, or 2 after one sentence for bad input."""
    options = _parser().parse_args()
    try:
        conditions: list[Condition] = options.conditions if options.data else ["synthetic"]
        seeds = options.seeds or (DATA_SEEDS if options.data else SYNTHETIC_SEEDS)
        tasks = [Task(options.data, c, seed, 1) for c in conditions for seed in range(seeds)]
        results = run(tasks, options.results, options.processes)
    except InputError as error:
        say(f"Error: {error}")
        return 2
    for condition in conditions:
        of_condition = [row for task in tasks if task.condition == condition for row in results[task]]
        title = CONDITIONS.get(condition, "Generated data, 200 conversations a seed")
        table = (synthetic_table if condition == "synthetic" else cross_validation_table)(of_condition, title)
        console.print(table)
        if options.markdown:
            say(markdown(table))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, metavar="FILE", help="labelled conversations; default: generated ones")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), help="default: all")
    parser.add_argument("--seeds", type=int, help=f"default: {DATA_SEEDS} with --data, {SYNTHETIC_SEEDS} without")
    parser.add_argument("--processes", type=int, default=available_cores(), help="default: one a core")
    parser.add_argument(
        "--results", type=Path, default=Path("artifacts/accuracy"), metavar="DIR", help="where they are kept"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
