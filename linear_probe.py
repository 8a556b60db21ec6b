"""Ridge regression in closed form and grouped folds: how models ask "what can a straight line tell from these vectors?".

Used to choose between views of the conversations learned from, and as the starting point of the contrastive projection.
Never sees test data. Cost is that of solving a system as large as the number of conversations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from conversation import Conversation, labels_of

_SET_ASIDE = 8  # folds, one of which is set aside
RIDGE = 10.0  # of 1, 4, 10 and 30 the one with which validation and held-out real dialogues were ranked best


def ridge_weights(vectors: NDArray[np.float32], labels: NDArray[np.int64], ridge: float = RIDGE) -> NDArray[np.float32]:
    """w = Xᵀ(XXᵀ + ridge · m · I)⁻¹ (y − mean y) for labels as ±1 and m the mean squared row length: (d,).

    The dual form of ridge regression (Hastie et al. 2009, equation 3.44 and section 18.3.5). vectors: (n, d), centred.
    """
    return ridge_weights_of_samples(vectors, labels, [np.arange(len(labels))], ridge)[0]


def ridge_weights_of_samples(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], samples: Iterable[NDArray[np.int64]], ridge: float = RIDGE
) -> NDArray[np.float32]:
    """(samples, d): `ridge_weights` of each sample, given as indices into the rows; their products are computed once."""
    x = vectors.astype(np.float64)
    y = np.where(labels == 1, 1.0, -1.0)
    gram = x @ x.T
    duals = []
    for rows in samples:
        mean_length = float(np.mean(gram[rows, rows])) or 1.0  # rows of zeros: any penalty gives weights of zero
        penalty = ridge * mean_length * np.eye(len(rows))
        dual = np.zeros(len(y))
        dual[rows] = np.linalg.solve(gram[np.ix_(rows, rows)] + penalty, y[rows] - y[rows].mean())
        duals.append(dual)
    return np.asarray(np.stack(duals) @ x, dtype=np.float32)


def group_folds(
    conversations: Sequence[Conversation], seed: int, folds: int = 5
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(kept, held-out) indices of each fold; no group is on both sides, unless there are fewer groups than folds."""
    labels = labels_of(conversations)
    folds = max(2, min(folds, int(np.bincount(labels, minlength=2).min())))
    groups = np.array([conversation.group_key for conversation in conversations])
    if len(set(groups)) >= folds:
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    else:
        yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)


def set_aside(conversations: Sequence[Conversation], seed: int) -> tuple[list[Conversation], list[Conversation]]:
    """(the rest, about an eighth): for a caller that has one set of conversations and a model that asks for validation.

    Whole groups, unless that would leave either part without one of the outcomes.
    """
    labels = labels_of(conversations)
    whole_groups = group_folds(conversations, seed, _SET_ASIDE)
    by_outcome = StratifiedKFold(_SET_ASIDE, shuffle=True, random_state=seed).split(labels, labels)
    kept, held = next(
        (kept, held)
        for kept, held in itertools.chain(whole_groups, by_outcome)
        if len(set(labels[kept])) == len(set(labels[held])) == 2
    )
    return [conversations[index] for index in kept], [conversations[index] for index in held]
