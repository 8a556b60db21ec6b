"""The closed conversations most like one, each with the passage that is most like it.

Conversations are compared by cosine in the embedding of the model that learns one (contrastive), else of the best
model trained, whichever model predicts. The excerpt of a found conversation is its passage (a turn, or a sentence of a
note) that is nearest to any passage of the query; greetings count less, and the seller's words where it is close. A
conversation never finds itself: records with its id, or with the same words whatever their context, are passed over.
Costs one encoding of the query, and about a millisecond for 10,000 conversations. `similarity.indexing` writes what is
searched here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, Outcome
from conversations.model_text import words_sha256
from encoder.text_encoder import remembered_texts
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError, UnavailableError
from foundations.texts import shortened
from modelling.conversion_model import ConversionModel
from similarity.vector_index import (
    Filter,
    IndexAwayError,
    IndexPlace,
    IndexReplacedError,
    Record,
    VectorIndex,
    quantised,
)

DEFAULT_COUNT = 3
WORDS_KEY = "words_sha256"  # metadata: the same words, the same conversation
_SUBSTANTIAL_WORDS = 8  # a shorter line counts by its share of this
_CLOSE = 0.05  # in cosine
_OWN_RECORDS = 4  # that are looked for beyond the wanted ones: the query itself may be among the nearest


@dataclass(frozen=True)
class SimilarConversation:
    """A closed conversation that was found."""

    conversation_id: str
    outcome: Outcome | None
    similarity: float  # cosine of the two conversations' embeddings, −1 to 1
    excerpt: str  # its most similar passage, at most 200 characters and an ellipsis


class SimilarConversations:
    """A search among indexed conversations, by the model that they were indexed with."""

    def __init__(self, model: ConversionModel, index: VectorIndex) -> None:
        self.model = model
        self.index = index

    def nearest(
        self, conversation: Conversation, count: int = DEFAULT_COUNT, where: Filter | None = None
    ) -> list[SimilarConversation]:
        """At most `count` conversations, nearest first. `where`: a `Filter`, such as {"outcome": "failed"}."""
        with remembered_texts():
            vector = self.model.embed([conversation])[0]
            passages = self.model.embed_passages([conversation]).vectors
        return [
            SimilarConversation(
                conversation_id=str(record.metadata.get("conversation_id", record.id)),
                outcome=record.metadata.get("outcome"),
                similarity=round(min(1.0, similarity), 4),
                excerpt=shortened(self._nearest_passage(record, passages)),
            )
            for record, similarity in self._others(conversation, vector, count, where)
        ]

    def _others(
        self, conversation: Conversation, vector: NDArray[np.float32], count: int, where: Filter | None
    ) -> list[tuple[Record, float]]:
        words, identifier = words_sha256(conversation), conversation.conversation_id
        wanted = count + _OWN_RECORDS
        while True:
            hits = self.index.search(vector, wanted, where)
            others = [
                (hit.record, hit.similarity)
                for hit in hits
                if hit.record.metadata.get(WORDS_KEY) != words
                and (not identifier or hit.record.metadata.get("conversation_id", hit.record.id) != identifier)
            ]
            if len(others) >= count or len(hits) < wanted:
                return others[:count]
            wanted *= 4  # the query is there many times

    def _nearest_passage(self, record: Record, passages: NDArray[np.float32]) -> str:
        """The line of a record's text that is nearest to any of the passages (n, dim), short ones counting less.

        Every conversation has a "How are you?"; without this it would be what two of them share. The seller's lines
        tell less of a deal than any other, so they lose where it is close. Lines without stored vectors are encoded now.
        """
        lines, vectors = record.text.split("\n"), record.parts
        if vectors is None or vectors.shape != (len(lines), passages.shape[1]):
            if not record.text.strip():
                return ""
            found = self.model.embed_passages([Conversation(transcript=record.text)])
            lines, vectors = found.texts, quantised(found.vectors)
        nearness = (vectors.astype(np.float32) @ passages.T).max(axis=1) / 127  # (lines,); see `quantised`
        substance = [min(1.0, len(line.split()) / _SUBSTANTIAL_WORDS) for line in lines]
        close = [_CLOSE * line.startswith("Seller: ") for line in lines]
        return lines[int(np.argmax(np.maximum(nearness, 0) * substance - close))]


class SimilarUnavailableError(UnavailableError):
    """The index of closed conversations is missing, damaged, or made with another training of its model."""

    code = "similar_conversations_unavailable"


class SimilarSearch:
    """The index of a place, opened on first use and again when a new version lies there.

    Safe to use from many threads. `model` gives the version of a model that has a fingerprint, None where there is none:
    the index decides which version searches in it, whatever version predicts.
    """

    def __init__(self, place: IndexPlace, model: Callable[[str, str], ConversionModel | None], remedy: str) -> None:
        """remedy: ends the sentence where the model that the index was made with is gone."""
        self.place = place
        self.problem: IndexAwayError | None = None  # why the index could not be searched just now
        self._remedy = remedy
        self._model = model
        self._current: SimilarConversations | None = None
        self._stamp: Hashable = None
        self._reading = threading.Lock()

    def current(self) -> SimilarConversations:
        """The search in the newest index.

        Raises SimilarUnavailableError where there is none, it is damaged, or the model that it was made with is gone, and
        IndexAwayError where what keeps the index can't be reached now.
        """
        try:
            with self._reading:
                stamp = self.place.stamp()
                if self._current is None or stamp != self._stamp:
                    self._current = self._read(self._current)
                    self._stamp = stamp
                return self._current
        except IndexAwayError:
            raise
        except InputError as error:
            raise SimilarUnavailableError(str(error)) from error

    def nearest(
        self, conversation: Conversation, count: int = DEFAULT_COUNT, where: Filter | None = None
    ) -> list[SimilarConversation]:
        """What `current()` finds; looked for again where a new index was put in place meanwhile. Raises as it does."""
        try:
            try:
                found = self.current().nearest(conversation, count, where)
            except IndexReplacedError:
                found = self.current().nearest(conversation, count, where)
        except IndexAwayError as error:
            self.problem = error
            raise
        self.problem = None
        return found

    def check(self) -> None:
        """Asks whether the index can be reached, for `problem`."""
        try:
            if self.problem is None:
                self.place.manifest()
            else:
                len(self.current().index)  # one that another training replaced is not back as soon as it is reached
        except IndexAwayError as error:
            self.problem = error
        except InputError:  # there is none: who asks for similar conversations hears of it
            self.problem = None
        else:
            self.problem = None

    def _read(self, current: SimilarConversations | None) -> SimilarConversations:
        index, manifest = self.place.open()
        wanted = manifest["model_fingerprint"]
        model = current.model if current is not None else None
        if model is None or model.fingerprint != wanted:
            model = self._model(manifest["model"], wanted)
        if model is None:
            if current is not None:
                return current
            raise InputError(
                f"The index in {self.place} was made with another training of the model {manifest['model']!r}; "
                f"{self._remedy}."
            )
        return SimilarConversations(model, index)


def how_to_index(folder: ArtifactFolder) -> str:
    """The end of a sentence about an index that can't be used."""
    return f"make it with: python main.py --mode train --artifacts {folder.root}"


def folded(value: Any) -> Any:
    """How a context value is indexed and looked for."""
    return value.strip().lower() if isinstance(value, str) else value
