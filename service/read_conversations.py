"""What was read of a file, as the API answers it: conversations with the fields that POST /predict takes, and notices."""

from __future__ import annotations

from pydantic import BaseModel, Field

from conversations.conversation import Conversation, ConversationContext, Turn
from conversations.dates import moment_in
from conversations.prefixes import turns_of
from conversations.reading.uploads import Upload
from deals.deal import date_of


class ReadConversation(BaseModel):
    """One conversation, with fields as POST /predict takes them."""

    conversation_id: str
    transcript: str | None = Field(description="Null where the file gives turns only")
    turns: list[Turn] | None = Field(description="Null where nobody can be told to have said what")
    sides_inferred: bool = Field(description="Whether who sells was found from the words, as the turns have names only")
    context: ConversationContext
    deal_id: str | None
    group: str | None
    date: str | None = Field(description="When it took place, where the file says so in ISO 8601")
    trajectory_turns: int = Field(description="How many turns, or sentences of a note, a trajectory would go by")


class ReadConversations(BaseModel):
    """The answer to POST /conversations/read, in the order of the file."""

    conversations: list[ReadConversation]
    notices: list[str] = Field(description="A sentence for whatever was left out or not understood, with counts")


def read_conversations(found: Upload) -> ReadConversations:
    """The answer for what was found in a file."""
    return ReadConversations(conversations=list(map(_as_read, found.conversations)), notices=found.notices)


def _as_read(conversation: Conversation) -> ReadConversation:
    return ReadConversation(
        conversation_id=conversation.conversation_id,
        transcript=conversation.transcript,
        turns=conversation.turns,
        sides_inferred=bool(conversation.sides_inferred),
        context=conversation.conversation_context,
        deal_id=conversation.deal_id,
        group=conversation.group,
        date=date_of(conversation) if moment_in(date_of(conversation)) else None,
        trajectory_turns=len(turns_of(conversation)),
    )
