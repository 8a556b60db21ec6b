"""What was decided about each retrained model, and why: one row for each try, written in one transaction with the audit log.

A version that is about to be served is noted as `promoting` before and as `promoted` after: who finds `promoting` later knows
that the retraining was killed in between, and asks what is served.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import select, update

from prediction_log.actors import OPERATOR, audit_row
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import retrainings
from prediction_log.tables.requests import audit

Decision = Literal["refused", "promoting", "promoted", "interrupted"]
LONGEST_PAGE = 200


class Retraining(BaseModel):
    """A try to retrain a model."""

    retraining_id: str
    decided_at: datetime
    model: str
    decision: Decision = Field(
        description="promoting: it is on its way to be served; interrupted: killed before it was, the champion stayed"
    )
    reason: str = Field(description="Why, a sentence")
    started_by: str = Field(description="What the try was made for: the trigger that was met")
    champion_version: str = Field(description="Served before")
    promoted_version: str | None = Field(description="Learned from everything; null where it was refused")
    learned: int = Field(ge=0, description="Conversations or deals that the challenger learned from")
    new_outcomes: int = Field(ge=0, description="Of conversations or deals that the champion has not learned from")
    held_out: int = Field(ge=0, description="Of them the most recent, which neither had learned from")
    held_out_successful: int = Field(ge=0)
    champion_loss: float | None = Field(description="Mean log loss in nats on those; null where they were too few")
    challenger_loss: float | None
    difference: float | None = Field(description="Challenger minus champion; below 0 the challenger is better")
    interval_low: float | None = Field(description="95 %, paired bootstrap by group")
    interval_high: float | None
    threshold: float = Field(description="What interval_high has to stay below")
    outcomes_until: datetime | None = Field(description="When the newest outcome came that was looked at")


class RetrainingFilter(BaseModel):
    """Which retrainings; what is left out asks for all."""

    decision: Decision | None = None
    limit: int = Field(default=20, ge=1, le=LONGEST_PAGE, description="How many")


class RetrainingList(BaseModel):
    """The answer to GET /retrainings, the newest first."""

    retrainings: list[Retraining]


def retraining_list(store: PredictionStore, wanted: RetrainingFilter) -> RetrainingList:
    """The newest ones. Raises StoreAwayError."""
    statement = select(retrainings).order_by(retrainings.c.retraining_id.desc()).limit(wanted.limit)
    if wanted.decision is not None:
        statement = statement.where(retrainings.c.decision == wanted.decision)
    return RetrainingList(retrainings=[_retraining(row) for row in store.rows(statement)])


def last_retraining(store: PredictionStore, model: str) -> Retraining | None:
    """The newest of a model. Raises StoreAwayError."""
    wanted = (
        select(retrainings).where(retrainings.c.model == model).order_by(retrainings.c.retraining_id.desc()).limit(1)
    )
    return next(map(_retraining, store.rows(wanted)), None)


def promotions_under_way(store: PredictionStore) -> list[Retraining]:
    """Those noted as promoting, the oldest first. Raises StoreAwayError."""
    wanted = select(retrainings).where(retrainings.c.decision == "promoting").order_by(retrainings.c.retraining_id)
    return [_retraining(row) for row in store.rows(wanted)]


def note_retraining(store: PredictionStore, retraining: Retraining) -> None:
    """Stores a decision. Raises StoreAwayError."""
    with store.connection(writing=True) as connection:
        connection.execute(store.insert(retrainings).values(retraining.model_dump()))


def settle(store: PredictionStore, retraining: Retraining, is_served: bool) -> None:
    """Says of a promotion under way whether its version is served now, in the audit log too. Raises StoreAwayError."""
    decision: Decision = "promoted" if is_served else "interrupted"
    with store.connection(writing=True) as connection:
        row = retrainings.c.retraining_id == retraining.retraining_id
        connection.execute(update(retrainings).where(row).values(decision=decision))
        if is_served:
            versions = {"before": retraining.champion_version, "after": retraining.promoted_version}
            said = audit_row(OPERATOR, "version loaded", retraining.model, **versions, by="retraining")
            connection.execute(store.insert(audit).values(said))


def _retraining(row: object) -> Retraining:
    return Retraining.model_validate(row, from_attributes=True)
