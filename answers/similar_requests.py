"""What a search for similar conversations alone is asked with and answered with, as pydantic models."""

from __future__ import annotations

from pydantic import BaseModel, Field

from answers.requests import ConversationRequest, Identifier, SimilarOptions
from similarity.search import SimilarConversation


class SimilarRequest(SimilarOptions, ConversationRequest):
    """A conversation, and which closed ones to look for."""

    conversation_id: Identifier = Field(default=None, description="It is not found as similar to itself.")


class SimilarResponse(BaseModel):
    """The answer to POST /similar."""

    similar_conversations: list[SimilarConversation] | None = Field(
        description="The nearest first; null with a problem"
    )
    similar_problem: str | None = Field(description="Why there are none: where they are looked for is away; else null")
    request_id: str | None = Field(default=None, description="The answer's X-Request-ID header, for the log")
