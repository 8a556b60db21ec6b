"""Reads signals off sentence vectors: one softmax layer over every signal's two polarities and "nothing".

It knows nothing of conversations or outcomes. The labels share one probability, so that a sentence's clearest reading
pushes the others back; a sentence that says two things gives each about half of it. A label is found where it reaches
THRESHOLD. `signals.training` learns the layer; applying it needs numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probability.metrics import precision_recall_f1
from signals.sentences import SIGNAL_LABELS, SIGNAL_NAMES, Polarity

Floats = NDArray[np.float32]
Figures = dict[str, tuple[float, float, float]]  # by signal: precision, recall, F1

THRESHOLD = 0.35  # of a label's probability; best on held-out groups of training sentences, and flat from 0.3 to 0.45
SCALE = 6.0  # length that sentence vectors are brought to: far enough apart for the layer, near enough to be moved
_POLARITIES: tuple[Polarity, Polarity] = ("positive", "negative")


@dataclass(frozen=True)
class SignalHead:
    """A linear layer over sentence vectors of length SCALE; its last column is "nothing"."""

    weights: Floats  # (dim, labels + 1)
    bias: Floats  # (labels + 1,)

    def scores(self, vectors: Floats) -> Floats:
        """Probabilities, float32 (n, len(SIGNAL_LABELS)), of the encoder's sentence vectors (n, dim).

        A row's sum is at most 1; what is missing is the probability that the sentence says nothing.
        """
        logits = SCALE * vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ self.weights + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)[:, :-1]

    def detect(self, vectors: Floats) -> Iterator[list[tuple[str, Polarity, float]]]:
        """For each sentence the (signal, polarity, probability) that it gives."""
        scores = self.scores(vectors)
        for row, found in zip(scores, found_labels(scores), strict=True):
            yield [(SIGNAL_NAMES[n // 2], _POLARITIES[n % 2], float(row[n])) for n in np.flatnonzero(found)]

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SignalHead:
        """What `state` gave. Raises KeyError where an array is missing, ValueError where it is of other labels."""
        head = cls(**{field.name: state[field.name] for field in fields(cls)})
        if head.bias.shape != (len(SIGNAL_LABELS) + 1,):
            raise ValueError(f"a head for {len(head.bias) - 1} labels, where there are {len(SIGNAL_LABELS)}")
        return head


def found_labels(scores: Floats, threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """(n, len(SIGNAL_LABELS)): which labels hold; of a signal's two polarities at most the likelier one."""
    pairs = scores.reshape(len(scores), len(SIGNAL_NAMES), 2)
    likelier = np.stack([pairs[..., 0] >= pairs[..., 1], pairs[..., 1] > pairs[..., 0]], axis=-1)
    return np.asarray((pairs >= threshold) & likelier).reshape(scores.shape)


def signal_figures(labels: NDArray[np.bool_], found: NDArray[np.bool_]) -> Figures:
    """(precision, recall, F1) of each signal, both (n, len(SIGNAL_LABELS)); one of the wrong polarity is no hit."""
    figures = {}
    for n, name in enumerate(SIGNAL_NAMES):
        columns = slice(2 * n, 2 * n + 2)
        figures[name] = precision_recall_f1(labels[:, columns].ravel(), found[:, columns].ravel())
    return figures


def mention_figures(labels: NDArray[np.bool_], found: NDArray[np.bool_]) -> Figures:
    """As `signal_figures`, but a signal counts as found with either polarity."""
    mentioned, detected = _mentions(labels), _mentions(found)
    return {name: precision_recall_f1(mentioned[:, n], detected[:, n]) for n, name in enumerate(SIGNAL_NAMES)}


def polarity_accuracy(labels: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """Of the signals that are there and were found, the share with the right polarity; NaN where none was."""
    hits = int((labels & found).sum())
    detected = int((_mentions(labels) & _mentions(found)).sum())
    return hits / detected if detected else float("nan")


def macro_f1(figures: Figures) -> float:
    """Plain mean of the signals' F1."""
    return float(np.mean([f1 for _, _, f1 in figures.values()]))


def _mentions(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(labels.reshape(len(labels), len(SIGNAL_NAMES), 2).any(axis=2))
