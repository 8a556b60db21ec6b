"""Deals as GET /deals shows them: the open ones ranked by their newest prediction, and one with all of its predictions.

A deal is open until feedback came for one of its predictions. All is asked of the database in SQL; with 10,000 deals of three
predictions each a page costs tens of milliseconds, seldom more than 100.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, select

from conversations.conversation import Outcome
from prediction_log.store import PredictionStore
from prediction_log.tables import feedback, predictions, stored_conversation_id

LONGEST_PAGE = 500
MOST_PREDICTIONS = 1000  # of one deal that are shown
_FURTHEST = 1_000_000

Change = Annotated[
    float | None,
    Field(description="The probability minus that of the prediction before, −1 to 1; null for the deal's first one"),
]


class DealFilter(BaseModel):
    """Which open deals; what is left out asks for all."""

    group: str | None = Field(default=None, pattern=r"^[^\x00]+$", description="As the newest prediction was given it")
    id_contains: str | None = Field(
        default=None,
        pattern=r"^[^\x00]+$",
        max_length=200,
        description="A part of the deal's id, upper and lower case alike",
    )
    limit: int = Field(default=50, ge=1, le=LONGEST_PAGE, description="Deals on a page")
    offset: int = Field(default=0, ge=0, le=_FURTHEST, description="How many of the ranking come before the page")


class RankedDeal(BaseModel):
    """An open deal, as its newest prediction says."""

    rank: int = Field(ge=1, description="1 for the likeliest to close")
    deal_id: str
    group: str | None
    probability: float
    change: Change
    predictions: int = Field(ge=1, description="How many are stored")
    prediction_id: str
    predicted_at: datetime
    conversation_id: str | None
    model: str
    model_version: str


class DealPage(BaseModel):
    """The answer to GET /deals, the likeliest first."""

    deals: list[RankedDeal]
    total: int = Field(ge=0, description="Open deals that the filters leave")


class DealPrediction(BaseModel):
    """One stored prediction of a deal."""

    prediction_id: str
    predicted_at: datetime
    conversation_id: str | None = Field(description="The newest conversation at that time, where it had an id")
    probability: float
    change: Change
    outcome: Outcome = Field(description="As predicted")
    actual_outcome: Outcome | None = Field(description="From feedback")
    model: str
    model_version: str


class DealHistory(BaseModel):
    """The answer to GET /deals/{deal_id}."""

    deal_id: str
    group: str | None = Field(description="As the newest prediction was given it")
    is_open: bool = Field(description="No feedback came for any of its predictions that are shown")
    predictions: list[DealPrediction] = Field(description="In order of time; of more than 1,000 the newest")


def deal_page(store: PredictionStore, wanted: DealFilter) -> DealPage:
    """A page of the open deals, likeliest first and of equals by id. Raises StoreAwayError."""
    found = _open_deals(wanted)
    page = found.limit(wanted.limit).offset(wanted.offset).subquery()
    older = predictions.alias()
    before = (
        select(older.c.probability)
        .where(older.c.deal_id == page.c.deal_id, older.c.prediction_id < page.c.prediction_id)
        .order_by(older.c.prediction_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = store.rows(select(page, before.label("before")).order_by(page.c.probability.desc(), page.c.deal_id))
    deals = [_ranked(row, rank) for rank, row in enumerate(rows, start=wanted.offset + 1)]
    if rows or not wanted.offset:
        return DealPage(deals=deals, total=rows[0].total if rows else 0)
    return DealPage(deals=[], total=int(store.rows(select(func.count()).select_from(found.subquery()))[0][0]))


def deal_history(store: PredictionStore, deal_id: str) -> DealHistory | None:
    """A deal's predictions, None where there are none. Raises StoreAwayError."""
    stored_id = stored_conversation_id(deal_id)
    if stored_id is None:
        return None
    statement = (
        select(predictions, feedback.c.actual_outcome)
        .outerjoin(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .where(predictions.c.deal_id == stored_id)
        .order_by(predictions.c.prediction_id.desc())
        .limit(MOST_PREDICTIONS + 1)  # the one before the first that is shown tells how that one changed
    )
    rows = store.rows(statement)[::-1]
    if not rows:
        return None
    changes = [None, *(later.probability - row.probability for row, later in pairwise(rows))]
    shown = [_of_history(row, change) for row, change in zip(rows, changes, strict=True)][-MOST_PREDICTIONS:]
    is_open = all(one.actual_outcome is None for one in shown)
    return DealHistory(deal_id=deal_id, group=rows[-1].deal_group, is_open=is_open, predictions=shown)


def _open_deals(wanted: DealFilter) -> Any:
    """The newest prediction of each open deal, with the number of them all, ranked."""
    columns, others = predictions.c, predictions.alias()
    conditions: list[ColumnElement[bool]] = [others.c.deal_id.is_not(None)]
    if wanted.id_contains is not None:
        conditions.append(others.c.deal_id.icontains(wanted.id_contains, autoescape=True))
    newest = (
        select(func.max(others.c.prediction_id).label("prediction_id"), func.count().label("predictions"))
        .where(*conditions)
        .group_by(others.c.deal_id)
        .subquery()
    )
    of_closed = predictions.alias()
    closed = (
        select(of_closed.c.deal_id)
        .join(feedback, feedback.c.prediction_id == of_closed.c.prediction_id)
        .where(of_closed.c.deal_id.is_not(None))
    )
    shown = (
        columns.deal_id,
        columns.deal_group,
        columns.prediction_id,
        columns.created_at,
        columns.conversation_id,
        columns.model,
        columns.model_version,
        columns.probability,
    )
    statement = (
        select(*shown, newest.c.predictions, func.count().over().label("total"))
        .join(newest, newest.c.prediction_id == columns.prediction_id)
        .where(columns.deal_id.not_in(closed))
        .order_by(columns.probability.desc(), columns.deal_id)
    )
    if wanted.group is not None:
        statement = statement.where(columns.deal_group == stored_conversation_id(wanted.group))
    return statement


def _ranked(row: Any, rank: int) -> RankedDeal:
    return RankedDeal(
        rank=rank,
        deal_id=row.deal_id,
        group=row.deal_group,
        probability=row.probability,
        change=None if row.before is None else row.probability - row.before,
        predictions=row.predictions,
        prediction_id=row.prediction_id,
        predicted_at=row.created_at,
        conversation_id=row.conversation_id,
        model=row.model,
        model_version=row.model_version,
    )


def _of_history(row: Any, change: float | None) -> DealPrediction:
    return DealPrediction(
        prediction_id=row.prediction_id,
        predicted_at=row.created_at,
        conversation_id=row.conversation_id,
        probability=row.probability,
        change=change,
        outcome=row.outcome,
        actual_outcome=row.actual_outcome,
        model=row.model,
        model_version=row.model_version,
    )
