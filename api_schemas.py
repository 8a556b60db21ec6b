"""What predictions are asked with and answered with, as pydantic models; FastAPI turns them into the OpenAPI schema.

The formats are the original system's. Which models there are comes from `model_registry`, and what a valid
conversation is from `conversation`; neither is repeated here. All other answers are `management_schemas`, errors
`api_errors`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, field_validator

from conversation import MAX_TRANSCRIPT_CHARACTERS, MAX_TURNS, Conversation, ConversationContext, Outcome, Turn
from conversion_bands import BandName
from data_pipeline import conversation_from_record
from model_names import AUTO
from model_registry import MODEL_CLASSES, model_class
from prediction_reliability import Reliability
from quoted_value import quoted
from request_limits import few_items, few_turns, few_values
from similar_conversations import DEFAULT_COUNT, SimilarConversation, folded

SAMPLE_REQUEST: dict[str, Any] = {
    "transcript": "Customer was very excited about our CRM software. They asked detailed questions about pricing and "
    "implementation timeline. They mentioned they have a budget of $50,000 and want to move forward quickly.",
    "context": {
        "company_size": "enterprise",
        "industry": "healthcare",
        "contact_role": "CTO",
        "urgency": "high",
        "budget_authority": "decision_maker",
    },
    "model_type": AUTO,
    "include_analysis": True,
    "include_similar": True,
}


MOST_CONVERSATIONS = 64  # of a batch
MOST_TRAJECTORY_TURNS = 1000  # each is a prediction of all before it: the work grows with their square
MOST_CONTEXT_VALUES = 1000  # of a conversation; a CRM's record has hundreds
_WORDS = {"type": "string", "pattern": r"\S"}
# What the validators ask for beyond the types, so that the schema promises nothing that is refused: words somewhere.
_HAS_WORDS: dict[str, Any] = {
    "anyOf": [
        {"required": ["transcript"], "properties": {"transcript": _WORDS}},
        {
            "required": ["turns"],
            "properties": {"turns": {"type": "array", "contains": {"properties": {"text": _WORDS}}, "minItems": 1}},
        },
    ]
}


def _registered_name(value: Any) -> str:
    name = value if isinstance(value, str) else quoted(value)
    if name != AUTO:
        model_class(name[:80])
    return name


ModelType = Annotated[str, BeforeValidator(_registered_name), Field(json_schema_extra={"enum": [AUTO, *MODEL_CLASSES]})]


class SimilarFilter(BaseModel):
    """Which closed conversations count as similar ones; what is left out doesn't matter."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome | None = None
    industry: str | None = Field(default=None, description="As in the context, upper and lower case alike")

    def where(self) -> dict[str, Any]:
        """The filter as the index takes it."""
        return {name: folded(value) for name, value in self.model_dump(exclude_none=True).items()}


class ConversationRequest(BaseModel):
    """One conversation. Unknown fields are ignored, so a stored record can be sent as it is."""

    model_config = ConfigDict(json_schema_extra=_HAS_WORDS)

    transcript: str | None = Field(
        default=None,
        description=f"The conversation or a note about it, at most {MAX_TRANSCRIPT_CHARACTERS:,} characters or what "
        "SALES_MAX_TRANSCRIPT_CHARACTERS says. Lines that all start with a speaker ('Customer: …', 'Agent: …') are read "
        "as turns. This or `turns` is required.",
    )
    turns: Annotated[list[Turn] | None, BeforeValidator(few_items(MAX_TURNS, "turns"))] = Field(
        default=None,
        max_length=MAX_TURNS,
        fail_fast=True,
        description="The conversation turn by turn; counts before `transcript`.",
    )
    context: Annotated[ConversationContext | None, BeforeValidator(few_values(MOST_CONTEXT_VALUES, "context"))] = Field(
        default=None,
        validation_alias=AliasChoices("context", "conversation_context"),
        description="What the CRM knows; every field is optional. `conversation_context` is accepted as well. At most "
        f"{MOST_CONTEXT_VALUES:,} values, those inside of others counted too.",
        json_schema_extra={"maxProperties": MOST_CONTEXT_VALUES},
    )

    def conversation(self, where: str = "The request") -> Conversation:
        """The validated conversation. Raises InputError where it has no words, too many, or half a character."""
        record = {"transcript": self.transcript, "turns": self.turns, "conversation_context": self.context}
        return conversation_from_record(record, where)

    def characters(self) -> int:
        """How long it is, for limits."""
        return max(len(self.transcript or ""), sum(len(turn.text) for turn in self.turns or []))

    def text(self) -> str:
        """What was said, a turn a line, as it is stored."""
        if self.turns is None:
            return self.transcript or ""
        return "\n".join(f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text for turn in self.turns)


class PredictionRequest(ConversationRequest):
    """One conversation and what to say about it."""

    model_config = ConfigDict(json_schema_extra={**_HAS_WORDS, "examples": [SAMPLE_REQUEST]})

    conversation_id: str | None = Field(
        default=None,
        description="Kept out of its own similar conversations; numbers are taken as text.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    )
    model_type: ModelType = Field(
        default=AUTO, description="A model's name, or auto for the one with the best cross-validated log loss."
    )
    include_analysis: StrictBool = Field(default=False, description="Adds `analysis` and `recommendations`.")
    include_similar: StrictBool = Field(default=False, description="Adds `similar_conversations`.")
    include_trajectory: StrictBool = Field(default=False, description="Adds `trajectory`; at most 1,000 turns.")
    trajectory_points: int | None = Field(
        default=None,
        ge=2,
        le=MOST_TRAJECTORY_TURNS,
        description="Of a conversation with more turns, `trajectory` has so many, evenly spread, the first and the last "
        "among them; then more than 1,000 turns are accepted.",
    )
    similar_count: int = Field(default=DEFAULT_COUNT, ge=1, le=50, description="At most so many of them")
    similar_filter: Annotated[SimilarFilter | None, BeforeValidator(few_values(50, "similar_filter"))] = Field(
        default=None, description='Only such, e.g. {"industry": "retail", "outcome": "successful"}.'
    )
    similar_format: Literal["object", "text"] = Field(
        default="object", description="text: only the excerpts, a list of strings."
    )

    @field_validator("conversation_id", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def conversation(self, where: str = "The request") -> Conversation:
        """See ConversationRequest; with its id, so that it is not found as similar to itself."""
        return super().conversation(where).model_copy(update={"conversation_id": self.conversation_id or ""})


class BatchConversation(ConversationRequest):
    """One conversation of a batch."""

    conversation_id: str | None = Field(default=None, max_length=200, description="Yours, given back with the answer.")


class BatchRequest(BaseModel):
    """Several conversations, to be ranked."""

    conversations: Annotated[
        list[BatchConversation],
        BeforeValidator(few_turns(MAX_TURNS)),
        BeforeValidator(few_items(MOST_CONVERSATIONS, "conversations")),  # the first of both to run
    ] = Field(
        min_length=1,
        max_length=MOST_CONVERSATIONS,
        fail_fast=True,
        description=f"With at most {MAX_TURNS:,} turns in all.",
    )
    model_type: ModelType = Field(default=AUTO, description="As for one prediction.")


class Prediction(BaseModel):
    """How the deal is expected to end."""

    outcome: Outcome = Field(description="successful where probability >= 0.5")
    probability: float = Field(ge=0.0, le=1.0, description="Calibrated P(successful)")
    confidence: float = Field(ge=0.5, le=1.0, description="The probability of the predicted outcome")


class BandInfo(BaseModel):
    """How conversations with such a probability ended, among those that the model did not learn from."""

    name: BandName = Field(description="A: the quarter with the highest probabilities")
    observed_rate: float | None = Field(description="Share that converted; null where none was observed")
    interval: tuple[float, float] = Field(description="Wilson's 95 % interval of the rate")
    conversations: int = Field(description="How many the rate was observed on")
    shared_by: list[BandName] = Field(
        description="Bands that have one rate together, being too small or too alike to tell"
    )


class SignalFound(BaseModel):
    """Something a deal is decided by, and where it was said."""

    name: str
    polarity: Literal["positive", "negative"]
    strength: float = Field(ge=0.0, le=1.0)
    quote: str
    speaker: str
    turn: int | None = Field(description="Index into the turns that have words; null in a note")


class EvidenceSentence(BaseModel):
    """A sentence and what the probability would lose without it."""

    sentence: str
    speaker: str
    turn: int | None = Field(description="Index into the turns that have words; null in a note")
    start: int = Field(
        description="First character, in the turn's text or in the transcript without white space around it"
    )
    end: int = Field(description="One past the last character")
    effect: float = Field(description="Percentage points; positive: the sentence raises the probability")


class Analysis(BaseModel):
    """What was said that matters, and what moved the probability."""

    sentiment: Literal["positive", "neutral", "negative"]
    key_indicators: list[str]
    risk_factors: list[str]
    signals: list[SignalFound] = Field(description="What holds of each signal that was found")
    evidence: list[EvidenceSentence] = Field(description="The largest effect first, in either direction")


class RecommendedAction(BaseModel):
    """One of the recommendations, in parts."""

    action: str
    urgency: Literal["today", "this week", "this month"]
    trigger: Literal["risk", "indicator", "missing", "band", "similar"]
    name: str = Field(description="Which signal, band or majority of similar deals")
    reason: str


class TrajectoryPoint(BaseModel):
    """What the conversation promised once a turn was spoken."""

    turn: int = Field(ge=1, description="1 for the first turn that has words; of a plain transcript, a sentence")
    speaker: str = Field(description="seller, customer or another name; empty where nobody is named")
    probability: float = Field(ge=0.0, le=1.0, description="P(successful) of all up to and with this turn")


class PredictionResponse(BaseModel):
    """The answer to POST /predict; what was not asked for is null."""

    prediction: Prediction
    probability_interval: tuple[float, float] = Field(
        description="[low, high] around prediction.probability: what the outcomes of known conversations allow"
    )
    reliability: Reliability = Field(description="low where there are reasons not to trust the prediction, else ok")
    reliability_reasons: list[str] = Field(description="A sentence for each reason; empty where reliability is ok")
    band: BandInfo
    analysis: Analysis | None = None
    recommendations: list[str] | None = Field(default=None, description="'action (urgency) — because reason'")
    recommended_actions: list[RecommendedAction] | None = Field(
        default=None, description="The recommendations in parts, in the same order"
    )
    similar_conversations: list[SimilarConversation] | list[str] | None = Field(
        default=None,
        description="The most similar closed conversations, nearest first, never the one of the request itself; with "
        "`similar_format` text only their excerpts",
    )
    similar_problem: str | None = Field(
        default=None, description="Why `similar_conversations` is null although it was asked for"
    )
    trajectory: list[TrajectoryPoint] | None = Field(
        default=None, description="The probability after each turn; the last one is prediction.probability"
    )
    model_used: str = Field(description="The model's name, never auto")
    model_version: str = Field(default="", description="Which trained version of it, as GET /models lists them")
    processing_time: float = Field(ge=0.0, description="Seconds from the validated request to the answer")
    confidence_score: float = Field(ge=0.5, le=1.0, description="The same as prediction.confidence")
    prediction_id: str | None = Field(default=None, description="For POST /feedback, once the deal has ended")
    request_id: str | None = Field(default=None, description="The answer's X-Request-ID header, for the log")


class RankedPrediction(BaseModel):
    """One conversation's place in a batch."""

    rank: int = Field(ge=1, description="1 for the likeliest to convert")
    index: int = Field(ge=0, description="Its place in the request, from 0")
    conversation_id: str | None
    prediction: Prediction
    prediction_id: str | None = Field(default=None, description="For POST /feedback")


class BatchResponse(BaseModel):
    """The answer to POST /predict/batch: every conversation, the likeliest first; of equals the earlier one."""

    predictions: list[RankedPrediction]
    model_used: str
    model_version: str
    processing_time: float = Field(ge=0.0, description="Seconds from the validated request to the answer")
    request_id: str | None = None
