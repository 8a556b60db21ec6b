"""When a comparison that is looked at again and again may be believed: a confidence sequence for a mean.

A 95 % confidence interval is wrong one time in twenty at one look; who looks every day and stops at the first interval
without zero is wrong far more often. A confidence sequence holds at all looks together. This one is the asymptotic
confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences" (2021, arXiv:2103.06476, theorem 2.2): after t observations with mean m and variance s²

    m ± s · √( 2 (t ρ² + 1) / (t² ρ²) · ln( √(t ρ² + 1) / α ) )

ρ says at how many observations it is tightest: ρ² = (−2 ln α + ln(−2 ln α) + 1) / TUNED_FOR. It is asymptotic, as the
normal distribution of a mean is, so nothing is said before FEWEST observations; losses are clipped by who makes them.
Of two groups whose members are drawn at random, the mean difference is up to smaller terms the mean of independent
observations (its influence function), whose variance is n (s₁²/n₁ + s₂²/n₂) with n = n₁ + n₂. Costs microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ALPHA = 0.05  # how often, over all looks, an interval may miss the truth
TUNED_FOR = 150  # observations at which the interval is tightest, in ratio to that of a single look
FEWEST = 60  # pairs before which nothing is said: differences as skewed as an exponential distribution need so many
FEWEST_OF_A_GROUP = 30  # the same of each of two groups
MOST_NEEDED = 1_000_000  # beyond so many it is not said how many it takes
_LOG_ALPHA = -2 * math.log(ALPHA)
RHO_SQUARED = (_LOG_ALPHA + math.log(_LOG_ALPHA) + 1) / TUNED_FOR


def half_width(count: Any, variance: Any) -> Any:
    """Half the width of the interval after `count` observations of that variance; numbers, or arrays of one shape."""
    grown = count * RHO_SQUARED + 1
    return np.sqrt(variance * 2 * grown / (count**2 * RHO_SQUARED) * np.log(np.sqrt(grown) / ALPHA))


@dataclass(frozen=True)
class Estimate:
    """A mean difference as far as it is known."""

    count: int  # observations
    mean: float
    variance: float  # of one observation
    is_enough: bool  # whether an interval can be given

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high end; None where too little is known."""
        if not self.is_enough:
            return None
        half = float(half_width(self.count, self.variance))
        return self.mean - half, self.mean + half

    @property
    def sign(self) -> int:
        """−1 or 1 where the whole interval lies on that side of zero, else 0."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return 0
        return -1 if self.mean < 0 else 1

    def still_needed(self) -> int | None:
        """How many more observations it takes until zero lies outside, should mean and variance stay as they are.

        0 where it does already; None where it is not known, or more than MOST_NEEDED.
        """
        if self.sign:
            return 0
        if not self.is_enough or half_width(MOST_NEEDED, self.variance) >= abs(self.mean):
            return None
        low, high = self.count, MOST_NEEDED  # the width falls with the count
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if half_width(middle, self.variance) < abs(self.mean) else (middle, high)
        return high - self.count


def paired(differences: Sequence[float]) -> Estimate:
    """The mean of differences, one for each deal that both have judged."""
    values = np.asarray(differences, dtype=np.float64)
    mean, variance = (float(values.mean()), float(values.var())) if len(values) else (0.0, 0.0)
    return Estimate(len(values), mean, variance, len(values) >= FEWEST)


def unpaired(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of `second` minus that of `first`, of two groups of deals that chance has made."""
    groups = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    count = sum(map(len, groups))
    if not all(map(len, groups)):
        return Estimate(count, 0.0, 0.0, False)
    variance = count * sum(float(values.var()) / len(values) for values in groups)
    mean = float(groups[1].mean() - groups[0].mean())
    return Estimate(count, mean, variance, min(map(len, groups)) >= FEWEST_OF_A_GROUP)
