"""Why deals were lost: of those whose feedback says failed, what stood against them at the end, by month and by rival.

From what was found in their words when they were last predicted, with quotes as they are stored. It counts deals, and says
nothing of what caused what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import func, select

from answers.analysis import TITLES
from answers.deals.requests import DatedSignal
from prediction_log.deals.found import Found, found_in, together
from prediction_log.deals.timeline import NO_WORDS
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_readings, feedback, predictions
from signals.rivals import rival_named

MOST_DEALS = 2000  # the last that were lost
MOST_QUOTES = 3  # of a reason, or of a rival
_RIVAL = "competitor"


class LostQuote(BaseModel):
    """What a lost deal's customer said."""

    quote: str
    deal_id: str
    date: str | None = Field(description="Of the conversation, as it was given")


class LostReason(BaseModel):
    """Something that stood against lost deals."""

    name: str = Field(description="The signal")
    title: str = Field(description="For people")
    deals: int = Field(ge=1)
    quotes: list[LostQuote] = Field(description="Up to 3, of the deals that were lost last")


class LostMonth(BaseModel):
    """The deals that were lost in a month."""

    month: str = Field(description="Such as 2026-03: that in which the feedback came, in UTC")
    deals: int = Field(ge=1)
    without_reason: int = Field(ge=0, description="Of them, those in whose words nothing was found against them")
    reasons: list[LostReason] = Field(description="The most frequent first; a deal may have several")


class LostToRival(BaseModel):
    """Lost deals in which a rival was in play."""

    rival: str | None = Field(description="As the customers named it; null: not named")
    deals: int = Field(ge=1)
    quotes: list[LostQuote]


class LostDeals(BaseModel):
    """The answer to GET /deals/lost."""

    deals: Annotated[int, Field(ge=0, description="How many were lost, at most the last 2,000")]
    months: list[LostMonth] = Field(description="The newest first")
    rivals: list[LostToRival] = Field(description="The most frequent first, those not named last")
    notices: list[str]


@dataclass(frozen=True)
class _Lost:
    deal_id: str
    month: str
    against: Sequence[DatedSignal]
    is_read: bool
    has_words: bool


def lost_deals(store: PredictionStore) -> LostDeals:
    """Raises StoreAwayError."""
    lost = _lost(store)
    months = [_month(month, list(deals)) for month, deals in groupby(lost, key=lambda one: one.month)]
    return LostDeals(deals=len(lost), months=months, rivals=_rivals(lost), notices=_notices(lost))


def _lost(store: PredictionStore) -> list[_Lost]:
    """The deals that were lost last first; one that was also said to be won counts by what was said last."""
    columns = predictions.c
    said = (
        select(columns.deal_id, feedback.c.actual_outcome, feedback.c.received_at)
        .add_columns(
            func.row_number()
            .over(partition_by=columns.deal_id, order_by=(feedback.c.received_at.desc(), columns.prediction_id.desc()))
            .label("place")
        )
        .join(feedback, feedback.c.prediction_id == columns.prediction_id)
        .where(columns.deal_id.is_not(None))
        .subquery()
    )
    failed = (
        select(said.c.deal_id, said.c.received_at)
        .where(said.c.place == 1, said.c.actual_outcome == "failed")
        .order_by(said.c.received_at.desc(), said.c.deal_id)
        .limit(MOST_DEALS)
    )
    ended: dict[str, datetime] = {row.deal_id: row.received_at for row in store.rows(failed)}
    theirs = failed.subquery()
    read = (
        select(columns.deal_id, deal_readings.c.found)
        .join(theirs, theirs.c.deal_id == columns.deal_id)
        .join(deal_readings, deal_readings.c.prediction_id == columns.prediction_id)
        .order_by(columns.prediction_id)
    )
    found: dict[str, list[Found]] = {}
    for row in store.rows(read):
        found.setdefault(row.deal_id, []).append(found_in(row.found))
    return [_one(deal_id, moment, found.get(deal_id, [])) for deal_id, moment in ended.items()]


def _one(deal_id: str, ended: datetime, readings: Sequence[Found]) -> _Lost:
    signals, _ = together(readings)
    against = [signal for signal in signals if signal.polarity == "negative" and signal.name in TITLES]
    return _Lost(deal_id, f"{ended:%Y-%m}", against, bool(readings), all(one.words for one in readings))


def _month(month: str, lost: Sequence[_Lost]) -> LostMonth:
    counts = Counter(signal.name for one in lost for signal in one.against)
    return LostMonth(
        month=month,
        deals=len(lost),
        without_reason=sum(not one.against for one in lost),
        reasons=[
            LostReason(name=name, title=TITLES[name][1].partition(" ")[2], deals=deals, quotes=_quotes(lost, name))
            for name, deals in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    )


def _quotes(lost: Iterable[_Lost], name: str) -> list[LostQuote]:
    return [_quote(one, signal) for one in lost for signal in one.against if signal.name == name][:MOST_QUOTES]


def _quote(one: _Lost, signal: DatedSignal) -> LostQuote:
    return LostQuote(quote=signal.quote, deal_id=one.deal_id, date=signal.date)


def _rivals(lost: Sequence[_Lost]) -> list[LostToRival]:
    by_name: dict[str, tuple[str | None, list[LostQuote]]] = {}
    for one in lost:
        for signal in one.against:
            if signal.name == _RIVAL:
                rival = rival_named(signal.quote)
                by_name.setdefault((rival or "").casefold(), (rival, []))[1].append(_quote(one, signal))
    found = sorted(by_name.values(), key=lambda pair: (pair[0] is None, -len(pair[1]), pair[0] or ""))
    return [LostToRival(rival=rival, deals=len(quotes), quotes=quotes[:MOST_QUOTES]) for rival, quotes in found]


def _notices(lost: Sequence[_Lost]) -> list[str]:
    unread = sum(not one.is_read for one in lost)
    return [
        *(
            [f"Nothing was read in the words of {unread:,} of them, so why they were lost is not known."]
            if unread
            else []
        ),
        *([] if all(one.has_words for one in lost) else [NO_WORDS]),
    ]
