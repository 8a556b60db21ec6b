"""Conversations whose words tell how they end, a champion trained on some, and a log of others with their outcomes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from conversations.conversation import Conversation, Outcome
from conversations.reading.files import write_splits
from conversations.reading.record import conversation_from_record
from conversations.split import split_conversations
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from model_registry import artifact_path, model_class
from prediction_log.actors import OPERATOR
from prediction_log.outcomes.recording import GivenOutcome, record_outcomes
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import Record, new_prediction_id

MODEL = "classification_head"
_SIGNS: dict[Outcome, str] = {
    "successful": "contract signature budget approved board kickoff signed purchase order legal agreed start date",
    "failed": "competitor cheaper postponed nobody answered cancelled frozen refused unhappy silence next year maybe",
}
_OTHERS = "they spoke of the product price support demo and integration with the team in the meeting today".split()
OTHER: dict[Outcome, Outcome] = {"successful": "failed", "failed": "successful"}


def conversations(count: int, seed: int, name: str, noise: float = 0.0) -> list[Conversation]:
    """Half of them successful; of `noise` the words say the contrary."""
    chosen = random.Random(seed)
    found = []
    for number in range(count):
        outcome: Outcome = "successful" if number % 2 else "failed"
        told = OTHER[outcome] if chosen.random() < noise else outcome
        words = chosen.sample(_SIGNS[told].split(), 5) + chosen.sample(_OTHERS, 8)
        chosen.shuffle(words)
        record = {"conversation_id": f"{name}-{number}", "transcript": f"{' '.join(words)}.", "outcome": outcome}
        found.append(conversation_from_record(record, name))
    return found


def train_champion(folder: ArtifactFolder, encoder: SalesEncoder, count: int = 60) -> None:
    """The splits and the model, as `--mode train` leaves them: of data so noisy that there is something left to learn."""
    splits = split_conversations(conversations(count, 1, "old", noise=0.2), seed=7)
    write_splits(splits, folder.data)
    model = model_class(MODEL)(encoder, seed=7)
    model.fit(splits.train, splits.validation)
    model.save(artifact_path(folder, MODEL))


def row(conversation: Conversation, created_at: datetime, **changed: Any) -> Record:
    """What the log has of a prediction."""
    values: Record = {
        "prediction_id": new_prediction_id(),
        "request_id": "r",
        "created_at": created_at,
        "caller": "127.0.0.1",
        "model": MODEL,
        "model_version": "abc",
        "outcome": "successful",
        "probability": 0.75,
        "latency_ms": 10.0,
        "batch_size": 1,
        "context": {},
        "transcript": conversation.transcript,
        "conversation_id": conversation.conversation_id,
        "deal_id": None,
        "deal_group": None,
        "conversation_day": None,
    }
    return values | changed


def log_outcomes(store: PredictionStore, ended: Sequence[Conversation], turned: Iterable[int] = ()) -> None:
    """Stores a prediction of each and then its outcome, in order; of the numbers `turned` the contrary of it."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    store.write([row(one, moment + timedelta(seconds=number)) for number, one in enumerate(ended)])
    wrong = set(turned)
    for number, one in enumerate(ended):
        assert one.outcome is not None
        said = OTHER[one.outcome] if number in wrong else one.outcome
        record_outcomes(store, [GivenOutcome("conversation", one.conversation_id, said)], OPERATOR)
