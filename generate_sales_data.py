"""Draws labelled sales conversations from the written scenarios, and measures how hard they are.

    python generate_sales_data.py --count 200

Scenarios are those of the demo half of the corpus (`conversations.corpus`): calls, CRM notes, mail threads and chats,
written one by one, each with the probability of a deal that its writer judged. A conversation is one scenario with names,
firms, sums and dates of its own; its outcome is drawn from that probability. What decides is what an experienced seller
would judge from the whole text, not tone or keywords. Two scenarios that begin alike share a `group`, so a split by group
never tests on what training half knew. docs/data.md says who wrote them, and what gives them away all the same.

200 conversations take about a second, most of it to read the scenarios; the same arguments give the same records, whatever
ran before.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import CORPUS, Scenario, read_scenarios
from evaluation.difficulty import check_generated, difficulty_table
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from stages.job import Job, unless_unchanged
from stages.records import code_sha256

FEWEST_CONVERSATIONS = 20
_SCENARIOS = "demo"


def generate_conversations(count: int = 200, seed: int = 42, noise: float | None = None) -> list[dict[str, Any]]:
    """`count` records, half successful (an odd one is failed), in a shuffled order.

    Each holds `transcript` or `turns`, the scenario's `conversation_context`, `outcome`, `group` and `true_probability`,
    the probability with which its outcome was drawn. No scenario comes twice before most have come once. noise: the
    expected share of outcomes that go against the writer's judgement, to which all probabilities are sharpened or
    flattened; None leaves them as they were judged. Raises InputError for a count below 20, a noise outside [0, 0.5) or
    damaged scenarios.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < FEWEST_CONVERSATIONS:
        raise InputError(f"The count {count!r} is too small or no whole number; give at least {FEWEST_CONVERSATIONS}.")
    if noise is not None and not 0.0 <= noise < 0.5:
        raise InputError(f"The noise {noise!r} is not a share of outcomes below one half; give 0 <= noise < 0.5.")
    scenarios = read_scenarios(_SCENARIOS)
    steepness = 1.0 if noise is None else steepness_for_noise([one.probability for one in scenarios], noise)
    wanted = {"successful": count // 2, "failed": count - count // 2}
    drawing = Drawing(seed)
    records: list[dict[str, Any]] = []
    for scenario in _in_turn(scenarios, random.Random(seed)):
        probability = sharpened(scenario.probability, steepness)
        outcome = drawing.outcome(probability)
        if wanted[outcome]:
            wanted[outcome] -= 1
            record = {**drawing.record(scenario), "true_probability": round(probability, 6)}
            records.append({"conversation_id": f"c-{len(records) + 1:04d}", **record, "outcome": outcome})
        if not any(wanted.values()):
            return records
    raise AssertionError("scenarios come again and again")


def sharpened(probability: float, steepness: float) -> float:
    """σ(steepness · logit(p)): a steepness above 1 moves p away from one half, 0 gives one half, infinity 0 or 1."""
    if math.isinf(steepness):
        return float(probability > 0.5)
    return 1.0 / (1.0 + ((1.0 - probability) / probability) ** steepness)


def steepness_for_noise(probabilities: Sequence[float], noise: float) -> float:
    """The steepness at which the mean of min(p, 1 - p) is `noise`, which is in [0, 0.5); infinite for 0."""
    if noise == 0.0:
        return math.inf
    low, high = 0.0, 64.0
    for _ in range(60):  # bisection: the mean falls as the steepness grows
        middle = (low + high) / 2.0
        found = np.mean([min(p, 1.0 - p) for p in (sharpened(one, middle) for one in probabilities)])
        low, high = (middle, high) if found > noise else (low, middle)
    return high


def _in_turn(scenarios: Sequence[Scenario], rng: random.Random) -> Iterator[Scenario]:
    """All scenarios in a random order, again and again."""
    while True:
        yield from rng.sample(scenarios, len(scenarios))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: writes the records as JSON and prints how hard they are. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(description="Generate labelled sales conversations and measure their difficulty.")
    parser.add_argument("--count", type=int, default=200, help="how many conversations (at least 20; default 200)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same records (default 42)")
    parser.add_argument(
        "--noise", type=float, help="share of outcomes against the writer's judgement (default: as judged)"
    )
    default = Path("artifacts/data/generated_conversations.json")
    parser.add_argument("--output", type=Path, default=default, metavar="FILE", help=f"default: {default}")
    arguments = parser.parse_args(argv)
    try:
        records = generate_conversations(arguments.count, arguments.seed, arguments.noise)
        write_json(arguments.output, records)
        Console().print(difficulty_table(check_generated(records, arguments.seed)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(records)} conversations written to {arguments.output}")
    return 0


def generate(job: Job) -> None:
    """Writes the synthetic conversations and prints how hard they are."""
    output, options = job.output or job.folder.generated_data, job.generate
    inputs = {"count": options.count, "seed": job.seed, "noise": options.noise, "code": code_sha256(_code())}
    unless_unchanged(job, f"generate {output}", inputs, lambda: _generate(job, output))


def _code() -> list[str | Path]:
    """What decides which conversations are drawn; what the module imports counts with it."""
    root = CORPUS.parents[1]
    return ["generate_sales_data", *(path.relative_to(root) for path in sorted((CORPUS / _SCENARIOS).glob("*/*.toml")))]


def _generate(job: Job, output: Path) -> list[Path]:
    with progress_bar("Generating conversations") as report:
        records = generate_conversations(job.generate.count, job.seed, job.generate.noise)
        write_json(output, records)
        report(0.1)
        figures = check_generated(records, job.seed)
    say(f"{len(records)} conversations in {output}")
    console.print(difficulty_table(figures))
    return [output]


if __name__ == "__main__":
    sys.exit(main())
