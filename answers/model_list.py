"""What `GET /models` says of a model: its versions, figures and age, which version is served and whether it is loaded.

As pydantic models, with those of exchanging a version. Reads manifests that are in memory already; loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from answers.model_loader import ModelUnavailableError
from answers.model_server import ModelServer
from model_registry import MODEL_CLASSES
from modelling.saved.versions import ModelVersion


class EncoderInfo(BaseModel):
    """The pre-trained encoder that a model was trained on."""

    name: str
    revision: str | None
    sha256: str
    pooling: str = Field(
        default="mean", description="How the vectors of a text's tokens become one: mean, cls, or mean with skip"
    )


class ModelVersionInfo(BaseModel):
    """One trained version of a model."""

    version: str
    created_at: str
    newest: bool
    served: bool
    on_trial: bool = Field(
        default=False, description="Whether it is compared with the one served, see GET /experiments"
    )
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
    """The answer to whatever makes a version of a model the served one."""

    model: str
    version: str
    previous_version: str | None
    workers: int = Field(description="That run")
    workers_serving: int = Field(description="Of them, those that already serve this version; the rest within 5 s")


def listed_models(models: ModelServer, loaded_by: Mapping[str, int]) -> list[ModelInfo]:
    """Every registered model, trained or not. loaded_by: the number of workers that have it in memory."""
    return [_listed(models, name, loaded_by.get(name, 0)) for name in MODEL_CLASSES]


def _listed(models: ModelServer, name: str, loaded_by: int) -> ModelInfo:
    shared: dict[str, Any] = {
        "name": name,
        "title": MODEL_CLASSES[name].title,
        "auto": name == models.auto,
        "loaded": name in models.versions,
        "loaded_by": loaded_by,
    }
    try:
        served = models.served(name)
    except ModelUnavailableError as error:
        return ModelInfo(**shared, trained=False, problem=str(error))
    challenger = models.challenger(name)
    on_trial = challenger.trial.version if challenger else None
    versions = [_version_info(one, served.version, on_trial) for one in models.loader.versions(name)]
    return ModelInfo(
        **shared,
        trained=True,
        version=served.version,
        versions=versions,
        problem=served.problem,
        **_figures(served.found),
    )


def _figures(found: ModelVersion | None) -> dict[str, Any]:
    """What the manifest of the served version says; nothing where its files are gone."""
    if found is None:
        return {}
    manifest = found.manifest
    return {
        "created_at": manifest["created_at"],
        "age_seconds": _age_seconds(manifest["created_at"]),
        "validation_metrics": manifest["validation_metrics"],
        "cross_validation_metrics": manifest["cross_validation_metrics"],
        "encoder": EncoderInfo(**manifest["encoder"]),
    }


def _version_info(found: ModelVersion, served: str, on_trial: str | None) -> ModelVersionInfo:
    return ModelVersionInfo(
        version=found.version,
        created_at=found.manifest["created_at"],
        newest=found.newest,
        served=found.version == served,
        on_trial=found.version == on_trial,
        validation_metrics=found.manifest["validation_metrics"],
        cross_validation_metrics=found.manifest["cross_validation_metrics"],
    )


def _age_seconds(created_at: str) -> float:
    return round((datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds(), 1)
