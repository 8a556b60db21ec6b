"""The signals a deal is decided by, and the labelled sentences that their detector learns from and is tested on.

`signal_sentences.json` holds groups: wordings of one thought with the same labels, "budget+" for a signal that speaks for
the deal and "budget-" for one against it, none where the sentence says nothing. A group never lies on both sides of a
fold. `spoken_sentences.json` holds more of them, as they fall in talks and notes; only the sales encoder's head learns them
(`knowledge.signal_head`). `tests/data/signal_test_sentences.json` is written in other words and is for measuring only.

What the labels mean: a hypothetical ("if we had the budget") is negative, a question is no signal by itself, and an
objection that the same sentence settles is `objection_resolved+`, not `objection-`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Polarity = Literal["positive", "negative"]
SIGNAL_NAMES = (
    "budget",
    "authority",
    "need",
    "timeline",
    "commitment",
    "decision_process",
    "competitor",
    "price_objection",
    "objection",
    "objection_resolved",
    "urgency",
    "no_decision_risk",  # negative: it may end in no decision; positive: doing nothing is no option
    "sentiment",
)
SIGNAL_LABELS = tuple(f"{name}{sign}" for name in SIGNAL_NAMES for sign in "+-")  # the columns of every score matrix
TRAINING_SENTENCES = Path(__file__).parent / "signal_sentences.json"
SPOKEN_SENTENCES = Path(__file__).parent / "spoken_sentences.json"


@dataclass(frozen=True)
class LabelledSentences:
    """Sentences with their labels."""

    texts: list[str]
    labels: NDArray[np.bool_]  # (n, len(SIGNAL_LABELS))
    groups: NDArray[np.int64]  # (n,) sentences of one thought share a number

    def part(self, rows: NDArray[np.int64]) -> LabelledSentences:
        """Some of them, by index."""
        return LabelledSentences([self.texts[row] for row in rows], self.labels[rows], self.groups[rows])


def read_training_sentences(path: Path = TRAINING_SENTENCES) -> LabelledSentences:
    """The groups of sentences to learn from. Raises KeyError for a label that is no signal's."""
    groups = json.loads(path.read_text(encoding="utf-8"))
    rows = [(text, group["signals"], n) for n, group in enumerate(groups) for text in group["sentences"]]
    return _labelled(rows)


def read_test_sentences(path: Path) -> LabelledSentences:
    """One sentence an entry, each its own group."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return _labelled([(entry["sentence"], entry["signals"], n) for n, entry in enumerate(entries)])


def _labelled(rows: Sequence[tuple[str, list[str], int]]) -> LabelledSentences:
    place = {label: column for column, label in enumerate(SIGNAL_LABELS)}
    labels = np.zeros((len(rows), len(SIGNAL_LABELS)), dtype=bool)
    for row, (_, signals, _) in enumerate(rows):
        labels[row, [place[label] for label in signals]] = True
    return LabelledSentences([text for text, _, _ in rows], labels, np.array([group for _, _, group in rows]))
