"""How often the conversations found as similar ended alike: same-outcome precision at 5, for each embedding and by
chance.

The evaluated conversations look among the training conversations, as the service does; nothing is trained or tuned. One
that is among them word for word does not count as its own neighbour. Costs a matrix of cosines in blocks of 256 rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from conversations.model_text import conversations_sha256, words_sha256
from modelling.conversion_model import ConversionModel
from modelling.whitening import normalised
from probability.confidence import mean_interval

NEIGHBOURS = 5
_BLOCK = 256  # queries in one matrix of cosines

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


def same_outcome_precision(
    queries: Vectors,
    labels: Labels,
    corpus: Vectors,
    corpus_labels: Labels,
    own: NDArray[np.bool_] | None = None,
    k: int = NEIGHBOURS,
) -> NDArray[np.float64]:
    """The share of each query's k nearest by cosine that have its label: (n,), each in [0, 1].

    queries (n, d), corpus (m, d); own (n, m): what is no neighbour of a query, being the query itself. Of equally near
    ones the first counts. With fewer than k others, all of them.
    """
    unit, others = normalised(queries), normalised(corpus)
    shares = np.zeros(len(labels))
    for start in range(0, len(labels), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines = unit[block] @ others.T
        if own is not None:
            cosines[own[block]] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        counted = np.take_along_axis(cosines, nearest, axis=1) > -np.inf
        alike = (corpus_labels[nearest] == labels[block, None]) & counted
        shares[block] = alike.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return shares


def by_chance(labels: Labels, corpus_labels: Labels) -> NDArray[np.float64]:
    """The same for neighbours drawn at random: the share of the corpus that has each query's label, (n,)."""
    successful = float(corpus_labels.mean())
    return np.where(labels == 1, successful, 1 - successful)


def retrieval_report(
    generic: tuple[Vectors, Vectors],
    embeddings: Mapping[str, Vectors],
    models: Mapping[str, ConversionModel],
    training: Sequence[Conversation],
    evaluated: Sequence[Conversation],
    searched_with: str,
) -> dict[str, Any]:
    """The part of the report on similar conversations; `generic`: untouched vectors of `training` and `evaluated`.

    embeddings: of `evaluated`, by model. `above_generic` is the difference on the same conversations, with its interval.
    """
    labels, corpus_labels = labels_of(evaluated), labels_of(training)
    own = _same_words(evaluated, training)
    shares = {"generic": same_outcome_precision(generic[1], labels, generic[0], corpus_labels, own)}
    for name, model in models.items():
        corpus = _training_vectors(model, training)
        shares[name] = same_outcome_precision(embeddings[name], labels, corpus, corpus_labels, own)
    groups = [conversation.group_key for conversation in evaluated]
    return {
        "metric": f"same-outcome precision at {NEIGHBOURS}",
        "searched_with": searched_with,
        "chance": float(by_chance(labels, corpus_labels).mean()),
        "embeddings": {name: _with_interval(values, groups) for name, values in shares.items()},
        "above_generic": {name: _with_interval(shares[name] - shares["generic"], groups) for name in models},
    }


def _with_interval(values: NDArray[np.float64], groups: Sequence[str]) -> dict[str, Any]:
    mean, low, high = mean_interval(values, groups)
    return {"mean": mean, "confidence_interval": [low, high]}


def _training_vectors(model: ConversionModel, training: Sequence[Conversation]) -> Vectors:
    """Those that came with the artifact, where these are the conversations it was trained on."""
    if conversations_sha256(training) == model.record.training_data_sha256:
        return model.training_embeddings
    return model.embed(training)


def _same_words(evaluated: Sequence[Conversation], training: Sequence[Conversation]) -> NDArray[np.bool_]:
    of_training = np.array([words_sha256(conversation) for conversation in training])
    return np.array([words_sha256(conversation) for conversation in evaluated])[:, None] == of_training[None, :]
