"""What is stored of an answered prediction: its figures, the known context fields, and the transcript as configured.

Masked transcripts are masked in the writer's thread, so that no request waits for it. Context values are masked with
them; context fields that the project does not know are not stored at all. A conversation's id is stored as its sender
gave it, so that all records of the conversation can be found and deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol

from conversations.conversation import Conversation
from conversations.dates import moment_in
from conversations.model_text import transcript_of
from foundations.tracing import span
from prediction_log.masking.text import mask
from prediction_log.tables.rows import DEAL, Record, stored_conversation_id
from prediction_log.writer import PredictionWriter, Waiting
from probability.bands import Prediction
from probability.drift import CONTEXT_FIELDS

Words = Callable[[str], str]  # a text as it is stored
LONGEST_VALUE = 200  # characters of a context value


@dataclass(frozen=True)
class RequestFacts:
    """What all predictions of one request share."""

    request_id: str
    caller: str
    model: str
    model_version: str
    latency_ms: float
    batch_size: int


class ReadBeside(Protocol):
    """What was found in the words of a prediction's deal, stored beside it (`prediction_log.deal_readings`)."""

    @property
    def characters(self) -> int:
        """Of all its words."""

    def rows(self, prediction_id: str, words: Words | None, with_transcripts: bool) -> dict[str, Any]:
        """The rows, as `prediction_log.tables.rows.DEAL` says. words: how a text is stored, None where none may be."""


class PredictionRecorder:
    """Hands answered predictions to the writer."""

    def __init__(
        self, writer: PredictionWriter, transcripts: Literal["full", "masked", "none"], durable: bool = False
    ) -> None:
        self._writer = writer
        self._transcripts = transcripts
        self._durable = durable

    async def record(
        self,
        facts: RequestFacts,
        answered: Sequence[tuple[str, Conversation, Prediction]],
        deals: Mapping[str, ReadBeside] = MappingProxyType({}),
    ) -> None:
        """Queues (prediction id, what was predicted, what was answered); in durable mode waits until they are stored.

        deals: by prediction id what was found in the words of those that are of deals.

        Raises StoreAwayError in durable mode where neither the database nor the disk takes them.
        """
        now = datetime.now(UTC)
        waiting = [self._waiting(facts, now, deals.get(one[0]), *one) for one in answered]
        with span("record", predictions=len(waiting)):
            for prediction in waiting:
                self._writer.put(prediction)
            if self._durable:
                await asyncio.gather(*(asyncio.wrap_future(prediction.stored) for prediction in waiting))

    def _waiting(
        self,
        facts: RequestFacts,
        now: datetime,
        read: ReadBeside | None,
        prediction_id: str,
        asked: Conversation,
        said: Prediction,
    ) -> Waiting:
        def row(with_transcript: bool) -> Record:
            return {
                "prediction_id": prediction_id,
                "created_at": now,
                **vars(facts),
                "outcome": said.outcome,
                "probability": said.probability,
                "context": self._context(asked),
                "conversation_id": stored_conversation_id(asked.conversation_id),
                **_deal(asked),
                "conversation_day": _day(asked),
                "transcript": self._transcript(asked) if with_transcript else None,
                **self._read(prediction_id, read, asked, with_transcript),
            }

        words = asked.characters + (read.characters if read else 0)
        characters = 0 if self._transcripts == "none" else words
        return Waiting(row, characters, urgent=self._durable)

    def _context(self, asked: Conversation) -> dict[str, str | int]:
        given = {name: getattr(asked.conversation_context, name) for name in CONTEXT_FIELDS}
        return {
            name: value if isinstance(value, int) else self._text(value)[:LONGEST_VALUE]
            for name, value in given.items()
            if value is not None
        }

    def _read(self, prediction_id: str, read: ReadBeside | None, asked: Conversation, with_words: bool) -> Record:
        """One that is closed already is none to list; where memory is short, its words are left out."""
        if read is None or asked.outcome is not None:
            return {}
        words = None if self._transcripts == "none" else self._text
        return {DEAL: read.rows(prediction_id, words, with_words)}

    def _transcript(self, asked: Conversation) -> str | None:
        return None if self._transcripts == "none" else self._text(transcript_of(asked))

    def _text(self, text: str) -> str:
        return stored_text(text, self._transcripts)


def stored_text(text: str, transcripts: Literal["full", "masked", "none"]) -> str:
    """What is stored of a text: itself where transcripts are stored in full, else masked."""
    text = text.replace("\x00", "")  # PostgreSQL's text can't hold it
    return text if transcripts == "full" else mask(text)


def _deal(asked: Conversation) -> dict[str, str | None]:
    """The open deal that a prediction is about; one that is closed already is none to list."""
    deal_id = stored_conversation_id(asked.deal_id) if asked.outcome is None else None
    return {"deal_id": deal_id, "deal_group": stored_conversation_id(asked.group) if deal_id else None}


def _day(asked: Conversation) -> str | None:
    """The day that it took place where its sender was, of a deal's newest conversation; None where that is not known."""
    moment = moment_in((asked.model_extra or {}).get("date"))
    return moment.date().isoformat() if moment else None
