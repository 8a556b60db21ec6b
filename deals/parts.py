"""What a joined deal still knows of its conversations: whose turns end where. It stands in its record's field `deal_parts`.

So a joined deal can be written to a file and read again, and still be told as it stood before its last conversation, or
found by the id of one that has to be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from conversations.conversation import DEAL_PARTS, Conversation, ConversationContext


class DealPart(BaseModel):
    """One conversation of a joined deal."""

    conversation_id: str
    date: str | None = None  # as it was written
    turns: int = Field(ge=1)  # how many of the deal's turns are its own, after those of the parts before
    conversation_context: ConversationContext = Field(default_factory=ConversationContext)


_PARTS = TypeAdapter(list[DealPart])


def parts_of(conversation: Conversation) -> Sequence[DealPart]:
    """The parts of a joined deal; none of what is no such deal, also where it has a field of that name."""
    written = (conversation.model_extra or {}).get(DEAL_PARTS)
    try:
        parts = _PARTS.validate_python(written)
    except ValidationError:
        return ()
    return parts if sum(part.turns for part in parts) == len(conversation.turns or []) else ()


def holds(conversation: Conversation, conversation_id: str) -> bool:
    """Whether it is the conversation of that id, or a deal that it was joined into."""
    return conversation_id in (conversation.conversation_id, *(part.conversation_id for part in parts_of(conversation)))


def before_last(conversation: Conversation) -> Conversation | None:
    """A joined deal as it stood before its last conversation, with what the CRM said then; None of what is none."""
    parts = parts_of(conversation)
    if len(parts) < 2:
        return None
    *earlier, last = parts
    turns = (conversation.turns or [])[: -last.turns]
    context = newest_context([part.conversation_context for part in earlier])
    return conversation.model_copy(update={"turns": turns, "conversation_context": context, DEAL_PARTS: None})


def newest_context(contexts: Sequence[ConversationContext]) -> ConversationContext:
    """Of each field the last that is known."""
    known: dict[str, Any] = {}
    for context in contexts:
        known |= context.model_dump(exclude_none=True)
    return ConversationContext.model_validate(known)
