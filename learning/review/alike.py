"""Which texts sound alike, by their words: k-means (faiss) on hashed words, weighed by how rare they are among the texts.

By words and not by the served model's vectors, as encoding a hundred calls would take seconds of the processor that
predictions need; words take a tenth of a second. Same texts and seed, same clusters.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512  # words that share one are taken for one word
_WORD = re.compile(r"[^\W\d_]{3,40}+")
_ROUNDS = 20  # of k-means


def word_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """(n, DIMENSIONS), rows of length 1, or 0 for a text without words: (1 + ln count) · ln(n / texts with the word)."""
    counts = np.zeros((len(texts), DIMENSIONS))
    for row, text in enumerate(texts):
        for word in _WORD.findall(text.lower()):
            counts[row, zlib.crc32(word.encode()) % DIMENSIONS] += 1
    rarity = np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0)))
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0) * rarity
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(weights / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def clusters(texts: Sequence[str], count: int, seed: int) -> NDArray[np.int64]:
    """(n,): which of at most `count` clusters each text is in."""
    if len(texts) <= count:
        return np.arange(len(texts))
    import faiss  # a tenth of a second, which the command line's other modes need not wait for

    vectors = word_vectors(texts)
    found = faiss.Kmeans(DIMENSIONS, count, niter=_ROUNDS, seed=seed, spherical=True, min_points_per_centroid=1)
    found.train(vectors)
    return np.asarray(found.index.search(vectors, 1)[1][:, 0], dtype=np.int64)
