"""The one place where a metric is computed: from labels and probabilities to the figures of every report.

Every figure is written for weighted conversations, so that one formula serves the plain figure (every weight 1) and the
bootstrap (the weight is how often a conversation was drawn); the tests hold them against scikit-learn's. A thousand
bootstrap samples of 500 conversations cost under 0.1 s. It knows nothing of models, files or pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLD = 0.5
CALIBRATION_BINS = 10
BOOTSTRAP_SAMPLES = 1000
_Z95 = 1.959964  # the standard normal's 97.5 % quantile
_EDGE = 1e-15  # log loss of a probability of exactly 0 or 1 would be infinite
_NUMBERS_AT_ONCE = 2_000_000  # of draws × conversations: 16 MB an array

Floats = NDArray[np.float64]


class CalibrationBin(NamedTuple):
    """Predictions whose P(successful) lies in one of the equal-width bins; an empty bin is not listed."""

    low: float
    high: float
    conversations: int
    mean_probability: float
    share_successful: float


def classification_metrics(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Every figure of one model on one set of conversations.

    labels: (n,) of 0 and 1; probabilities: (n,) in [0, 1], of label 1. `roc_auc`, `average_precision` and
    `balanced_accuracy` need both labels and are left out where there is only one. Raises ValueError for n = 0.
    """
    y, p = _checked(labels, probabilities)
    figures = _weighted_figures(y, p, np.ones((1, len(y))))
    return {name: float(values[0]) for name, values in figures.items() if not np.isnan(values[0])}


def calibration_bins(labels: ArrayLike, probabilities: ArrayLike) -> list[CalibrationBin]:
    """The bins that the calibration error `ece` adds up, in order of probability, for a reliability diagram."""
    y, p = _checked(labels, probabilities)
    bin_of = _bin_of(p)
    found = []
    for b in np.unique(bin_of):
        inside = bin_of == b
        low, high = b / CALIBRATION_BINS, (b + 1) / CALIBRATION_BINS
        found.append(CalibrationBin(low, high, int(inside.sum()), p[inside].mean(), y[inside].mean()))
    return found


def confusion_matrix(labels: ArrayLike, probabilities: ArrayLike) -> list[list[int]]:
    """[[true failed, false successful], [false failed, true successful]]: a row is a true outcome."""
    y, p = _checked(labels, probabilities)
    predicted = p >= THRESHOLD
    return [[int(np.sum((y == true) & (predicted == said))) for said in (0, 1)] for true in (0, 1)]


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
    y, p = _checked(labels, probabilities)
    parts = [_weighted_figures(y, p, weights) for weights in _draws(_numbered(groups, len(y)), samples, seed)]
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
    y, p = _checked(labels, probabilities)
    q = _checked(labels, others)[1]
    whole = np.ones((1, len(y)))
    difference = float(_weighted_figures(y, p, whole)[metric][0] - _weighted_figures(y, q, whole)[metric][0])
    if np.isnan(difference):
        return None
    drawn = [
        _weighted_figures(y, p, weights)[metric] - _weighted_figures(y, q, weights)[metric]
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


def precision_recall_f1(true: ArrayLike, found: ArrayLike) -> tuple[float, float, float]:
    """Of booleans (n,): hits / found, hits / true, and their harmonic mean 2 · hits / (found + true); 0 where empty."""
    is_true, is_found = np.asarray(true, dtype=bool), np.asarray(found, dtype=bool)
    hits, all_true, all_found = int((is_true & is_found).sum()), int(is_true.sum()), int(is_found.sum())
    return hits / max(all_found, 1), hits / max(all_true, 1), 2 * hits / max(all_found + all_true, 1)


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95 % score interval of the share count / n (Wilson 1927); (0, 1) for n = 0. In [0, 1], sensible for small n."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = count / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def bayes_accuracy(true_probabilities: ArrayLike) -> float:
    """The best accuracy anyone can expect: mean of max(p, 1 − p), where p is the probability the label came from."""
    p = np.asarray(true_probabilities, dtype=float)
    return float(np.maximum(p, 1 - p).mean())


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"labels {y.shape} and probabilities {p.shape} must be of one length, and not empty")
    return y, p


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


def _weighted_figures(y: Floats, p: Floats, weights: Floats) -> dict[str, Floats]:
    """Every metric for each row of weights (draws, n), (draws,); NaN where a draw lacks the labels a metric needs."""
    said = (p >= THRESHOLD).astype(np.float64)
    total, positives, called = weights.sum(axis=1), weights @ y, weights @ said
    hits = weights @ (y * said)
    negatives = total - positives
    clipped = np.clip(p, _EDGE, 1 - _EDGE)
    precision, recall = _share(hits, called), _share(hits, positives)
    true_negatives = negatives - (called - hits)
    both = (positives > 0) & (negatives > 0)
    return {
        "accuracy": (hits + true_negatives) / total,
        "balanced_accuracy": np.where(both, (recall + _share(true_negatives, negatives)) / 2, np.nan),
        "precision": precision,
        "recall": recall,
        "f1": _share(2 * hits, called + positives),
        "roc_auc": np.where(both, _weighted_roc_auc(y, p, weights), np.nan),
        "average_precision": np.where(both, _weighted_average_precision(y, p, weights), np.nan),
        "brier": weights @ (p - y) ** 2 / total,
        "log_loss": -(weights @ (y * np.log(clipped) + (1 - y) * np.log1p(-clipped))) / total,
        "ece": _weighted_calibration_error(y, p, weights),
    }


def _weighted_roc_auc(y: Floats, p: Floats, weights: Floats) -> Floats:
    """P(a successful conversation ranks above a failed one), a tie counting one half (Hanley and McNeil 1982)."""
    successes, failures = _by_probability(y, p, weights)
    below = np.cumsum(failures, axis=1) - failures
    wins = (successes * (below + failures / 2)).sum(axis=1)
    return _share(wins, successes.sum(axis=1) * failures.sum(axis=1))


def _weighted_average_precision(y: Floats, p: Floats, weights: Floats) -> Floats:
    """AP = Σ_k (recall_k − recall_{k−1}) · precision_k over falling thresholds, without interpolation."""
    successes, failures = (by[:, ::-1] for by in _by_probability(y, p, weights))
    found = np.cumsum(successes, axis=1)
    precision = _share(found, found + np.cumsum(failures, axis=1))
    return _share((successes * precision).sum(axis=1), successes.sum(axis=1))


def _by_probability(y: Floats, p: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of successes and of failures at each distinct probability, rising: two of (draws, distinct)."""
    order = np.argsort(p, kind="stable")
    starts = np.unique(p[order], return_index=True)[1]
    ranked = weights[:, order]
    successes = np.add.reduceat(ranked * y[order], starts, axis=1)
    return successes, np.add.reduceat(ranked * (1 - y[order]), starts, axis=1)


def _weighted_calibration_error(y: Floats, p: Floats, weights: Floats) -> Floats:
    """ECE = Σ_b (n_b / n) · |mean label of b − mean probability of b| over equal-width bins of P(successful).

    The binary form of Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning". In [0, 1].
    """
    member = np.eye(CALIBRATION_BINS)[_bin_of(p)]  # (n, bins)
    # n_b · |mean label − mean probability| is |Σ label − Σ probability| of the bin.
    return np.asarray(np.abs(weights @ (member * (y - p)[:, None])).sum(axis=1) / weights.sum(axis=1))


def _bin_of(p: Floats) -> NDArray[np.int64]:
    return np.minimum((p * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def _share(part: Floats, whole: Floats) -> Floats:
    """part / whole, and 0 where the whole is 0 (no positive prediction: precision 0)."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
