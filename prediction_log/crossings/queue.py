"""The queue of crossings in the database: each is handed to one worker at a time, and to another where that one dies.

Who claims a crossing has it for a while; after that it is due again. So each is told at least once, and who receives it
knows a second one by the prediction's id. Safe to use from many workers, on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update

from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import crossings, predictions

Ended = Literal["sent", "given up"]


@dataclass(frozen=True)
class Crossing:
    """A claimed crossing, with what is stored of its prediction."""

    prediction_id: str
    before: float  # probability of the prediction before
    lines: Sequence[float]
    queued_at: datetime
    tries: int  # this one counted
    probability: float
    predicted_at: datetime
    model: str
    model_version: str
    deal_id: str | None
    conversation_id: str | None


class CrossingQueue:
    """The queue of one database. Everything here raises StoreAwayError where that can't be reached."""

    def __init__(self, store: PredictionStore) -> None:
        self._store = store

    def claim(self, now: datetime, until: datetime) -> Crossing | None:
        """The crossing that is due for longest, and nobody else's before `until`; None where none is due."""
        due = select(crossings.c.prediction_id).where(crossings.c.due_at <= now).order_by(crossings.c.due_at).limit(1)
        if not self._store.rows(due):  # who only looks is in no writer's way
            return None
        with self._store.connection(writing=True) as connection:
            found = connection.execute(due.with_for_update(skip_locked=True)).scalar()
            if found is None:
                return None
            claimed = update(crossings).where(crossings.c.prediction_id == found)
            connection.execute(claimed.values(due_at=until, tries=crossings.c.tries + 1))
            return Crossing(**connection.execute(_crossing(found)).one()._mapping)

    def end(self, crossing: Crossing, ended: Ended) -> None:
        """It is not due again, unless somebody else has it by now."""
        self._change(crossing, due_at=None, ended=ended)

    def put_off(self, crossing: Crossing, due_at: datetime) -> None:
        """It is due again then, unless somebody else has it by now."""
        self._change(crossing, due_at=due_at)

    def waiting(self) -> int:
        """How many are not told yet."""
        return int(self._store.rows(select(func.count()).where(crossings.c.due_at.is_not(None)))[0][0])

    def _change(self, crossing: Crossing, **values: Any) -> None:
        own = (crossings.c.prediction_id == crossing.prediction_id, crossings.c.tries == crossing.tries)
        with self._store.connection(writing=True) as connection:
            connection.execute(update(crossings).where(*own).values(values))


def _crossing(prediction_id: str) -> Any:
    said, row = predictions.c, crossings.c
    of_the_crossing = (row.prediction_id, row.before, row.lines, row.queued_at, row.tries)
    of_the_prediction = (said.probability, said.created_at.label("predicted_at"), said.model, said.model_version)
    return (
        select(*of_the_crossing, *of_the_prediction, said.deal_id, said.conversation_id)
        .join_from(crossings, predictions)
        .where(row.prediction_id == prediction_id)
    )
