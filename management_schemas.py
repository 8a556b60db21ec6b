"""What the routes for health, feedback and the log take and answer, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from conversations.conversation import Outcome


class StoreHealth(BaseModel):
    """How the prediction database is."""

    status: Literal["ok", "away"]
    problem: str | None
    queued: int = Field(description="Predictions of the worker that answers, in memory and not stored yet")
    waiting_on_disk: bool = Field(description="Whether stored predictions wait for the database to return")
    dropped: int = Field(description="Predictions of this worker that neither database nor disk took")


class Health(BaseModel):
    """The answer to GET /health, always with status code 200: the process answers, `status` says how well it is."""

    status: Literal["ok", "degraded"]
    problem: str | None = Field(description="Why it is degraded, and what to do")
    loaded_models: list[str]
    uptime_seconds: float
    workers: int
    store: StoreHealth


class Alive(BaseModel):
    """The answer to GET /health/live and /health/ready."""

    status: Literal["ok"] = "ok"


class ServiceInfo(BaseModel):
    """The answer to GET /."""

    name: str
    version: str
    status: Literal["ok", "degraded"]
    models: list[str] = Field(description="Values of model_type")
    auto: str | None = Field(description="The model that auto means; null where none can be served")
    links: dict[str, str]


def _closed(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


class FeedbackRequest(BaseModel):
    """How a predicted deal ended."""

    prediction_id: Annotated[str, Field(min_length=1, max_length=32)]
    actual_outcome: Annotated[Outcome, BeforeValidator(_closed)] = Field(
        validation_alias=AliasChoices("actual_outcome", "outcome"),
        description="successful or failed; sent again, it replaces what was said before. `outcome` is accepted as well.",
    )


class FeedbackResponse(BaseModel):
    """What was predicted, and how it ended."""

    prediction_id: str
    model: str
    predicted_outcome: Outcome
    probability: float
    actual_outcome: Outcome
    correct: bool


class LoggedPrediction(BaseModel):
    """One stored prediction."""

    prediction_id: str
    request_id: str
    created_at: datetime
    caller: str = Field(description="A key's name, or an address")
    model: str
    model_version: str
    outcome: Outcome = Field(description="As predicted")
    probability: float
    latency_ms: float
    batch_size: int
    context: dict[str, Any]
    conversation_id: str | None = Field(
        description="As its sender named the conversation, of over 200 characters a shortened form; null for none"
    )
    transcript: str | None = Field(description="As SALES_STORE_TRANSCRIPTS says: masked, in full, or null")
    actual_outcome: Outcome | None = Field(description="From feedback")


class LogPage(BaseModel):
    """The answer to GET /logs, the newest first."""

    predictions: list[LoggedPrediction]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class Removed(BaseModel):
    """The answer to DELETE /logs/{prediction_id}."""

    prediction_id: str
    removed: bool = True


class RemovedConversation(BaseModel):
    """The answer to DELETE /logs."""

    conversation_id: str
    removed: int = Field(ge=1, description="Predictions, each with its feedback")
