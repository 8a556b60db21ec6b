"""Closed deals whose recorded outcome contradicts what a model said before it knew: maybe somebody clicked the wrong one.

Two sources: what training said of each conversation while it was held out, and stored predictions made before the outcome
came. Ranked by how strongly they contradict, the log-odds against the recorded outcome. How often such a record is truly
wrong measures `python -m benchmarks.accuracy.turned_outcomes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, Field

from conversations.conversation import Conversation, Outcome
from conversations.model_text import conversations_sha256
from foundations.errors import InputError
from learning.review.outcomes_in_log import LoggedDeal
from modelling.conversion_model import ConversionModel

SHARE = 0.05  # of closed deals, the most contradicted, that trials looked at
MEANING = (
    "Look these up again, the first ones first. In trials with 5 % of the outcomes turned round, 25 to 30 % of the 5 % most "
    "contradicted were truly wrong; by chance it would be 5 %. The others are deals that ended against all signs."
)


class Contradiction(BaseModel):
    """A closed deal that a model would have called the other way. Probabilities are of success."""

    conversation_id: str | None
    deal_id: str | None
    prediction_id: str | None = Field(description="Null for one of the training data that is not in the log")
    recorded_outcome: Outcome
    held_out_probability: float | None = Field(
        description="By a model that had learned from the other training conversations; null outside of the command line"
    )
    predicted_probability: float | None = Field(description="As stored before the outcome came")
    log_odds_against: float = Field(
        gt=0, description="Of the recorded outcome, natural logarithm, by the first of both that there is"
    )
    sentence: str | None = Field(
        default=None, description="What speaks most against the recorded outcome; null outside of the command line"
    )


def logged_contradictions(logged: Sequence[LoggedDeal]) -> list[Contradiction]:
    """Of the log, the most contradicted first."""
    return ranked([_of_log(deal) for deal in logged])


def held_out_contradictions(
    model: ConversionModel, learned_from: Sequence[Conversation], logged: Sequence[LoggedDeal] = ()
) -> list[Contradiction]:
    """Of the conversations that a model learned from and of the log, each deal once, the most contradicted first.

    learned_from: training, then validation, as the model had them. Raises InputError where these are others, or the model
    is from before this was kept.
    """
    if model.held_out_log_odds is None:
        raise InputError(
            f"The model {model.name!r} was trained by an older version, which kept no held-out predictions; train it again."
        )
    if conversations_sha256(learned_from) != model.record.training_data_sha256:
        raise InputError(
            f"The model {model.name!r} learned from other conversations than the splits hold now; train it again."
        )
    probabilities = model.calibration.probabilities(model.held_out_log_odds).tolist()
    in_log = {identifier: deal for deal in logged for identifier in (deal.deal_id, deal.conversation_id) if identifier}
    also_logged = [_logged_as(conversation, in_log) for conversation in learned_from]
    found = map(_of_training, learned_from, probabilities, also_logged)
    seen = {deal.prediction_id for deal in also_logged if deal is not None}
    return ranked([*found, *(_of_log(deal) for deal in logged if deal.prediction_id not in seen)])


def ranked(found: Sequence[Contradiction | None]) -> list[Contradiction]:
    """Without those that contradict nothing, the strongest first."""
    return sorted((one for one in found if one is not None), key=lambda one: -one.log_odds_against)


def _logged_as(conversation: Conversation, in_log: dict[str, LoggedDeal]) -> LoggedDeal | None:
    """Its prediction in the log, where that says the same of how it ended."""
    logged = in_log.get(conversation.deal_id or conversation.conversation_id)
    return logged if logged and logged.outcome == conversation.outcome else None


def _of_training(conversation: Conversation, probability: float, logged: LoggedDeal | None) -> Contradiction | None:
    ids = (conversation.conversation_id, conversation.deal_id, logged and logged.prediction_id)
    return _contradiction(ids, conversation.outcome, probability, logged and logged.probability)


def _of_log(deal: LoggedDeal) -> Contradiction | None:
    ids = (deal.conversation_id, deal.deal_id, deal.prediction_id)
    return _contradiction(ids, deal.outcome, None, deal.probability)


def _contradiction(
    ids: tuple[str | None, str | None, str | None],
    outcome: Outcome | None,
    held_out: float | None,
    predicted: float | None,
) -> Contradiction | None:
    """ids: of conversation, deal and prediction. None where the outcome is what was expected."""
    probability = held_out if held_out is not None else predicted
    if outcome is None or probability is None:
        return None
    against = (-1 if outcome == "successful" else 1) * math.log(probability / (1 - probability))
    if against <= 0:
        return None
    return Contradiction(
        conversation_id=ids[0],
        deal_id=ids[1],
        prediction_id=ids[2],
        recorded_outcome=outcome,
        held_out_probability=held_out,
        predicted_probability=predicted,
        log_odds_against=against,
    )
