"""How far a figure could lie from what was measured: the bootstrap of every metric, and Wilson's interval of a share.

All are 95 % intervals. The formulas of the metrics are `probability.metrics`. A thousand bootstrap samples of 500
conversations cost under 0.1 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probability.metrics import Floats, checked_arrays, weighted_figures

BOOTSTRAP_SAMPLES = 1000
_Z95 = 1.959964  # the standard normal's 97.5 % quantile
_NUMBERS_AT_ONCE = 2_000_000  # of draws × conversations: 16 MB an array


def bootstrap_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: Sequence[str] | None = None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap interval of every metric (Efron and Tibshirani 1993, chapter 13).

    Conversations are drawn with replacement. With `groups`, (n,), groups are drawn first and then conversations within
    them: those of one group are alike, and drawing them one by one would make the interval too narrow; drawing groups
    alone would make it too narrow where there are few (Davison and Hinkley 1997, section 3.8, both strategies).
    A draw with one label only says nothing of the ranking metrics and counts for the others alone. The same seed draws
    the same conversations for every model of one test set.
    """
    y, p = checked_arrays(labels, probabilities)
    parts = [weighted_figures(y, p, weights) for weights in _draws(_numbered(groups, len(y)), samples, seed)]
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _percentiles(values) for name, values in drawn.items() if not np.isnan(values).all()}


def paired_bootstrap_difference(
    labels: ArrayLike,
    probabilities: ArrayLike,
    others: ArrayLike,
    metric: str = "roc_auc",
    groups: Sequence[str] | None = None,
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 0,
) -> tuple[float, float, float] | None:
    """(difference, low, high) of a metric between two models on the same conversations, `probabilities` − `others`.

    Paired: each draw scores both models on the same conversations, so what makes a test set easy or hard cancels out.
    `groups` as for `bootstrap_intervals`. None where the metric needs both labels and there is only one.
    """
    y, p = checked_arrays(labels, probabilities)
    q = checked_arrays(labels, others)[1]
    whole = np.ones((1, len(y)))
    difference = float(weighted_figures(y, p, whole)[metric][0] - weighted_figures(y, q, whole)[metric][0])
    if np.isnan(difference):
        return None
    drawn = [
        weighted_figures(y, p, weights)[metric] - weighted_figures(y, q, weights)[metric]
        for weights in _draws(_numbered(groups, len(y)), samples, seed)
    ]
    return difference, *_percentiles(np.concatenate(drawn))


def mean_interval(
    values: ArrayLike, groups: Sequence[str] | None = None, *, samples: int = BOOTSTRAP_SAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """(mean, low, high) of a figure that each conversation has; drawn with `groups` as for `bootstrap_intervals`.

    Of the difference between two methods on the same conversations it is the paired interval. Raises ValueError for none.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x):
        raise ValueError(f"values {x.shape} must be one for each conversation, and not empty")
    draws = _draws(_numbered(groups, len(x)), samples, seed)
    drawn = np.concatenate([weights @ x / weights.sum(axis=1) for weights in draws])
    return float(x.mean()), *_percentiles(drawn)


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95 % score interval of the share count / n (Wilson 1927); (0, 1) for n = 0. In [0, 1], sensible for small n."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = count / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _numbered(groups: Sequence[str] | None, n: int) -> NDArray[np.int64]:
    """(n,) the number of each conversation's group, in order of appearance; without groups, each is its own."""
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"{len(groups)} groups were given for {n} conversations")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _draws(group_of: NDArray[np.int64], samples: int, seed: int) -> Iterator[Floats]:
    """How often each conversation is drawn, (draws, n), in blocks that fit into memory.

    Groups are drawn first, and of each drawn group as many conversations as it has, both with replacement.
    """
    random = np.random.default_rng(seed)
    groups = int(group_of.max()) + 1
    block = max(1, _NUMBERS_AT_ONCE // len(group_of))
    for start in range(0, samples, block):
        chosen = random.integers(0, groups, (min(block, samples - start), groups))
        chosen += groups * np.arange(len(chosen))[:, None]
        times = np.bincount(chosen.ravel(), minlength=chosen.size).reshape(chosen.shape)
        drawn = times[:, group_of].astype(np.float64)
        for group in np.flatnonzero(np.bincount(group_of) > 1):
            members = np.flatnonzero(group_of == group)
            size = len(members)
            drawn[:, members] = random.multinomial(times[:, group] * size, np.full(size, 1 / size))
        yield drawn


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
