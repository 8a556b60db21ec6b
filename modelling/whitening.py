"""Vectors of segments and conversations centred, evened out, scaled and shortened by what the training data have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelling.segments import BLOCKS, Block

Floats = NDArray[np.float32]
WHITENING_FLOOR = 0.01  # share of the largest variance that is added to each, so that noise is not blown up
_LEAST_VARIANCE = 1e-12  # where all segments are alike


@dataclass
class SegmentWhitening:
    """Centres segment vectors per speaker and, if wanted, evens out their variance: normalise((x − mean) · matrix).

    Su et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval", with a floor under
    the eigenvalues. Fitted without outcomes.
    """

    means: dict[str, Floats]  # by speaker; "*" for a speaker that training did not have
    matrix: Floats  # (dim, dim); the identity where there is no whitening

    def __post_init__(self) -> None:
        self._whitens = not np.array_equal(self.matrix, np.eye(len(self.matrix)))

    @classmethod
    def fit(cls, vectors: Floats, speakers: Sequence[str], whiten: bool) -> SegmentWhitening:
        """vectors: (segments, dim) of the training conversations, L2-normalised."""
        of_speaker = np.asarray(speakers)
        means = {str(name): vectors[of_speaker == name].mean(axis=0) for name in np.unique(of_speaker)}
        means["*"] = vectors.mean(axis=0)
        if not whiten:
            return cls(means, np.eye(vectors.shape[1], dtype=np.float32))
        centred = vectors - np.stack([means[name] for name in speakers])
        variances, directions = np.linalg.eigh(np.cov(centred.T.astype(np.float64)))
        variances = np.maximum(variances, 0) + max(WHITENING_FLOOR * variances.max(), _LEAST_VARIANCE)
        return cls(means, np.asarray(directions / np.sqrt(variances), dtype=np.float32))

    def apply(self, vectors: Floats, speakers: Sequence[str]) -> Floats:
        """(segments, dim) whitened and L2-normalised."""
        centred = vectors - self.centres(speakers)
        return normalised(centred @ self.matrix if self._whitens else centred)

    def centres(self, speakers: Sequence[str]) -> Floats:
        """(segments, dim): the mean of each segment's speaker."""
        means = [self.means.get(name, self.means["*"]) for name in speakers]
        return np.asarray(means, dtype=np.float32).reshape(-1, len(self.matrix))


@dataclass
class BlockScaling:
    """Centres conversation vectors and gives each block its share of their length: (x − mean) · factor."""

    mean: Floats  # (blocks · dim,)
    factors: Floats  # (blocks · dim,), equal within a block

    @classmethod
    def fit(cls, blocks: Floats, layout: Sequence[Block] = BLOCKS) -> BlockScaling:
        """blocks: (n, blocks · dim) of the training conversations."""
        mean = blocks.mean(axis=0)
        dim = blocks.shape[1] // len(layout)
        spread = np.sqrt(((blocks - mean) ** 2).mean(axis=0).reshape(len(layout), dim).sum(axis=1))
        factors = np.array([block.weight for block in layout]) / np.maximum(spread, 1e-6) * (spread > 1e-6)
        return cls(mean, np.repeat(factors, dim).astype(np.float32))

    def apply(self, blocks: Floats) -> Floats:
        """(n, blocks · dim); over the training data, the root mean square length of a block is its weight."""
        return (blocks - self.mean) * self.factors


def longest_directions(vectors: Floats, most: int) -> Floats:
    """(width, at most `most` or n): the directions along which vectors (n, width) are longest, orthonormal.

    A vector's coordinates along them, `vectors @ directions`, keep lengths and cosines as well as that many numbers can
    (Eckart and Young 1936, "The approximation of one matrix by another of lower rank"). Not centred: the origin stays.
    """
    directions = np.linalg.svd(vectors, full_matrices=False)[2]
    return np.ascontiguousarray(directions[:most].T, dtype=np.float32)


def normalised(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Rows scaled to length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
