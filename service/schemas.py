"""What the routes for health and the start page answer, as pydantic models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


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
