"""What predictions are answered with, as pydantic models; FastAPI turns them into the OpenAPI schema.

The formats are the original system's. What is answered as it was found (a prediction, a band, a signal, a sentence's
effect …) is the class of those who found it. All other answers are `answers.model_list`, `prediction_log.schemas`,
`service.schemas` and `service.routes.uploads`, errors `service.api_errors`.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from answers.evidence import SentenceEffect
from answers.recommendations import Recommendation
from conversations.talk import TalkFigures
from modelling.conversion_model import TurnProbability
from probability.bands import Band, Prediction
from probability.reliability import Reliability
from signals.finder import Signal
from signals.mentions import Sentiment
from similarity.search import SimilarConversation


class Analysis(BaseModel):
    """What was said that matters, what moved the probability, and who talked how much."""

    sentiment: Sentiment
    key_indicators: list[str]
    risk_factors: list[str]
    signals: list[Signal] = Field(description="What holds of each signal that was found")
    evidence: list[SentenceEffect] = Field(description="The largest effect first, in either direction")
    talk: TalkFigures | None = Field(
        default=None, description="Null for a note, and where nobody is said to speak; never a part of the score"
    )
    language_note: str | None = Field(
        default=None,
        description="Why signals and recommendations can't be relied on: the conversation is not in English",
    )


class PredictionResponse(BaseModel):
    """The answer to POST /predict; what was not asked for is null."""

    prediction: Prediction
    probability_interval: tuple[float, float] = Field(
        description="[low, high] around prediction.probability: what the outcomes of known conversations allow"
    )
    reliability: Reliability = Field(description="low where there are reasons not to trust the prediction, else ok")
    reliability_reasons: list[str] = Field(description="A sentence for each reason; empty where reliability is ok")
    band: Band
    sides_inferred: bool = Field(
        default=False, description="Who sells was found from the words, as the turns have names only"
    )
    analysis: Analysis | None = None
    recommendations: list[str] | None = Field(default=None, description="'action (urgency) — because reason'")
    recommended_actions: list[Recommendation] | None = Field(
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
    trajectory: list[TurnProbability] | None = Field(
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
    notices: list[str] = Field(
        default_factory=list, description="Deals that can't be read as one, and what was said of others"
    )
