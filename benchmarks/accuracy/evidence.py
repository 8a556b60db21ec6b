"""Faithfulness and cost of the evidence, on trained models and conversations that they did not learn from.

    python -m benchmarks.accuracy.evidence --artifacts artifacts

Of each conversation of the test split the sentences that speak most for the predicted outcome are deleted, and beside
that as many random ones; a faithful explanation moves the probability much further (the comprehensiveness of DeYoung et
al. 2020, "ERASER", section 4). Needs trained models; takes a minute or two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from answers.evidence import SentenceEffect, evidence, sentences_of, without
from conversations.conversation import Conversation
from conversations.reading.files import read_splits
from foundations.artifact_folder import ArtifactFolder
from foundations.machine import available_cores
from model_registry import load_model, trained_models
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of

SHARE, DRAWS = 0.2, 20
LEAST_RATIO, MOST_COST = 3.0, 4.0


class Faithfulness(NamedTuple):
    """How far deleting sentences moves the probability, in percentage points, mean over the conversations."""

    top: float  # the sentences that the evidence names
    random: float  # as many random ones
    conversations: int

    @property
    def ratio(self) -> float:
        """How many times as far the named ones move it."""
        return self.top / self.random


def faithfulness(
    model: ConversionModel,
    conversations: Sequence[Conversation],
    share: float = SHARE,
    draws: int = DRAWS,
    seed: int = 0,
) -> Faithfulness:
    """Mean |change of P(successful)| without the top `share` of the sentences (at least one) and without random ones.

    Top are those of the largest effect toward the predicted outcome. Conversations of one sentence are left out: nothing
    would be left of them either way.
    """
    random = np.random.default_rng(seed)
    several = [conversation for conversation in conversations if len(sentences_of(conversation)) > 1]
    moved = np.array([_moved(model, conversation, share, draws, random) for conversation in several])
    top, by_chance = 100 * moved.mean(axis=0)
    return Faithfulness(float(top), float(by_chance), len(several))


def _moved(
    model: ConversionModel, conversation: Conversation, share: float, draws: int, random: np.random.Generator
) -> tuple[float, float]:
    sentences = sentences_of(conversation)
    count = max(1, round(share * len(sentences)))
    drawn = [[sentences[n] for n in random.choice(len(sentences), count, replace=False)] for _ in range(draws)]
    variants = [without(conversation, cut) for cut in [_supporting(model, conversation)[:count], *drawn]]
    probabilities = model.predict_proba([conversation, *variants])
    changes = np.abs(probabilities[1:] - probabilities[0])
    return float(changes[0]), float(changes[1:].mean())


def _supporting(model: ConversionModel, conversation: Conversation) -> list[SentenceEffect]:
    """The measured sentences, those that speak most for the predicted outcome first."""
    successful = prediction_of(float(model.predict_proba([conversation])[0])).outcome == "successful"
    return sorted(evidence(model, conversation), key=lambda one: one.effect, reverse=successful)


def relative_cost(model: ConversionModel, conversation: Conversation, repeats: int = 30) -> tuple[float, float]:
    """(milliseconds, times a plain prediction): medians of the evidence for one conversation, after a warm-up."""
    medians = []
    for work in (lambda: model.predict_proba([conversation]), lambda: evidence(model, conversation)):
        seconds = []
        for _ in range(repeats + 3):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        medians.append(float(np.median(seconds[3:])))
    return 1000 * medians[1], medians[1] / medians[0]


def main() -> None:
    """Measures every trained model and prints the table."""
    from benchmarks.texts import NOTE

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy.evidence", description="Faithfulness and cost of the evidence."
    )
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="trained models")
    folder = ArtifactFolder(parser.parse_args().artifacts)
    test = read_splits(folder.data).test
    table = Table("model", "top 20 %", "random", "ratio", f"{len(NOTE.split())}-word note", title="Evidence")
    for name in trained_models(folder):
        model = load_model(folder, name, available_cores())
        moved = faithfulness(model, test)
        cost, times = relative_cost(model, Conversation(transcript=NOTE))
        ratio, price = f"{moved.ratio:.1f} (≥ {LEAST_RATIO:g})", f"{cost:.0f} ms, {times:.1f} × (≤ {MOST_COST:g} ×)"
        table.add_row(name, f"{moved.top:.1f} points", f"{moved.random:.1f} points", ratio, price)
    Console().print(table)


if __name__ == "__main__":
    main()
