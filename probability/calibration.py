"""Makes a model's log-odds mean what they say: Platt scaling, fitted on predictions the model made of unseen
conversations.

Two parameters, so a few dozen conversations are enough to fit them; the ranking never changes. Source: Platt 1999,
"Probabilistic Outputs for Support Vector Machines", section 2.2. Costs milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LOG_SLOPE_BOUNDS = (np.log(1e-3), np.log(1e3))
_INTERCEPT_BOUNDS = (-10.0, 10.0)
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # the precision of float64 just below 1


@dataclass(frozen=True)
class PlattScaling:
    """p = sigmoid(slope · log-odds + intercept); slope 1 and intercept 0 leave log-odds as they are."""

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, log_odds: ArrayLike, labels: ArrayLike) -> PlattScaling:
        """The slope, always above 0, and the intercept of least log loss against Platt's smoothed labels.

        The smoothing, (n₊ + 1)/(n₊ + 2) for 1 and 1/(n₋ + 2) for 0, keeps the slope finite where a small set is separated
        without error.
        """
        from scipy.optimize import minimize  # half a second to import, and serving never fits

        z = np.asarray(log_odds, dtype=float)
        y = np.asarray(labels, dtype=float)
        scale = float(np.std(z)) or 1.0
        positives, negatives = float(y.sum()), float(len(y) - y.sum())
        target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

        def loss(parameters: NDArray[np.float64]) -> float:
            scaled = np.exp(parameters[0]) * z / scale + parameters[1]
            return float(np.mean(target * np.logaddexp(0, -scaled) + (1 - target) * np.logaddexp(0, scaled)))

        best = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[_LOG_SLOPE_BOUNDS, _INTERCEPT_BOUNDS])
        return cls(float(np.exp(best.x[0]) / scale), float(best.x[1]))

    def probabilities(self, log_odds: ArrayLike) -> NDArray[np.float64]:
        """P(successful) for log-odds of (n,), in (0, 1): never so sure that a log loss would be infinite."""
        # sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow
        scaled = self.slope * np.asarray(log_odds, dtype=float) + self.intercept
        probabilities = (1 + np.tanh(scaled / 2)) / 2
        return np.asarray(np.clip(probabilities, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY), dtype=np.float64)
