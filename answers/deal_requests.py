"""What a prediction of a deal is asked with and answered with, as pydantic models."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from answers.evidence import SentenceEffect
from answers.requests import ConversationRequest, Identifier, ModelType, few_items, few_turns
from conversations.conversation import MAX_TURNS, Conversation
from conversations.dates import moment_in
from deals.qualification import QualificationCard
from deals.warnings import DealWarning
from foundations.errors import InputError, quoted
from modelling.names import AUTO
from probability.bands import Band, Prediction
from probability.reliability import Reliability
from signals.sentences import Polarity

MOST_OF_A_DEAL = 100  # conversations
_DATE: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, {"type": "null"}]
}


class DealConversation(ConversationRequest):
    """One conversation of a deal."""

    conversation_id: Identifier = None
    date: str | None = Field(
        default=None,
        description="When it took place, such as 2024-03-14 or 2024-03-14T10:30Z; without a zone it is UTC",
        json_schema_extra=_DATE,
    )

    @field_validator("date")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        try:
            if (moment := moment_in(value)) is not None:
                moment.astimezone(UTC)
                return value
        except OverflowError:  # such as midnight of the year 1 east of Greenwich
            pass
        raise ValueError(f"{quoted(value)} is no date; give one such as 2024-03-14 or 2024-03-14T10:30Z.")


class DealRequest(BaseModel):
    """A deal's conversations, in any order."""

    deal_id: Annotated[
        str, Field(min_length=1, max_length=200, pattern=r"\S", description="Yours, as the log knows it")
    ]
    group: Identifier = Field(default=None, description="What it belongs to, for example the account")
    conversations: Annotated[
        list[DealConversation],
        BeforeValidator(few_turns(MAX_TURNS)),
        BeforeValidator(few_items(MOST_OF_A_DEAL, "conversations")),  # the first of both to run
    ] = Field(
        min_length=1,
        max_length=MOST_OF_A_DEAL,
        fail_fast=True,
        description=f"With at most {MAX_TURNS:,} turns in all. They are put in order of date; those without one come first.",
    )
    model_type: ModelType = Field(default=AUTO, description="As for one prediction.")

    def conversations_of(self) -> list[Conversation]:
        """The validated conversations. Raises InputError as `ConversationRequest.conversation` does."""
        found = [one.conversation(f"conversations.{n}") for n, one in enumerate(self.conversations)]
        for n, one in enumerate(found):
            if one.deal_id not in (None, self.deal_id):
                raise InputError(
                    f"conversations.{n} is of deal {quoted(one.deal_id)}, and the request of {quoted(self.deal_id)}; leave out "
                    "conversations of other deals."
                )
        return [
            one.model_copy(update={"deal_id": self.deal_id, "group": one.group or self.group, "date": asked.date})
            for one, asked in zip(found, self.conversations, strict=True)
        ]


class DealStep(BaseModel):
    """What the deal promised after one of its conversations."""

    conversation_id: str | None
    date: str | None
    probability: float = Field(ge=0.0, le=1.0, description="P(successful) of all up to and with this conversation")
    change: float | None = Field(description="That minus the one before, −1 to 1; null for the first conversation")


class MovedMost(BaseModel):
    """The conversation that changed the probability most, and what was said in it."""

    conversation_id: str | None
    date: str | None
    change: float | None = Field(description="As in `after`; null in a deal of one conversation")
    evidence: list[SentenceEffect] = Field(
        description="Its strongest sentences, each with what this conversation by itself would lose without it"
    )


class DatedSignal(BaseModel):
    """What holds of a signal now, and the conversation that says so."""

    name: str
    polarity: Polarity
    strength: float = Field(ge=0.0, le=1.0)
    quote: str
    speaker: str
    turn: int | None = Field(description="Index into the turns of that conversation that have words; null in a note")
    conversation_id: str | None
    date: str | None


class DealResponse(BaseModel):
    """The answer to POST /predict/deal."""

    deal_id: str
    prediction: Prediction = Field(description="After all conversations")
    probability_interval: tuple[float, float]
    reliability: Reliability
    reliability_reasons: list[str]
    band: Band
    change: float | None = Field(
        description="What the last conversation changed, −1 to 1; null where it is the only one"
    )
    after: list[DealStep] = Field(description="In order of time; the last one is `prediction`")
    moved_most: MovedMost
    signals: list[DatedSignal] = Field(description="Of each signal the newest word")
    qualification: QualificationCard = Field(description="Budget, authority, need and timing, with quotes and gaps")
    warnings: list[DealWarning] = Field(description="What a manager may act on today; none of a deal that has ended")
    notices: list[str] = Field(description="What is not known of the order, and what was left out, a sentence each")
    model_used: str = Field(description="The model's name, never auto")
    model_version: str
    processing_time: float = Field(ge=0.0, description="Seconds from the validated request to the answer")
    prediction_id: str | None = Field(default=None, description="For POST /feedback")
    request_id: str | None = None
