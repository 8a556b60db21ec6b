"""What predictions are answered with, as pydantic models; FastAPI turns them into the OpenAPI schema.

The formats are the original system's. All other answers are `answers.model_list`, `prediction_log.schemas`,
`service.schemas` and `service.routes.uploads`, errors `service.api_errors`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from conversations.conversation import Outcome
from probability.bands import BandName
from probability.reliability import Reliability
from similarity.search import SimilarConversation


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
