"""Stored predictions as tests of the room make them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from conversations.conversation import Outcome
from prediction_log.actors import Actor
from prediction_log.outcomes.recording import GivenOutcome, record_outcomes
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import Record, milliseconds_now

_counted = itertools.count()
NOBODY = Actor("nobody", "127.0.0.1", "r")


def prediction(probability: float, days_ago: float = 2.0, **changed: Any) -> Record:
    """A row of `predictions`, made some days ago."""
    values: Record = {
        "prediction_id": f"{milliseconds_now():012x}{next(_counted):020x}",  # in order within a millisecond as well
        "request_id": "r",
        "created_at": datetime.now(UTC) - timedelta(days=days_ago),
        "caller": "127.0.0.1",
        "model": "few_shot",
        "model_version": "abc",
        "outcome": "successful" if probability >= 0.5 else "failed",
        "probability": probability,
        "latency_ms": 10.0,
        "batch_size": 1,
        "context": {},
        "transcript": "They asked for the price of the licences.",
        "conversation_id": None,
        "deal_id": None,
        "deal_group": None,
        "conversation_day": None,
    }
    return values | changed


def ended(store: PredictionStore, row: Record, outcome: Outcome) -> None:
    """Feedback of now on a stored prediction."""
    record_outcomes(store, [GivenOutcome("prediction", row["prediction_id"], outcome)], NOBODY)
