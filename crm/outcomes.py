"""How closed deals ended, as feedback on what was predicted of them while they were open."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from conversations.conversation import Outcome
from prediction_log.actors import Actor
from prediction_log.outcomes.recording import GivenOutcome, record_outcomes
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback, predictions
from prediction_log.tables.rows import stored_conversation_id


def give_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome], actor: Actor) -> int:
    """Stores feedback for all predictions of these deals that have another or none; for how many predictions.

    outcomes: by the deal's id. Deals that nothing was predicted of are left out. Raises StoreAwayError.
    """
    lacking = _lacking(store, outcomes)
    ended = {
        deal_id: outcome for deal_id, outcome in outcomes.items() if stored_conversation_id(deal_id) in lacking.values()
    }
    given = [GivenOutcome("deal", deal_id, outcome) for deal_id, outcome in ended.items()]
    record_outcomes(store, given, actor, leave_out_unknown=True)
    return len(lacking)


def count_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome]) -> int:
    """For how many predictions `give_outcomes` would store feedback."""
    return len(_lacking(store, outcomes))


def _lacking(store: PredictionStore, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """The predictions whose deal's outcome is not stored yet, and their deals, as they are stored."""
    stored = {stored_conversation_id(deal_id): outcome for deal_id, outcome in outcomes.items()}
    statement = (
        select(predictions.c.prediction_id, predictions.c.deal_id, feedback.c.actual_outcome)
        .outerjoin(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .where(predictions.c.deal_id.in_(list(stored)))
    )
    rows = store.rows(statement) if stored else []
    return {row.prediction_id: row.deal_id for row in rows if row.actual_outcome != stored[row.deal_id]}
