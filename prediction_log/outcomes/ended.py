"""What ended, with its words as they are stored: what may be learned from.

Several predictions of one conversation count once, with the newest words. What was predicted after its outcome had come is left
out, as it may say the outcome. The conversations of a deal are given together; who reads them joins them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select

from conversations.conversation import Conversation
from conversations.reading.record import conversation_from_record
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_parts, feedback, predictions
from prediction_log.tables.rows import stored_conversation_id

_Unit = tuple[str, str]  # what the id is of, and the id


class _Words(NamedTuple):
    """What was stored of one conversation with one prediction."""

    prediction_id: str
    created_at: datetime
    conversation_id: str | None
    transcript: str | None
    day: str | None
    context: Any


@dataclass(frozen=True)
class Ended:
    """A deal, or a conversation without one, whose outcome came back."""

    conversations: list[Conversation]  # 1 or more, each with the outcome
    received_at: datetime  # when it was said
    ended_at: datetime  # the day it ended, where that was said, else when it was said


def ended(store: PredictionStore) -> list[Ended]:
    """Everything with an outcome and stored words, in the order in which the outcomes came. Raises StoreAwayError."""
    columns = predictions.c
    said = feedback.c.actual_outcome, feedback.c.received_at, feedback.c.closed_at
    closed_deals = (
        select(columns.deal_id)
        .join(feedback, feedback.c.prediction_id == columns.prediction_id)
        .where(columns.deal_id.is_not(None))
    )
    statement = (
        select(predictions, *said)
        .outerjoin(feedback, feedback.c.prediction_id == columns.prediction_id)
        .where(or_(feedback.c.prediction_id.is_not(None), columns.deal_id.in_(closed_deals)))
        .order_by(columns.prediction_id)
    )
    rows = store.rows(statement)
    of_deals = statement.with_only_columns(columns.prediction_id).where(columns.deal_id.is_not(None)).order_by(None)
    parts = defaultdict(list)
    for part in store.rows(
        select(deal_parts).where(deal_parts.c.prediction_id.in_(of_deals)).order_by(deal_parts.c.place)
    ):
        parts[part.prediction_id].append(part)
    units = _units(rows)
    found = [one for of_unit in units.values() if (one := _of_rows(of_unit, parts)) is not None]
    return sorted(found, key=lambda one: (one.received_at, one.conversations[0].conversation_id))


def has_ended(store: PredictionStore, conversation_id: str) -> bool:
    """Whether an outcome of a conversation, or of a deal that it is a part of, is stored. Raises StoreAwayError."""
    columns, others = predictions.c, predictions.alias()
    of_deals = select(columns.deal_id).where(columns.conversation_id == stored_conversation_id(conversation_id))
    its_own = others.c.conversation_id == stored_conversation_id(conversation_id)
    wanted = select(feedback.c.prediction_id).join(others, others.c.prediction_id == feedback.c.prediction_id)
    return bool(store.rows(wanted.where(or_(its_own, others.c.deal_id.in_(of_deals))).limit(1)))


def _units(rows: Sequence[Any]) -> dict[_Unit, list[Any]]:
    """The rows of each deal, and of each conversation that is of none; without an id its words stand for it."""
    deals = {row.conversation_id: row.deal_id for row in rows if row.conversation_id and row.deal_id}
    units: dict[_Unit, list[Any]] = {}
    for row in rows:
        deal = row.deal_id or deals.get(row.conversation_id)
        unit = ("deal", deal) if deal else _conversation_of(row)
        units.setdefault(unit, []).append(row)
    return units


def _conversation_of(row: Any) -> _Unit:
    return ("conversation", row.conversation_id) if row.conversation_id else ("words", row.transcript or "")


def _of_rows(rows: Sequence[Any], parts: Mapping[str, Sequence[Any]]) -> Ended | None:
    """None where no words are stored from before the outcome came. Of outcomes that differ the last one counts."""
    last = max((row for row in rows if row.received_at is not None), key=lambda row: row.received_at, default=None)
    if last is None:
        return None
    words = [one for row in rows for one in _words_of(row, parts.get(row.prediction_id, ()))]
    newest = {
        _conversation_of(one): one
        for one in words
        if (one.transcript or "").strip() and one.created_at <= last.received_at
    }
    if not newest:
        return None
    group = next((row.deal_group for row in reversed(rows) if row.deal_group), None)
    deal = next((row.deal_id for row in rows if row.deal_id), None)
    conversations = [_conversation(one, last, deal, group) for one in newest.values()]
    ended_at = datetime.fromisoformat(last.closed_at).replace(tzinfo=UTC) if last.closed_at else last.received_at
    return Ended(conversations, last.received_at, ended_at)


def _words_of(row: Any, parts: Sequence[Any]) -> list[_Words]:
    """Of a deal's prediction each of its conversations, of another its one. Words of a part that a newer prediction of the
    deal keeps stand there."""
    if not parts:
        return [
            _Words(
                row.prediction_id,
                row.created_at,
                row.conversation_id,
                row.transcript,
                row.conversation_day,
                row.context,
            )
        ]
    return [
        _Words(
            f"{row.prediction_id}-{part.place}",
            row.created_at,
            part.conversation_id,
            part.transcript,
            part.date,
            row.context,
        )
        for part in parts
    ]


def _conversation(words: _Words, outcome: Any, deal: str | None, group: str | None) -> Conversation:
    record = {
        "conversation_id": words.conversation_id or words.prediction_id,
        "transcript": words.transcript,
        "conversation_context": words.context,
        "outcome": outcome.actual_outcome,
        "deal_id": deal,
        "group": group,
        "date": words.day or words.created_at.isoformat(),
    }
    closed = {"closed_at": outcome.closed_at} if outcome.closed_at else {}  # what `deals` leaves out of training by
    return conversation_from_record(record | closed, f"The stored prediction {words.prediction_id}")
