"""What a prediction of a deal is asked and answered with, and what is read in its words, as pydantic models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from answers.evidence import SentenceEffect
from answers.recommendations import Recommendation
from answers.requests import ConversationRequest, Identifier, ModelType, few_items, few_turns
from conversations.conversation import MAX_TURNS, Conversation
from deals.qualification import QualificationCard
from deals.warnings import DealWarning, Silence
from foundations.errors import InputError, quoted
from modelling.names import AUTO
from probability.bands import Band, BandName, Prediction
from probability.reliability import Reliability
from signals.sentences import Polarity

MOST_OF_A_DEAL = 100  # conversations


class DealConversation(ConversationRequest):
    """One conversation of a deal."""

    conversation_id: Identifier = None


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
        return [one.model_copy(update={"deal_id": self.deal_id, "group": one.group or self.group}) for one in found]


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


class DealReading(BaseModel):
    """What was found in a deal's words, and what the log keeps of it."""

    band: BandName
    after: list[DealStep]
    moved_most: MovedMost
    signals: list[DatedSignal]
    qualification: QualificationCard
    warnings: list[DealWarning]
    silence: Silence
    recommended_actions: list[Recommendation]


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
    silence: Silence = Field(description="Since when nothing was heard, which warnings of another day go by")
    recommended_actions: list[Recommendation] = Field(description="What to do next, the most urgent first")
    notices: list[str] = Field(description="What is not known of the order, and what was left out, a sentence each")
    model_used: str = Field(description="The model's name, never auto")
    model_version: str
    processing_time: float = Field(ge=0.0, description="Seconds from the validated request to the answer")
    prediction_id: str | None = Field(default=None, description="For POST /feedback")
    request_id: str | None = None
