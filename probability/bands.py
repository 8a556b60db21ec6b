"""What a probability says: the predicted outcome, and a band A to D with the share of it that really converted.

Bands are quarters of what a model predicts, fitted on conversations whose outcomes the model did not learn from: A is the
quarter of the highest probabilities there, D that of the lowest. Observed rates come with Wilson's 95 % interval. Where a
band has too few conversations, or a lower band converted more often, neighbours share one rate over all their
conversations (pool adjacent violators, Barlow et al. 1972), so that a better band never promises less. Of few
conversations a rate says little: read the interval. Costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from conversations.conversation import Outcome
from probability.confidence import wilson_interval
from probability.metrics import THRESHOLD

BandName = Literal["A", "B", "C", "D"]
BAND_NAMES: tuple[BandName, ...] = ("A", "B", "C", "D")
FEWEST_CONVERSATIONS = 5  # for a rate of its own


@dataclass(frozen=True)
class Prediction:
    """How the deal is expected to end."""

    outcome: Annotated[Outcome, Field(description="successful where probability >= 0.5")]
    probability: Annotated[float, Field(ge=0.0, le=1.0, description="Calibrated P(successful)")]
    confidence: Annotated[float, Field(ge=0.5, le=1.0, description="The probability of the predicted outcome")]


def prediction_of(probability: float) -> Prediction:
    """Successful from THRESHOLD up."""
    if probability >= THRESHOLD:
        return Prediction("successful", probability, probability)
    return Prediction("failed", probability, 1 - probability)


def ranking(probabilities: Sequence[float]) -> list[int]:
    """The places of the probabilities, the highest first; of equals the earlier one."""
    return sorted(range(len(probabilities)), key=lambda n: -probabilities[n])


@dataclass(frozen=True)
class Band:
    """How conversations with such a probability ended, among those that the model did not learn from."""

    name: Annotated[BandName, Field(description="A: the quarter with the highest probabilities")]
    observed_rate: Annotated[float | None, Field(description="Share that converted; null where none was observed")]
    interval: Annotated[tuple[float, float], Field(description="Wilson's 95 % interval of the rate")]
    conversations: Annotated[int, Field(description="How many the rate was observed on")]
    shared_by: Annotated[
        tuple[BandName, ...],
        Field(description="Bands that have one rate together, being too small or too alike to tell"),
    ]

    @classmethod
    def observed(cls, name: BandName, successful: int, conversations: int, shared_by: tuple[BandName, ...]) -> Band:
        """The band where so many converted of the conversations of every band in `shared_by`."""
        rate = successful / conversations if conversations else None
        return cls(name, rate, wilson_interval(successful, conversations), conversations, shared_by)

    @property
    def successful(self) -> int:
        """How many of the conversations converted."""
        return round((self.observed_rate or 0.0) * self.conversations)


@dataclass(frozen=True)
class ConversionBands:
    """Where the bands of one model begin, and what was observed in each. Without a fit nothing was observed."""

    edges: Sequence[float] = (0.75, 0.5, 0.25)  # smallest probability of A, B and C, falling
    conversations: Sequence[int] = (0, 0, 0, 0)  # observed in A, B, C and D
    successful: Sequence[int] = (0, 0, 0, 0)

    @classmethod
    def fit(cls, probabilities: ArrayLike, labels: ArrayLike) -> ConversionBands:
        """probabilities, labels: (n,) of conversations that the model did not learn from, labels 1 for successful."""
        p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=int)
        edges = tuple(float(edge) for edge in np.quantile(p, (0.75, 0.5, 0.25)))
        band = [_index(edges, probability) for probability in p]
        counts = [np.bincount(band, weights, minlength=len(BAND_NAMES)).astype(int).tolist() for weights in (None, y)]
        return cls(edges, *counts)

    def band_of(self, probability: float) -> Band:
        """The band of a prediction."""
        index = _index(self.edges, probability)
        group = next(group for group in self._groups() if index in group)
        successful, conversations = (sum(counts[n] for n in group) for counts in (self.successful, self.conversations))
        return Band.observed(BAND_NAMES[index], successful, conversations, tuple(BAND_NAMES[n] for n in group))

    def _groups(self) -> list[list[int]]:
        """Neighbouring bands that share a rate, from A down."""
        groups: list[list[int]] = []
        for index in range(len(BAND_NAMES)):
            groups.append([index])
            while len(groups) > 1 and self._belong_together(groups[-2], groups[-1]):
                groups[-2:] = [groups[-2] + groups[-1]]
        return groups

    def _belong_together(self, upper: list[int], lower: list[int]) -> bool:
        """Whether one is too small, or the lower one converted more often; a small one waits for the band below it."""
        (n, won), (m, won_below) = (
            [sum(counts[index] for index in group) for counts in (self.conversations, self.successful)]
            for group in (upper, lower)
        )
        if n >= FEWEST_CONVERSATIONS and m < FEWEST_CONVERSATIONS and lower[-1] < len(BAND_NAMES) - 1:
            return False
        return min(n, m) < FEWEST_CONVERSATIONS or won * m < won_below * n


def _index(edges: Sequence[float], probability: float) -> int:
    return sum(probability < edge for edge in edges)
