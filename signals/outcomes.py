"""Which signals go with success: conversion rates with and without each, as the picture, a file and the service give
them.

It shows what goes together in the evaluated conversations, not what causes what. The file holds counts and shares, no
word of a conversation; the service reads it anew for each request, a millisecond, so that all workers give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_json
from foundations.errors import InputError
from probability.confidence import wilson_interval
from signals.finder import Signal
from signals.sentences import SIGNAL_NAMES, Polarity

# Where the bare name would say the opposite of what was found.
_TITLES = {
    ("price_objection", "positive"): "price accepted",
    ("objection", "positive"): "no objection",
    ("objection_resolved", "negative"): "objection not resolved",
    ("no_decision_risk", "positive"): "must decide",
    ("budget", "negative"): "no budget",
    ("authority", "negative"): "someone else decides",
    ("need", "negative"): "no need",
    ("timeline", "negative"): "no date",
    ("commitment", "negative"): "no commitment",
    ("decision_process", "positive"): "clear decision process",
    ("decision_process", "negative"): "unclear decision process",
    ("competitor", "positive"): "competitor ruled out",
    ("competitor", "negative"): "competitor in play",
    ("urgency", "negative"): "no urgency",
    ("sentiment", "positive"): "positive sentiment",
    ("sentiment", "negative"): "negative sentiment",
}
_DIGITS = 6  # of a share: 0 of 3 is from 0, not from 5.6e-17


class SignalRate(NamedTuple):
    """How the conversations with one signal of one polarity ended."""

    name: str
    polarity: Polarity
    successes: int
    given: int
    other_successes: int  # of the conversations without it
    other_count: int


def signal_rates(signals: Sequence[Sequence[Signal]], labels: NDArray[np.int64]) -> list[SignalRate]:
    """For each signal and polarity, in the order of SIGNAL_NAMES; labels: (n,) of 1 for successful, 0 for failed."""
    given = [{(one.name, one.polarity) for one in of_one} for of_one in signals]
    rates = []
    polarities: tuple[Polarity, Polarity] = ("positive", "negative")
    for name in SIGNAL_NAMES:
        for polarity in polarities:
            has = np.array([(name, polarity) in of_one for of_one in given], dtype=bool)
            y = np.asarray(labels)
            rates.append(
                SignalRate(name, polarity, int(y[has].sum()), int(has.sum()), int(y[~has].sum()), int((~has).sum()))
            )
    return rates


def signal_title(rate: SignalRate) -> str:
    """What was found, in words a person reads."""
    return _TITLES.get((rate.name, rate.polarity), rate.name.replace("_", " "))


class SignalOutcome(BaseModel):
    """How often the conversations with one signal of one polarity were successful, beside those without it."""

    name: str
    polarity: Polarity = Field(description="Whether it speaks for the deal or against it")
    title: str = Field(description="The two in words")
    conversations: int = Field(ge=0, description="That give it")
    successful: int = Field(ge=0, description="Of them")
    rate: float | None = Field(ge=0, le=1, description="successful / conversations; null where none gives it")
    interval: tuple[float, float] | None = Field(description="Of the rate: 95 %, Wilson")
    other_conversations: int = Field(ge=0, description="That do not give it")
    other_successful: int = Field(ge=0, description="Of them")
    other_rate: float | None = Field(ge=0, le=1, description="Null where every conversation gives it")
    other_interval: tuple[float, float] | None = Field(description="Of other_rate: 95 %, Wilson")


class SignalOutcomes(BaseModel):
    """The answer to GET /signals, and the content of signals_by_outcome.json: of the last evaluation."""

    conversations: int = Field(default=0, ge=0, description="That were evaluated and are closed")
    successful: int = Field(default=0, ge=0, description="Of them")
    signals: list[SignalOutcome] = Field(default=[], description="Every signal for the deal and against it")
    problem: str | None = Field(default=None, description="Why there are no figures, and what to do")


def signal_outcomes(signals: Sequence[Sequence[Signal]], labels: NDArray[np.int64]) -> SignalOutcomes:
    """The rates of `signal_rates` with their intervals; labels: (n,) of 1 for successful, 0 for failed."""
    outcomes = [_outcome(rate) for rate in signal_rates(signals, labels)]
    return SignalOutcomes(conversations=len(labels), successful=int(np.sum(labels)), signals=outcomes)


def write_signal_outcomes(outcomes: SignalOutcomes, folder: ArtifactFolder) -> None:
    """Writes signals_by_outcome.json, whole or not at all."""
    write_json(folder.signals_by_outcome, outcomes.model_dump(mode="json", exclude={"problem"}))


def read_signal_outcomes(folder: ArtifactFolder) -> SignalOutcomes:
    """What the last evaluation wrote. Raises InputError where it wrote nothing, or the file is damaged."""
    path = folder.signals_by_outcome
    remedy = f"make it with: python main.py --mode evaluate --artifacts {folder.root}"
    try:
        return SignalOutcomes.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"Which signals went with success is not known: there is no {str(path)!r}; {remedy}"
        ) from error
    except (OSError, ValidationError) as error:
        raise InputError(f"Which signals went with success can't be read in {str(path)!r}; {remedy}") from error


def _outcome(rate: SignalRate) -> SignalOutcome:
    share, interval = _share(rate.successes, rate.given)
    other_share, other_interval = _share(rate.other_successes, rate.other_count)
    return SignalOutcome(
        name=rate.name,
        polarity=rate.polarity,
        title=signal_title(rate),
        conversations=rate.given,
        successful=rate.successes,
        rate=share,
        interval=interval,
        other_conversations=rate.other_count,
        other_successful=rate.other_successes,
        other_rate=other_share,
        other_interval=other_interval,
    )


def _share(count: int, n: int) -> tuple[float | None, tuple[float, float] | None]:
    if not n:
        return None, None
    low, high = wilson_interval(count, n)
    return round(count / n, _DIGITS), (round(low, _DIGITS), round(high, _DIGITS))
