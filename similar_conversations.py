"""The training conversations nearest to a conversation, by cosine of the served model's own embeddings.

An exact search over all of them with numpy: right for the thousands of conversations a team has, not for millions. The
embeddings of a model's own training conversations come with its artifact; for others they are made once, in seconds for
hundreds. A search costs one `embed`. A conversation that was itself in training finds itself, with a similarity of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from conversation import Conversation, Outcome
from conversion_model import ConversionModel, conversations_sha256

EXCERPT_CHARACTERS = 160
BATCH = 16  # conversations embedded at once: a bound on memory, as a service has several workers


class SimilarConversation(NamedTuple):
    """A training conversation that was found."""

    outcome: Outcome | None
    similarity: float  # cosine, −1 to 1
    excerpt: str  # its beginning

    @property
    def line(self) -> str:
        """What a person reads."""
        return f"[{self.outcome or 'open'}, {self.similarity:.2f}] {self.excerpt}"


class SimilarConversations:
    """Labelled conversations and their embeddings, in memory."""

    def __init__(self, model: ConversionModel, conversations: Sequence[Conversation]) -> None:
        self._model = model
        self._conversations = list(conversations)
        if conversations_sha256(conversations) == model.training_data_sha256:
            self._vectors = model.training_embeddings  # (n, d), L2-normalised, as the artifact has them
            return
        batches = range(0, len(self._conversations), BATCH)
        self._vectors = np.concatenate([model.embed(self._conversations[n : n + BATCH]) for n in batches])

    def nearest(self, conversation: Conversation, count: int = 3) -> list[SimilarConversation]:
        """At most `count` training conversations, nearest first."""
        similarity = self._vectors @ self._model.embed([conversation])[0]
        best = np.argsort(-similarity, kind="stable")[:count]
        found = [(self._conversations[i], float(similarity[i])) for i in best]
        return [SimilarConversation(one.outcome, cosine, excerpt(one)) for one, cosine in found]


def excerpt(conversation: Conversation, characters: int = EXCERPT_CHARACTERS) -> str:
    """The first words of a conversation for people to read, cut at a word: at most `characters` and an ellipsis."""
    words = conversation.transcript or " ".join(
        f"{turn.speaker.capitalize()}: {turn.text}" if turn.speaker else turn.text for turn in conversation.turns or []
    )
    text = " ".join(words.split())
    if len(text) <= characters:
        return text
    return (text[:characters].rsplit(" ", 1)[0] or text[:characters]) + "…"
