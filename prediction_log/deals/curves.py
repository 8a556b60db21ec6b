"""How the probability of deals went over time: after each conversation of the newest prediction, and before these the
predictions of conversations that the newest one does not rest on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import select

from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_parts, predictions

MOST_POINTS = 30
_SHOWN = ("deal_id", "prediction_id", "request_id", "conversation_id", "probability", "created_at")

Change = Annotated[
    float | None,
    Field(description="The probability minus that of the prediction before, −1 to 1; null for the deal's first one"),
]


class CurvePoint(BaseModel):
    """A deal's probability at one time."""

    probability: float
    conversation_id: str | None
    date: str | None = Field(description="Of the conversation, as it was given; null where it has none")
    predicted_at: datetime


class DealCurve(NamedTuple):
    """A deal's curve, and the probability of the prediction before the newest one, None where that is the first."""

    points: list[CurvePoint]
    before: float | None


def curves(store: PredictionStore, newest: Mapping[str, str]) -> dict[str, DealCurve]:
    """newest: the newest prediction of each deal. At most MOST_POINTS of each, the newest; none where the deal was deleted
    meanwhile. Raises StoreAwayError.
    """
    columns, parts = predictions.c, deal_parts.c
    of_deals = (
        select(*(columns[name] for name in _SHOWN), newest_date().label("date"))
        .where(columns.deal_id.in_(newest))
        .order_by(columns.prediction_id)
    )
    of_newest = (
        select(parts.prediction_id, parts.conversation_id, parts.date, parts.probability)
        .where(parts.prediction_id.in_(newest.values()))
        .order_by(parts.prediction_id, parts.place)
    )
    predicted: dict[str, list[Any]] = {deal_id: [] for deal_id in newest}
    for row in store.rows(of_deals):
        if row.prediction_id <= newest[row.deal_id]:
            predicted[row.deal_id].append(row)
    heard: dict[str, list[Any]] = {}
    for row in store.rows(of_newest):
        heard.setdefault(row.prediction_id, []).append(row)
    return {deal_id: _deal_curve(rows, heard.get(newest[deal_id], [])) for deal_id, rows in predicted.items()}


def newest_date() -> Any:
    """In SQL the date of a prediction's newest conversation, as it was given."""
    parts = deal_parts.c
    of_prediction = select(parts.date).where(parts.prediction_id == predictions.c.prediction_id)
    return of_prediction.order_by(parts.place.desc()).limit(1).scalar_subquery()


def _deal_curve(predicted: Sequence[Any], heard: Sequence[Any]) -> DealCurve:
    if not predicted:
        return DealCurve([], None)
    before = predicted[-2].probability if len(predicted) > 1 else None
    return DealCurve(curve(predicted, heard)[-MOST_POINTS:], before)


def curve(predicted: Sequence[Any], heard: Sequence[Any]) -> list[CurvePoint]:
    """predicted: a deal's predictions in order of time, at least one. heard: the conversations of the newest one."""
    newest = predicted[-1]
    points = [_point(row, row.created_at) for row in not_in_newest(predicted, heard)]
    return points + ([_point(row, newest.created_at) for row in heard] or [_point(newest, newest.created_at)])


def not_in_newest(predicted: Sequence[Any], heard: Sequence[Any]) -> list[Any]:
    """The earlier predictions of conversations that the newest one does not rest on, nor was predicted beside."""
    *earlier, newest = predicted
    known = {row.conversation_id for row in heard} - {None}
    beside = newest.request_id if heard else None
    return [row for row in earlier if row.conversation_id not in known and row.request_id != beside]


def _point(row: Any, predicted_at: datetime) -> CurvePoint:
    return CurvePoint(
        probability=row.probability,
        conversation_id=row.conversation_id,
        date=row.date,
        predicted_at=predicted_at,
    )
