"""Models and their versions, as they are listed and exchanged, as pydantic models."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
