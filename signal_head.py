"""Reads signals off sentence vectors: one penalised logistic regression for each signal and polarity.

Trained once for an encoder, on the sentences of `signal_sentences.json`; knows nothing of conversations or outcomes.
A label is found where its probability reaches a threshold that grouped cross-validation over those sentences chose.
Applying it needs numpy only. Fitting takes the encoder's pass over some thousand short sentences and a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classification_metrics import precision_recall_f1
from signal_sentences import SIGNAL_LABELS, SIGNAL_NAMES, LabelledSentences, Polarity, read_training_sentences
from text_encoder import TextEncoder

Floats = NDArray[np.float32]

INVERSE_PENALTY = 10.0  # of 1, 10, 30 the one with which held-out groups of training sentences were labelled best
_FOLDS = 5
_ITERATIONS = 100
_THRESHOLDS = np.arange(0.05, 0.75, 0.05)
_POLARITIES: tuple[Polarity, Polarity] = ("positive", "negative")


@dataclass(frozen=True)
class SignalHead:
    """A linear layer over normalised sentence vectors."""

    weights: Floats  # (dim, labels)
    bias: Floats  # (labels,)
    thresholds: Floats  # (labels,)
    cross_validated_f1: float = float("nan")  # macro F1 over the signals, on held-out groups of training sentences

    @classmethod
    def fit(cls, encoder: TextEncoder, seed: int = 42, sentences: LabelledSentences | None = None) -> SignalHead:
        """Learns from the training sentences as this encoder reads them. The same encoder and seed, the same head."""
        sentences = sentences or read_training_sentences()
        vectors = encoder.embed_texts(sentences.texts)
        weights, bias = _fit_layer(vectors, sentences.labels)
        held_out = cross_validated_scores(vectors, sentences, seed)
        head = cls(weights, bias, _best_thresholds(held_out, sentences.labels))
        return replace(head, cross_validated_f1=macro_f1(sentences.labels, head.found(held_out)))

    def scores(self, vectors: Floats) -> Floats:
        """Probabilities, float32 (n, len(SIGNAL_LABELS)), of the encoder's sentence vectors (n, dim)."""
        logits = _normalised(vectors) @ self.weights + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)

    def found(self, scores: Floats) -> NDArray[np.bool_]:
        """(n, len(SIGNAL_LABELS)): which labels hold; of a signal's two polarities at most the likelier one."""
        excess = (scores / self.thresholds).reshape(len(scores), len(SIGNAL_NAMES), 2)
        likelier = np.stack([excess[..., 0] >= excess[..., 1], excess[..., 1] > excess[..., 0]], axis=-1)
        return np.asarray((excess >= 1) & likelier).reshape(scores.shape)

    def detect(self, vectors: Floats) -> Iterator[list[tuple[str, Polarity, float]]]:
        """For each sentence the (signal, polarity, probability) that it gives."""
        scores = self.scores(vectors)
        for row, found in zip(scores, self.found(scores), strict=True):
            yield [(SIGNAL_NAMES[n // 2], _POLARITIES[n % 2], float(row[n])) for n in np.flatnonzero(found)]

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays and a plain value."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SignalHead:
        """What `state` gave. Raises KeyError where an array is missing, ValueError where it is of other labels."""
        head = cls(**{field.name: state[field.name] for field in fields(cls)})
        if head.bias.shape != (len(SIGNAL_LABELS),):
            raise ValueError(f"a head for {len(head.bias)} labels, where there are {len(SIGNAL_LABELS)}")
        return head


def signal_figures(labels: NDArray[np.bool_], found: NDArray[np.bool_]) -> dict[str, tuple[float, float, float]]:
    """(precision, recall, F1) of each signal, both (n, len(SIGNAL_LABELS)); one of the wrong polarity is no hit."""
    figures = {}
    for n, name in enumerate(SIGNAL_NAMES):
        columns = slice(2 * n, 2 * n + 2)
        figures[name] = precision_recall_f1(labels[:, columns].ravel(), found[:, columns].ravel())
    return figures


def macro_f1(labels: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """Plain mean of the signals' F1."""
    return float(np.mean([f1 for _, _, f1 in signal_figures(labels, found).values()]))


def cross_validated_scores(vectors: Floats, sentences: LabelledSentences, seed: int) -> Floats:
    """(n, labels): each sentence scored by a head that saw no sentence of its group."""
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(sentences.labels.shape, dtype=np.float32)
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for kept, held_out in folds.split(vectors, groups=sentences.groups):
        weights, bias = _fit_layer(vectors[kept], sentences.labels[kept])
        head = SignalHead(weights, bias, np.ones(len(bias), dtype=np.float32))
        scores[held_out] = head.scores(vectors[held_out])
    return scores


def _fit_layer(vectors: Floats, labels: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """All labels at once: the minimum of Σ cross-entropy + ‖W‖² / (2 · INVERSE_PENALTY), biases unpenalised."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    x, y = torch.from_numpy(_normalised(vectors)), torch.from_numpy(labels.astype(np.float32))
    weights = torch.zeros(x.shape[1], y.shape[1], requires_grad=True)
    bias = torch.zeros(y.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = binary_cross_entropy_with_logits(x @ weights + bias, y, reduction="sum")
        value = value + (weights**2).sum() / (2 * INVERSE_PENALTY)
        value.backward()
        return value.detach()

    optimiser.step(loss)  # type: ignore[no-untyped-call,arg-type]
    return weights.detach().numpy(), bias.detach().numpy()


def _best_thresholds(scores: Floats, labels: NDArray[np.bool_]) -> Floats:
    """For each label the threshold with the highest F1 = 2 · hits / (found + true)."""
    found = scores[None] >= _THRESHOLDS[:, None, None]
    hits = (found & labels).sum(axis=1)
    f1 = 2 * hits / np.maximum(found.sum(axis=1) + labels.sum(axis=0), 1)
    return _THRESHOLDS[f1.argmax(axis=0)].astype(np.float32)


def _normalised(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
