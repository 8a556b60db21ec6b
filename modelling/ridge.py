"""Ridge regression in closed form: how models ask "what can a straight line tell from these vectors?".

Used to choose between views of the conversations learned from, and as the starting point of the contrastive projection.
Never sees test data. Cost is that of solving a system as large as the number of conversations.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

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
