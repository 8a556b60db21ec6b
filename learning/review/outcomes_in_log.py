"""The deals of the prediction log, by whether their outcome is known: one entry a deal, its newest prediction.

What has a `deal_id` is one deal, else what has a `conversation_id` is one conversation, else each prediction stands for
itself. Asked of the database in SQL, the newest MOST_PREDICTIONS: half a second of the processor for so many.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from conversations.conversation import Outcome
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback, predictions

MOST_PREDICTIONS = 20_000  # of the log that are looked at, the newest
LONGEST_TEXT = 20_000  # characters of a stored transcript that are read
_ASKED_AT_ONCE = 500  # ids in one query


class LoggedDeal(NamedTuple):
    """A deal of the log, by its newest prediction that counts."""

    key: str  # its deal_id, conversation_id or prediction_id
    prediction_id: str
    predicted_at: datetime
    probability: float  # of success
    model: str
    deal_id: str | None
    conversation_id: str | None
    outcome: Outcome | None  # as recorded; None for none


def without_outcome(store: PredictionStore, before: datetime, known_until: datetime) -> list[LoggedDeal]:
    """Deals predicted before `before` of which no outcome had come by `known_until`, the newest first.

    `outcome` is one that came since then. Raises StoreAwayError.
    """
    came_since = or_(feedback.c.received_at.is_(None), feedback.c.received_at >= known_until)
    conditions = [predictions.c.created_at < before, came_since]
    for column in (predictions.c.deal_id, predictions.c.conversation_id):
        conditions.append(or_(column.is_(None), column.not_in(_closed(column.name, known_until))))
    open_ones = _newest_of_each(store, and_(*conditions))
    since = select(predictions, feedback.c.actual_outcome).join(feedback).where(feedback.c.received_at >= known_until)
    outcomes = {_key(row): row.actual_outcome for row in store.rows(since)}
    return [one._replace(outcome=outcomes.get(one.key)) for one in open_ones]


def with_outcome(store: PredictionStore) -> list[LoggedDeal]:
    """Deals whose outcome came after the prediction that is given with it, the newest first. Raises StoreAwayError."""
    return _newest_of_each(store, feedback.c.received_at > predictions.c.created_at)


def stored_texts(store: PredictionStore, prediction_ids: Iterable[str]) -> dict[str, str]:
    """What is stored of the words, masked or in full, by prediction; without those that nothing is stored of."""
    ids, found = list(prediction_ids), dict[str, str]()
    beginning = func.substr(predictions.c.transcript, 1, LONGEST_TEXT).label("text")
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        asked = predictions.c.prediction_id.in_(ids[start : start + _ASKED_AT_ONCE])
        rows = store.rows(select(predictions.c.prediction_id, beginning).where(asked))
        found |= {row.prediction_id: row.text for row in rows if row.text}
    return found


def _closed(name: str, before: datetime) -> Any:
    """The ids in a column of those whose outcome came before a moment."""
    others = predictions.alias()
    column = others.c[name]
    joined = select(column).join(feedback, feedback.c.prediction_id == others.c.prediction_id)
    return joined.where(column.is_not(None), feedback.c.received_at < before)


def _newest_of_each(store: PredictionStore, condition: ColumnElement[bool]) -> list[LoggedDeal]:
    columns = predictions.c
    shown = (
        columns.prediction_id,
        columns.created_at,
        columns.probability,
        columns.model,
        columns.deal_id,
        columns.conversation_id,
    )
    statement = (
        select(*shown, feedback.c.actual_outcome)
        .outerjoin(feedback, feedback.c.prediction_id == columns.prediction_id)
        .where(condition)
        .order_by(columns.prediction_id.desc())
        .limit(MOST_PREDICTIONS)
    )
    found: dict[str, LoggedDeal] = {}
    for row in store.rows(statement):
        found.setdefault(_key(row), _deal(row))
    return list(found.values())


def _key(row: Any) -> str:
    return str(row.deal_id or row.conversation_id or row.prediction_id)


def _deal(row: Any) -> LoggedDeal:
    return LoggedDeal(
        key=_key(row),
        prediction_id=row.prediction_id,
        predicted_at=row.created_at,
        probability=row.probability,
        model=row.model,
        deal_id=row.deal_id,
        conversation_id=row.conversation_id,
        outcome=row.actual_outcome,
    )
