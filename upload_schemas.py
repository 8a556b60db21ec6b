"""What the routes for uploaded files answer, as pydantic models."""

from __future__ import annotations

from pydantic import BaseModel, Field

from answers.responses import Prediction
from conversations.conversation import ConversationContext, Turn


class ReadConversation(BaseModel):
    """One conversation, with fields as POST /predict takes them."""

    conversation_id: str
    transcript: str | None = Field(description="Null where the file gives turns only")
    turns: list[Turn] | None = Field(description="Null where nobody can be told to have said what")
    context: ConversationContext
    trajectory_turns: int = Field(description="How many turns, or sentences of a note, a trajectory would go by")


class ReadConversations(BaseModel):
    """The answer to POST /conversations/read, in the order of the file."""

    conversations: list[ReadConversation]


class RankedRecord(BaseModel):
    """One conversation's place among those of a file."""

    rank: int = Field(ge=1, description="1 for the likeliest to convert")
    conversation_id: str = Field(description="The file's, or row-N")
    prediction: Prediction
    excerpt: str = Field(description="How it begins")
    prediction_id: str = Field(description="For POST /feedback")


class FileRanking(BaseModel):
    """The answer to POST /predict/file."""

    predictions: list[RankedRecord]
    model_used: str = Field(description="The model's name, never auto")
    model_version: str
    csv: str = Field(description="The same as a table: rank, score, and what each record came with")
    processing_time: float = Field(ge=0.0, description="Seconds from the received file to the answer")
    request_id: str
