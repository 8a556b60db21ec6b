"""The one place where a metric is computed: from labels and probabilities to the figures of every report.

Every figure is written for weighted conversations, so that one formula serves the plain figure (every weight 1) and the
bootstrap of `probability.confidence` (the weight is how often a conversation was drawn); the tests hold them against
scikit-learn's. It knows nothing of models, files or pictures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLD = 0.5
CALIBRATION_BINS = 10
_EDGE = 1e-15  # log loss of a probability of exactly 0 or 1 would be infinite

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
    y, p = checked_arrays(labels, probabilities)
    figures = weighted_figures(y, p, np.ones((1, len(y))))
    return {name: float(values[0]) for name, values in figures.items() if not np.isnan(values[0])}


def calibration_bins(labels: ArrayLike, probabilities: ArrayLike) -> list[CalibrationBin]:
    """The bins that the calibration error `ece` adds up, in order of probability, for a reliability diagram."""
    y, p = checked_arrays(labels, probabilities)
    bin_of = _bin_of(p)
    found = []
    for b in np.unique(bin_of):
        inside = bin_of == b
        low, high = b / CALIBRATION_BINS, (b + 1) / CALIBRATION_BINS
        found.append(CalibrationBin(low, high, int(inside.sum()), p[inside].mean(), y[inside].mean()))
    return found


def confusion_matrix(labels: ArrayLike, probabilities: ArrayLike) -> list[list[int]]:
    """[[true failed, false successful], [false failed, true successful]]: a row is a true outcome."""
    y, p = checked_arrays(labels, probabilities)
    predicted = p >= THRESHOLD
    return [[int(np.sum((y == true) & (predicted == said))) for said in (0, 1)] for true in (0, 1)]


def precision_recall_f1(true: ArrayLike, found: ArrayLike) -> tuple[float, float, float]:
    """Of booleans (n,): hits / found, hits / true, and their harmonic mean 2 · hits / (found + true); 0 where empty."""
    is_true, is_found = np.asarray(true, dtype=bool), np.asarray(found, dtype=bool)
    hits, all_true, all_found = int((is_true & is_found).sum()), int(is_true.sum()), int(is_found.sum())
    return hits / max(all_found, 1), hits / max(all_true, 1), 2 * hits / max(all_found + all_true, 1)


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """P(a successful conversation has the higher score), ties counting one half; nan where a label is missing."""
    y, p = checked_arrays(labels, scores)
    both = 0 < y.sum() < len(y)
    return float(_weighted_roc_auc(y, p, np.ones((1, len(y))))[0]) if both else float("nan")


def bayes_accuracy(true_probabilities: ArrayLike) -> float:
    """The best accuracy anyone can expect: mean of max(p, 1 − p), where p is the probability the label came from."""
    p = np.asarray(true_probabilities, dtype=float)
    return float(np.maximum(p, 1 - p).mean())


def weighted_figures(y: Floats, p: Floats, weights: Floats) -> dict[str, Floats]:
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


def checked_arrays(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    """Both as numbers, (n,) each. Raises ValueError where they are of different lengths, or empty."""
    y = np.asarray(labels, dtype=np.float64)
    p = np.asarray(probabilities, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"labels {y.shape} and probabilities {p.shape} must be of one length, and not empty")
    return y, p


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
