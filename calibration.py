"""Makes a model's log-odds mean what they say: temperature scaling, fitted on validation data only.

One parameter, because validation may be 20 conversations; it never changes the ranking nor which side of one half a
prediction falls on. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. Costs
milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LOG_TEMPERATURE_BOUNDS = (np.log(1e-3), np.log(1e3))
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # the precision of float64 just below 1


@dataclass(frozen=True)
class TemperatureScaling:
    """p = sigmoid(log-odds / temperature); temperature 1 leaves log-odds as they are, above 1 means less sure."""

    temperature: float = 1.0

    @classmethod
    def fit(cls, log_odds: ArrayLike, labels: ArrayLike) -> TemperatureScaling:
        """The temperature of least log loss against Platt's smoothed labels.

        The smoothing, (n₊ + 1)/(n₊ + 2) for 1 and 1/(n₋ + 2) for 0 (Platt 1999, section 2.2), keeps the temperature
        above 0 where a small validation set is separated without error.
        """
        from scipy.optimize import minimize_scalar  # half a second to import, and serving never fits

        z = np.asarray(log_odds, dtype=float)
        y = np.asarray(labels, dtype=float)
        positives, negatives = float(y.sum()), float(len(y) - y.sum())
        target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

        def loss(log_temperature: float) -> float:
            scaled = z / np.exp(log_temperature)
            return float(np.mean(target * np.logaddexp(0, -scaled) + (1 - target) * np.logaddexp(0, scaled)))

        best = minimize_scalar(loss, bounds=_LOG_TEMPERATURE_BOUNDS, method="bounded")
        return cls(float(np.exp(best.x)))

    def probabilities(self, log_odds: ArrayLike) -> NDArray[np.float64]:
        """P(successful) for log-odds of (n,), in (0, 1): never so sure that a log loss would be infinite."""
        # sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow
        probabilities = (1 + np.tanh(np.asarray(log_odds, dtype=float) / self.temperature / 2)) / 2
        return np.asarray(np.clip(probabilities, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY), dtype=np.float64)
