"""Where a conversation becomes model text: the one rendering that training, evaluation, serving and LangChain read.

The context comes first as one sentence, then each turn, or each sentence of a note. What was said as one text is made
here too, without names (`spoken_text`) or with them (`transcript_of`), and the hashes of both. Cutting it to what an encoder's
window holds is `modelling.segments`. Costs microseconds a turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conversations.conversation import (
    Conversation,
    ConversationContext,
)
from conversations.redaction import without_marks
from conversations.sentences import split_sentences
from foundations.long_work import check_deadline


def conversations_sha256(conversations: Sequence[Conversation]) -> str:
    """A hash of what a model learns from: rendered texts, outcomes and groups, in order."""
    digest = hashlib.sha256()
    for conversation in conversations:
        for part in (rendered_text(conversation), conversation.outcome or "", conversation.group_key):
            digest.update(part.encode("utf-8"))
            digest.update(b"\x00")
    return digest.hexdigest()


def words_sha256(conversation: Conversation) -> str:
    """A hash of what was said, without the context, upper case and white space."""
    spoken = [passage.text for passage in render_input(conversation) if passage.speaker != "context"]
    return hashlib.sha256(" ".join(" ".join(spoken).lower().split()).encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Passage:
    """A stretch of model text from one place of the conversation: the context, a turn, or a sentence of a note."""

    said: str  # without the speaker's name
    speaker: str  # "context", "seller", "customer", another name, or "" for a plain transcript
    turn: int | None  # index into `turns`, None for the context and for a plain transcript

    @property
    def text(self) -> str:
        """As it stands in the whole text: a turn begins with who speaks."""
        return self.said if self.turn is None or not self.speaker else f"{self.speaker}: {self.said}"


def render_input(conversation: Conversation) -> list[Passage]:
    """What a model reads of a conversation: its context as one sentence, then each turn, or each sentence of a note."""
    check_deadline()  # here, since whatever reads many conversations, or variants of one, renders each
    passages = []
    context = _render_context(conversation.conversation_context)
    if context:
        passages.append(Passage(context, "context", None))
    if conversation.turns is None:
        passages += [
            Passage(sentence, "", None) for sentence in split_sentences(without_marks(conversation.transcript or ""))
        ]
    for index, turn in enumerate(conversation.turns or []):
        text = " ".join(without_marks(turn.text).split())
        passages.append(Passage(text, turn.speaker, index))
    return passages


def rendered_text(conversation: Conversation) -> str:
    """The whole rendered conversation as one string, a passage a line: what a bag of words reads."""
    return "\n".join(passage.text for passage in render_input(conversation))


def spoken_text(conversation: Conversation) -> str:
    """What was said or noted, without context, names of speakers and others' marks: one string."""
    if conversation.turns is None:
        return without_marks(conversation.transcript or "")
    return without_marks("\n".join(turn.text for turn in conversation.turns))


def transcript_of(conversation: Conversation, name: Callable[[str], str] = str) -> str:
    """What was said as people read and keep it: the transcript as it was given, else a turn a line ("seller: Hello").

    name: how a speaker's name is written.
    """
    return conversation.transcript or "\n".join(
        f"{name(turn.speaker)}: {turn.text}" if turn.speaker else turn.text for turn in conversation.turns or []
    )


def _render_context(context: ConversationContext) -> str:
    interactions = context.previous_interactions
    parts = [
        ("company size", context.company_size),
        ("industry", context.industry),
        ("contact", context.contact_role),
        ("urgency", context.urgency),
        ("budget authority", context.budget_authority),
        ("previous interactions", None if interactions is None else str(interactions)),
        ("lead source", context.lead_source),
    ]
    known = [f"{name} {value.replace('_', ' ')}" for name, value in parts if value]
    return ", ".join(known)
