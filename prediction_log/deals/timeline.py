"""One deal as GET /deals/{deal_id} shows it: its predictions, its curve, and what was found in its words, as of today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import select

from answers.deals.requests import DatedSignal, MovedMost
from answers.recommendations import Recommendation
from conversations.conversation import Outcome
from deals.clear_words import Element
from deals.qualification import QualificationCard
from deals.warnings import DealWarning, warnings_on
from prediction_log.deals.curves import Change, CurvePoint, curve, newest_date, not_in_newest
from prediction_log.deals.found import Found, found_in, together
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import deal_parts, deal_readings, feedback, predictions
from prediction_log.tables.rows import stored_conversation_id

MOST_PREDICTIONS = 1000  # of one deal that are shown
NO_WORDS = "What was said is not stored (SALES_STORE_TRANSCRIPTS=none), so nothing is quoted here."
NOTHING_READ = (
    "Nothing was read in this deal's words: it was predicted in a batch or before this was stored, or a conversation of it "
    "was deleted; its next prediction by POST /predict/deal has it all."
)


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


class DealTimeline(BaseModel):
    """The answer to GET /deals/{deal_id}."""

    deal_id: str
    group: str | None = Field(description="As the newest prediction was given it")
    is_open: bool = Field(description="No feedback came for any of its predictions that are shown")
    probability: float = Field(description="Of the newest prediction")
    change: Change
    band: str | None = Field(description="A to D; null where nothing was read")
    curve: list[CurvePoint] = Field(description="The probability after each of its conversations, the oldest first")
    moved_most: MovedMost | None = Field(description="The conversation that changed it most, with its sentences")
    signals: list[DatedSignal] = Field(description="Of each signal the newest word")
    qualification: QualificationCard | None
    gaps: list[Element] = Field(description="Of budget, authority, need and timing those nobody said a word on")
    warnings: list[DealWarning] = Field(description="Those of today; none of a deal that has ended")
    recommended_actions: list[Recommendation]
    predictions: list[DealPrediction] = Field(description="In order of time; of more than 1,000 the newest")
    notices: list[str] = Field(description="What is not known or not stored, a sentence each")


def deal_timeline(store: PredictionStore, deal_id: str, today: date | None = None) -> DealTimeline | None:
    """A deal, None where nothing of it is stored. today: for warnings, that of UTC where None is given.

    Raises StoreAwayError.
    """
    stored_id = stored_conversation_id(deal_id)
    rows = _rows(store, stored_id) if stored_id is not None else []
    if not rows:
        return None
    changes = [None, *(later.probability - row.probability for row, later in pairwise(rows))]
    shown = [_prediction(row, change) for row, change in zip(rows, changes, strict=True)][-MOST_PREDICTIONS:]
    is_open = all(one.actual_outcome is None for one in shown)
    newest, parts = rows[-1], _parts(store, rows[-1].prediction_id)
    read = _read(rows, parts)
    return DealTimeline(
        deal_id=deal_id,
        group=newest.deal_group,
        is_open=is_open,
        probability=newest.probability,
        change=changes[-1],
        band=newest.band,
        curve=curve(rows[-MOST_PREDICTIONS:], parts),
        predictions=shown,
        **_found(read, newest, len(parts) or 1, (today or datetime.now(UTC).date()) if is_open else None),
    )


def _rows(store: PredictionStore, stored_id: str) -> list[Any]:
    """The predictions, the oldest first; one more than is shown tells how the first of these changed."""
    statement = (
        select(
            predictions,
            feedback.c.actual_outcome,
            deal_readings.c.found,
            deal_readings.c.band,
            newest_date().label("date"),
        )
        .outerjoin(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .outerjoin(deal_readings, deal_readings.c.prediction_id == predictions.c.prediction_id)
        .where(predictions.c.deal_id == stored_id)
        .order_by(predictions.c.prediction_id.desc())
        .limit(MOST_PREDICTIONS + 1)
    )
    return store.rows(statement)[::-1]


def _parts(store: PredictionStore, prediction_id: str) -> list[Any]:
    parts = deal_parts.c
    shown = select(parts.conversation_id, parts.date, parts.probability)
    return store.rows(shown.where(parts.prediction_id == prediction_id).order_by(parts.place))


def _read(rows: Sequence[Any], parts: Sequence[Any]) -> list[Found]:
    """What was found in each conversation that the newest prediction does not rest on, and in those of the newest."""
    return [found_in(row.found) for row in (*not_in_newest(rows, parts), rows[-1]) if row.found is not None]


def _found(read: Sequence[Found], newest: Any, conversations: int, today: date | None) -> dict[str, Any]:
    """today: None for a deal that has ended, of which nothing is warned."""
    if not read:
        nothing: dict[str, Any] = {name: [] for name in ("signals", "gaps", "warnings", "recommended_actions")}
        return nothing | {"moved_most": None, "qualification": None, "notices": [NOTHING_READ]}
    signals, card = together(read)
    last = read[-1] if newest.found is not None else None
    return {
        "moved_most": last.moved_most if last else None,
        "signals": signals,
        "qualification": card,
        "gaps": card.gaps,
        "warnings": warnings_on(last.warnings, last.silence, conversations, today) if last and today else [],
        "recommended_actions": last.recommended_actions if last else [],
        "notices": [*([] if last else [NOTHING_READ]), *([] if all(one.words for one in read) else [NO_WORDS])],
    }


def _prediction(row: Any, change: float | None) -> DealPrediction:
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
