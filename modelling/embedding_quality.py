"""How well an embedding tells outcomes apart, and whether it has collapsed to a point: cosine and silhouette figures.

Works on any (n, d) vectors, knows no model and trains nothing. Costs an n × n matrix of cosines: 8 MB and milliseconds
for 1,000 conversations; beyond 2,000 a fixed sample of 2,000 stands for all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import silhouette_score

MOST_COMPARED = 2000  # conversations in the matrix of cosines
_SHORTEST = 1e-12  # a vector of zeros has no direction; its cosine with anything counts as 0


def embedding_quality(vectors: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Every figure of one embedding: vectors (n, d), labels (n,) of 0 and 1.

    `intra_class_cosine`, `inter_class_cosine`, `separation` (intra − inter) and `silhouette` are left out where the
    labels don't allow them: one class only, or no class with two members. `mean_cosine` needs two vectors.
    Raises ValueError where the lengths differ or there is no vector.
    """
    x = np.asarray(vectors, dtype=np.float64)
    y = np.asarray(labels, dtype=int)
    if x.ndim != 2 or len(x) != len(y) or not len(x):
        raise ValueError(f"vectors {x.shape} must be (n, d) with n the number of labels {y.shape}, and n at least 1")
    if len(x) > MOST_COMPARED:
        chosen = np.random.default_rng(0).choice(len(x), MOST_COMPARED, replace=False)
        x, y = x[chosen], y[chosen]
    cosines = cosine_matrix(x)
    figures = {
        "intra_class_cosine": intra_class_cosine(cosines, y),
        "inter_class_cosine": inter_class_cosine(cosines, y),
        "silhouette": cosine_silhouette(cosines, y),
        "mean_cosine": mean_off_diagonal_cosine(cosines),
        "mean_dimension_std": mean_dimension_std(x),
    }
    intra, inter = figures["intra_class_cosine"], figures["inter_class_cosine"]
    figures["separation"] = intra - inter if intra is not None and inter is not None else None
    return {name: value for name, value in figures.items() if value is not None}


def cosine_matrix(vectors: ArrayLike) -> NDArray[np.float64]:
    """cos(a, b) = a·b / (|a| |b|) of every pair of rows, (n, n), in [−1, 1]."""
    x = np.asarray(vectors, dtype=np.float64)
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), _SHORTEST)
    return np.asarray(np.clip(unit @ unit.T, -1.0, 1.0))


def intra_class_cosine(cosines: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Mean cosine over all pairs of different conversations with the same label; None where there is no such pair.

    The diagonal, each vector with itself, is always 1 and would flatter a small class, so it is left out.
    """
    same = labels[:, None] == labels[None, :]
    np.fill_diagonal(same, False)
    return float(cosines[same].mean()) if same.any() else None


def inter_class_cosine(cosines: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Mean cosine over all pairs with different labels; None where there is one label only."""
    different = labels[:, None] != labels[None, :]
    return float(cosines[different].mean()) if different.any() else None


def cosine_silhouette(cosines: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Mean of (b − a) / max(a, b) with distance 1 − cosine, in [−1, 1] (Rousseeuw 1987); a lone member of a class is 0.

    a: mean distance to the own class; b: to the other. None unless there are two labels and more vectors than labels.
    """
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    distances = np.maximum(1.0 - cosines, 0.0)
    np.fill_diagonal(distances, 0.0)
    return float(silhouette_score(distances, labels, metric="precomputed"))


def mean_off_diagonal_cosine(cosines: NDArray[np.float64]) -> float | None:
    """Mean cosine over all pairs of different vectors. Near 1: collapsed, everything points one way. None for n < 2."""
    n = len(cosines)
    return float((cosines.sum() - np.trace(cosines)) / (n * (n - 1))) if n > 1 else None


def mean_dimension_std(vectors: ArrayLike) -> float:
    """Mean over the dimensions of the standard deviation over the conversations. 0: collapsed to a point.

    For vectors of length 1 spread evenly over all directions it is about 1/√d (Chen and He 2021, "Exploring Simple
    Siamese Representation Learning", section 4.1).
    """
    return float(np.asarray(vectors, dtype=np.float64).std(axis=0).mean())
