"""How closed deals ended, as feedback on what was predicted of them while they were open."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from conversations.conversation import Outcome
from prediction_log.actors import Actor
from prediction_log.store import PredictionStore
from prediction_log.tables import feedback, predictions, stored_conversation_id


def give_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome], actor: Actor) -> int:
    """Stores feedback for all predictions of these deals that have another or none; for how many predictions.

    outcomes: by the deal's id. Deals that nothing was predicted of are left out. Raises StoreAwayError.
    """
    lacking = _lacking(store, outcomes)
    return sum(store.give_feedback(one, outcome, actor) is not None for one, outcome in lacking.items())


def count_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome]) -> int:
    """For how many predictions `give_outcomes` would store feedback."""
    return len(_lacking(store, outcomes))


def _lacking(store: PredictionStore, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """By prediction, in order of time, how its deal ended, where that is not stored yet."""
    stored = {stored_conversation_id(deal_id): outcome for deal_id, outcome in outcomes.items()}
    statement = (
        select(predictions.c.prediction_id, predictions.c.deal_id, feedback.c.actual_outcome)
        .outerjoin(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .where(predictions.c.deal_id.in_(list(stored)))
        .order_by(predictions.c.prediction_id)
    )
    rows = store.rows(statement) if stored else []
    return {row.prediction_id: stored[row.deal_id] for row in rows if row.actual_outcome != stored[row.deal_id]}
