"""What was found in the words of stored deals, read back: in short for a page of them, and of one deal in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import select

from answers.deals.requests import DatedSignal, MovedMost
from answers.recommendations import Recommendation
from deals.qualification import ELEMENTS, MOST_QUOTES, Criterion, QualificationCard
from deals.warning_rules import Severity
from deals.warnings import DealWarning, Silence, warnings_on
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_readings

_WARNINGS = TypeAdapter(list[DealWarning])
_UNKNOWN = Criterion(status="unknown", detail="", since=None, quotes=())


class WarningInShort(BaseModel):
    """A warning without what it rests on."""

    severity: Severity
    sentence: str


class Found(BaseModel):
    """What the log has of a deal's words, as `prediction_log.deal_readings` stored it."""

    model_config = ConfigDict(extra="ignore")

    moved_most: MovedMost
    signals: list[DatedSignal]
    qualification: QualificationCard
    warnings: list[DealWarning]
    silence: Silence
    recommended_actions: list[Recommendation]
    words: bool = Field(description="Whether quotes were stored")


def found_in(stored: Mapping[str, Any]) -> Found:
    """Of a column `found`."""
    return Found.model_validate(stored)


def warnings_in_short(
    store: PredictionStore, conversations: Mapping[str, int], today: date
) -> dict[str, list[WarningInShort]]:
    """Of predictions the warnings of today; none of those in which nothing was read. conversations: how many of each."""
    read = deal_readings.c
    rows = store.rows(select(read.prediction_id, read.found).where(read.prediction_id.in_(conversations)))
    return {
        row.prediction_id: [
            WarningInShort(severity=one.severity, sentence=one.sentence)
            for one in warnings_on(
                _WARNINGS.validate_python(row.found["warnings"]),
                Silence.model_validate(row.found["silence"]),
                conversations[row.prediction_id],
                today,
            )
        ]
        for row in rows
    }


def together(found: Sequence[Found]) -> tuple[list[DatedSignal], QualificationCard]:
    """What holds of a deal whose conversations were predicted one by one: of each signal the newest word, and the card.

    found: the oldest first.
    """
    signals = {signal.name: signal for one in found for signal in one.signals}
    cards = [one.qualification for one in found]
    return list(signals.values()), QualificationCard(
        **{element: _criterion([card.criterion(element) for card in cards]) for element in ELEMENTS}
    )


def _criterion(criteria: Sequence[Criterion]) -> Criterion:
    """The newest that is known, with the quotes of those before it."""
    known = [criterion for criterion in reversed(criteria) if criterion.status != "unknown"]
    if not known:
        return _UNKNOWN
    quotes = tuple(quote for criterion in known for quote in criterion.quotes)[:MOST_QUOTES]
    return known[0].model_copy(update={"quotes": quotes, "since": _since(known)})


def _since(known: Sequence[Criterion]) -> date | None:
    """known: the newest first."""
    return list(_alike(known))[-1].since


def _alike(known: Sequence[Criterion]) -> Iterator[Criterion]:
    for criterion in known:
        if criterion.status != known[0].status:
            return
        yield criterion
