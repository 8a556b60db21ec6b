"""From one probability to the interval that the data allow: Venn-Abers prediction, a conformal method for probabilities.

Isotonic regression of the outcomes of conversations that the model had not learned from, on their scores, is done twice
for a new score: once as if its conversation had failed, once as if it had succeeded. The two fits at that score are the
ends of the interval; for the conversation's true outcome, the fit is calibrated whatever the model is, as long as it
comes from where the others come from. Few outcomes near a score, or mixed ones, make a wide interval.

Source: Vovk and Petej 2014, "Venn-Abers Predictors"; on a calibration set apart as in Vovk, Petej and Fedorova 2015,
"Large-scale probabilistic predictors with and without guarantees of validity". All answers are computed when fitting,
0.1 s for 600 conversations; after it, an interval is a search in a sorted array.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProbabilityIntervals:
    """Intervals of P(successful) by score: between the known scores, and at each of them."""

    scores: Floats  # (k,) rising, of the calibration conversations
    low: Floats  # (2k + 1,): below the first score, at it, between it and the second, at the second, …
    high: Floats  # (2k + 1,)

    @classmethod
    def fit(cls, scores: ArrayLike, labels: ArrayLike) -> ProbabilityIntervals:
        """scores: (n,) in any unit, higher for likelier success; labels: (n,) of 0 and 1."""
        known, successes, counts = _grouped(scores, labels)
        low, high = np.zeros(2 * len(known) + 1), np.zeros(2 * len(known) + 1)
        for place in range(len(low)):
            group, is_known = place // 2, place % 2
            for label, ends in ((0, low), (1, high)):
                if is_known:
                    ends[place] = _fit_at(group, _plus(successes, group, label), _plus(counts, group, 1))
                else:
                    ends[place] = _fit_at(group, np.insert(successes, group, label), np.insert(counts, group, 1))
        return cls(known, low, high)

    def of(self, scores: ArrayLike) -> tuple[Floats, Floats]:
        """(low, high), each (n,) in [0, 1], for (n,) scores."""
        places = np.searchsorted(self.scores, scores, "left") + np.searchsorted(self.scores, scores, "right")
        return self.low[places], self.high[places]

    def state(self) -> dict[str, Any]:
        """Arrays for an artifact."""
        return asdict(self)


def left_out_widths(scores: ArrayLike, labels: ArrayLike) -> Floats:
    """(n,): how wide the interval of each conversation is, had it not been among the others."""
    known, successes, counts = _grouped(scores, labels)
    group_of = np.searchsorted(known, np.asarray(scores, dtype=float))
    widths = np.zeros(len(group_of))
    for index, (group, label) in enumerate(zip(group_of, np.asarray(labels), strict=True)):
        # Leaving it out and putting it in again with an outcome is to give it that outcome.
        ends = [_fit_at(group, _plus(successes, group, as_if - label), counts) for as_if in (0, 1)]
        widths[index] = ends[1] - ends[0]
    return widths


def _grouped(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """(distinct scores, successes at each, conversations at each), (k,) each, rising."""
    known, group_of = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    successes = np.asarray(np.bincount(group_of, weights=np.asarray(labels, dtype=np.float64)), dtype=np.float64)
    return known, successes, np.asarray(np.bincount(group_of), dtype=np.float64)


def _plus(values: Floats, place: int, amount: float) -> Floats:
    changed = values.copy()
    changed[place] += amount
    return changed


def _fit_at(place: int, successes: Floats, counts: Floats) -> float:
    from scipy.optimize import isotonic_regression  # half a second to import, and serving never fits

    return float(isotonic_regression(successes / counts, weights=counts).x[place])
