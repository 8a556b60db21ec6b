"""What GET /logs and GET /performance answer, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from conversations.conversation import Outcome
from probability.drift import Level


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
    deal_id: str | None = Field(description="Alike; null for none, and for a deal that was closed already")
    deal_group: str | None = Field(description="What the deal belongs to, as it was given")
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
    fewest: int = Field(description="Predictions from which on chance alone hardly looks like a moderate change")
    level: Level = Field(description="Too few to tell under `fewest` predictions; else under 0.1, under 0.25, or more")
    beyond_chance: bool = Field(description="Never where there are too few to tell")


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
