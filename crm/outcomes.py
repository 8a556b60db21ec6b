"""How closed deals ended, as feedback on what was predicted of them while they were open."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import or_, select

from conversations.conversation import Outcome
from prediction_log.actors import Actor
from prediction_log.store import PredictionStore
from prediction_log.tables import feedback, predictions, stored_conversation_id


def give_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome], actor: Actor) -> int:
    """Stores feedback for all predictions of these deals that have another or none; for how many predictions.

    outcomes: by the deal's id. Deals that nothing was predicted of are left out. Raises StoreAwayError.
    """
    told = 0
    for deal_id, outcome in outcomes.items():
        for prediction_id in _lacking(store, deal_id, outcome):
            told += store.give_feedback(prediction_id, outcome, actor) is not None
    return told


def count_outcomes(store: PredictionStore, outcomes: Mapping[str, Outcome]) -> int:
    """For how many predictions `give_outcomes` would store feedback."""
    return sum(len(_lacking(store, deal_id, outcome)) for deal_id, outcome in outcomes.items())


def _lacking(store: PredictionStore, deal_id: str, outcome: Outcome) -> list[str]:
    given = feedback.c.actual_outcome
    statement = (
        select(predictions.c.prediction_id)
        .outerjoin(feedback, feedback.c.prediction_id == predictions.c.prediction_id)
        .where(predictions.c.deal_id == stored_conversation_id(deal_id), or_(given.is_(None), given != outcome))
        .order_by(predictions.c.prediction_id)
    )
    return [row.prediction_id for row in store.rows(statement)]
