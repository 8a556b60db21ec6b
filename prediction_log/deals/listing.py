"""Deals as GET /deals shows them: the open ones, ranked, each with its curve, next step and warnings of today.

A deal is open until feedback came for one of its predictions. Which deals stand on a page is asked of the database in SQL;
what was found in their words is read for these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, func, or_, select

from deals.warnings import fewest_days
from prediction_log.deals.curves import Change, CurvePoint, DealCurve, curves
from prediction_log.deals.found import WarningInShort, warnings_in_short
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_readings, feedback, predictions
from prediction_log.tables.rows import stored_conversation_id

LONGEST_PAGE = 500
_FURTHEST = 1_000_000
Sort = Literal["probability", "rising", "falling", "newest", "quietest"]


class DealFilter(BaseModel):
    """Which open deals; what is left out asks for all."""

    group: str | None = Field(default=None, pattern=r"^[^\x00]+$", description="As the newest prediction was given it")
    id_contains: str | None = Field(
        default=None,
        pattern=r"^[^\x00]+$",
        max_length=200,
        description="A part of the deal's id, upper and lower case alike",
    )
    text: str | None = Field(
        default=None, pattern=r"^[^\x00]+$", max_length=200, description="A part of the deal's id or of its group"
    )
    warned: bool = Field(default=False, description="Only deals with a warning today")
    sort: Sort = Field(
        default="probability",
        description="probability: the likeliest first. rising, falling: by the change. newest: predicted last. quietest: "
        "whose last conversation is longest ago",
    )
    limit: int = Field(default=50, ge=1, le=LONGEST_PAGE, description="Deals on a page")
    offset: int = Field(default=0, ge=0, le=_FURTHEST, description="How many of the ranking come before the page")


class RankedDeal(BaseModel):
    """An open deal, as its newest prediction says."""

    rank: int = Field(ge=1, description="Its place in the order that was asked for; 1 for the first")
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
    band: str | None = Field(description="A to D; null where nothing was read in its words")
    last_day: date | None = Field(description="Of its last conversation")
    next_step: str | None = Field(description="The most urgent of the recommended actions")
    warnings: list[WarningInShort] = Field(description="Those of today, in the order of their rules")
    curve: list[CurvePoint] = Field(description="Its probability over time, the oldest first, at most 30 of the newest")


class DealPage(BaseModel):
    """The answer to GET /deals."""

    deals: list[RankedDeal]
    total: int = Field(ge=0, description="Open deals that the filters leave")


def deal_page(store: PredictionStore, wanted: DealFilter, today: date | None = None) -> DealPage:
    """A page of the open deals, of equals by id. today: for warnings, that of UTC where None is given.

    Raises StoreAwayError.
    """
    today = today or datetime.now(UTC).date()
    found = _open_deals(wanted, today)
    rows = store.rows(_shown(found.limit(wanted.limit).offset(wanted.offset).subquery(), wanted))
    deal_curves = curves(store, {row.deal_id: row.prediction_id for row in rows})
    warnings = warnings_in_short(
        store, {row.prediction_id: len(deal_curves[row.deal_id].points) for row in rows}, today
    )
    deals = [
        _ranked(row, rank, deal_curves[row.deal_id], warnings.get(row.prediction_id, []))
        for rank, row in enumerate(rows, start=wanted.offset + 1)
    ]
    return DealPage(deals=deals, total=_total(store, wanted, found, rows))


def _total(store: PredictionStore, wanted: DealFilter, found: Any, rows: Sequence[Any]) -> int:
    """How many there are; a page beyond the last deal doesn't say it."""
    if rows or not wanted.offset:
        return rows[0].total if rows else 0
    return int(store.rows(select(func.count()).select_from(found.order_by(None).subquery()))[0][0])


def _open_deals(wanted: DealFilter, today: date) -> Any:
    """The newest prediction of each open deal, in the order that is wanted: no more than the order and the filters need."""
    columns, read, newest = predictions.c, deal_readings.c, _newest(wanted)
    key = _key(wanted)
    statement = select(
        columns.prediction_id, newest.c.predictions, key.label("key"), func.count().over().label("total")
    ).join(newest, and_(newest.c.deal_id == columns.deal_id, newest.c.prediction_id == columns.prediction_id))
    if wanted.warned or wanted.sort == "quietest":
        statement = statement.outerjoin(deal_readings, read.prediction_id == columns.prediction_id)
    return statement.where(*_conditions(wanted, today)).order_by(_ordered(key, wanted), columns.deal_id)


def _shown(page: Any, wanted: DealFilter) -> Any:
    """What is shown of the deals of one page, in their order."""
    columns, read = predictions.c, deal_readings.c
    shown = (
        *(columns.deal_id, columns.deal_group, columns.prediction_id, columns.created_at, columns.conversation_id),
        *(columns.model, columns.model_version, columns.probability),
        *(read.band, read.next_step, read.last_day),
    )
    return (
        select(*shown, page.c.predictions, page.c.total)
        .join(page, page.c.prediction_id == columns.prediction_id)
        .outerjoin(deal_readings, read.prediction_id == columns.prediction_id)
        .order_by(_ordered(page.c.key, wanted), columns.deal_id)
    )


def _key(wanted: DealFilter) -> ColumnElement[Any]:
    """What the deals are ordered by."""
    columns, older = predictions.c, predictions.alias()
    if wanted.sort == "newest":
        return columns.prediction_id
    if wanted.sort == "quietest":
        return deal_readings.c.last_day
    if wanted.sort == "probability":
        return columns.probability
    before = (
        select(older.c.probability)
        .where(older.c.deal_id == columns.deal_id, older.c.prediction_id < columns.prediction_id)
        .order_by(older.c.prediction_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return columns.probability - before


def _ordered(key: ColumnElement[Any], wanted: DealFilter) -> ColumnElement[Any]:
    return (key.asc() if wanted.sort in ("falling", "quietest") else key.desc()).nulls_last()


def _newest(wanted: DealFilter) -> Any:
    """The newest prediction of each deal that no feedback came for; of an index alone."""
    others = predictions.alias()
    conditions: list[ColumnElement[bool]] = [others.c.deal_id.is_not(None)]
    if wanted.id_contains is not None:
        conditions.append(others.c.deal_id.icontains(wanted.id_contains, autoescape=True))
    return (
        select(
            others.c.deal_id,
            func.max(others.c.prediction_id).label("prediction_id"),
            func.count().label("predictions"),
        )
        .outerjoin(feedback, feedback.c.prediction_id == others.c.prediction_id)
        .where(*conditions)
        .group_by(others.c.deal_id)
        .having(func.count(feedback.c.prediction_id) == 0)
        .subquery()
    )


def _conditions(wanted: DealFilter, today: date) -> list[ColumnElement[bool]]:
    columns, read = predictions.c, deal_readings.c
    found: list[ColumnElement[bool]] = []
    if wanted.group is not None:
        found.append(columns.deal_group == stored_conversation_id(wanted.group))
    if wanted.text is not None:
        texts = (columns.deal_id, columns.deal_group)
        found.append(or_(*(text.icontains(wanted.text, autoescape=True) for text in texts)))
    if wanted.warned:
        silent = {read.last_day: fewest_days("no_activity"), read.silent_since: fewest_days("customer_silent")}
        found.append(
            or_(
                read.lasting_warnings > 0,
                *(day <= (today - timedelta(days=days)).isoformat() for day, days in silent.items() if days),
            )
        )
    return found


def _ranked(row: Any, rank: int, curve: DealCurve, warnings: list[WarningInShort]) -> RankedDeal:
    return RankedDeal(
        rank=rank,
        deal_id=row.deal_id,
        group=row.deal_group,
        probability=row.probability,
        change=None if curve.before is None else row.probability - curve.before,
        predictions=row.predictions,
        prediction_id=row.prediction_id,
        predicted_at=row.created_at,
        conversation_id=row.conversation_id,
        model=row.model,
        model_version=row.model_version,
        band=row.band,
        last_day=row.last_day,
        next_step=row.next_step,
        warnings=warnings,
        curve=curve.points,
    )
