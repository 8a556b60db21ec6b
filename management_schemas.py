"""What all routes but predictions answer, as pydantic models: models, health, performance, the log, feedback."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from conversation import Outcome


class EncoderInfo(BaseModel):
    """The pre-trained encoder that a model was trained on."""

    name: str
    revision: str | None
    sha256: str
    pooling: str = Field(default="mean", description="How the vectors of a text's tokens become one: mean or cls")


class ModelVersionInfo(BaseModel):
    """One trained version of a model."""

    version: str
    created_at: str
    newest: bool
    served: bool
    validation_metrics: dict[str, float]
    cross_validation_metrics: dict[str, float]


class ModelInfo(BaseModel):
    """One registered model, trained or not."""

    name: str
    title: str
    trained: bool
    auto: bool = Field(description="Whether model_type auto means this model")
    loaded: bool = Field(description="Whether the worker that answers has it in memory")
    loaded_by: int = Field(default=0, description="How many workers have it in memory")
    version: str | None = Field(default=None, description="The version that is served")
    versions: list[ModelVersionInfo] = Field(default=[], description="All that can be loaded, the newest first")
    created_at: str | None = None
    age_seconds: float | None = Field(default=None, description="Since the served version was trained")
    validation_metrics: dict[str, float] | None = Field(
        default=None, description="Of the validation conversations while they were held out"
    )
    cross_validation_metrics: dict[str, float] | None = Field(
        default=None, description="Of all it learned from, each while it was held out: auto goes by its log_loss"
    )
    encoder: EncoderInfo | None = None
    problem: str | None = Field(default=None, description="Why it can't be used, and what to do")


class ModelList(BaseModel):
    """The answer to GET /models."""

    auto: str | None = Field(description="The model that auto means; null where none can be served")
    workers: int
    models: list[ModelInfo]


class LoadRequest(BaseModel):
    """Which version to serve."""

    version: str | None = Field(
        default=None,
        max_length=64,
        description="As GET /models lists them; a version that was named is kept by later starts. Left out: the newest.",
    )


class LoadResponse(BaseModel):
    """The answer to POST /models/{type}/load."""

    model: str
    version: str
    previous_version: str | None
    workers: int = Field(description="That run")
    workers_serving: int = Field(description="Of them, those that already serve this version; the rest within 5 s")


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


class Latency(BaseModel):
    """Milliseconds of predictions of one conversation, request to answer; null where there are none."""

    predictions: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class CalibrationPoint(BaseModel):
    """Predictions of similar probability, and how many of them came true."""

    low: float
    high: float
    conversations: int
    mean_probability: float
    share_successful: float


class LiveAccuracy(BaseModel):
    """Predictions of the window against how they ended; null where no feedback came."""

    feedback: int
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = Field(default=None, description="95 %, Wilson")
    brier: float | None = None
    ece: float | None = Field(default=None, description="Expected calibration error")
    roc_auc: float | None = Field(default=None, description="Null where all ended the same way")
    calibration: list[CalibrationPoint] = []


class Drift(BaseModel):
    """The population stability index of one distribution against training."""

    psi: float
    by_chance: float = Field(description="What chance alone exceeds one time in twenty, with so few conversations")
    beyond_chance: bool
    level: Literal["stable", "moderate", "large"] = Field(description="Under 0.1, under 0.25, or more")


class DriftSpan(BaseModel):
    """Which predictions are compared with training: those of the served version in the window."""

    model_version: str
    predictions: int
    first_prediction_at: datetime
    last_prediction_at: datetime


class ModelPerformance(BaseModel):
    """One model in the window."""

    model: str
    latency: Latency
    outcomes: dict[Outcome, int]
    live: LiveAccuracy
    drift_of: DriftSpan | None = Field(description="Null where it predicted nothing, or training kept no reference")
    score_drift: Drift | None = Field(description="Null where `drift_of` is")
    context_drift: dict[str, Drift]


class Resources(BaseModel):
    """What the service uses now."""

    workers: int
    cpu_percent: float = Field(description="Of one core, over a tenth of a second, all workers together")
    cpu_seconds: float = Field(description="Of the workers that run, since each started")
    memory_bytes: int = Field(description="Resident, all workers together; shared pages count in each")
    uptime_seconds: float


class Performance(BaseModel):
    """The answer to GET /performance, over all workers."""

    hours: float
    since: datetime = Field(description="Where the window begins; requests are counted by whole minutes")
    until: datetime
    requests: int
    errors: int = Field(description="Answers with a status from 400 up")
    server_errors: int = Field(description="Of them, from 500 up")
    statuses: dict[str, int]
    predictions: int
    first_prediction_at: datetime | None
    last_prediction_at: datetime | None
    latency: Latency
    outcomes: dict[Outcome, int]
    live: LiveAccuracy
    models: list[ModelPerformance]
    resources: Resources
