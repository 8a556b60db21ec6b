"""What `GET /models` says of a model: its versions, figures and age, which version is served and whether it is loaded.

Reads manifests that are in memory already; loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from model_registry import MODEL_CLASSES
from model_schemas import EncoderInfo, ModelInfo, ModelVersionInfo
from modelling.saved.versions import ModelVersion


class ModelStatus(NamedTuple):
    """What the service does with a model."""

    auto: bool  # it is what `auto` means
    loaded: bool  # into the process that answers
    loaded_by: int  # workers that have it in memory


def untrained_model(name: str, status: ModelStatus, problem: str) -> ModelInfo:
    """A registered model that can't be served; `problem` says why and what to do."""
    return _info(name, status, trained=False, problem=problem)


def trained_model(
    name: str,
    status: ModelStatus,
    found: ModelVersion | None,
    version: str,
    versions: Sequence[ModelVersion],
    problem: str | None,
) -> ModelInfo:
    """A model of which `version` is served. `found`: that version, None where its files are gone."""
    figures: dict[str, Any] = {}
    if found is not None:
        manifest = found.manifest
        figures = {
            "created_at": manifest["created_at"],
            "age_seconds": _age_seconds(manifest["created_at"]),
            "validation_metrics": manifest["validation_metrics"],
            "cross_validation_metrics": manifest["cross_validation_metrics"],
            "encoder": EncoderInfo(**manifest["encoder"]),
        }
    listed = [_version_info(one, version) for one in versions]
    return _info(name, status, trained=True, version=version, versions=listed, problem=problem, **figures)


def _info(name: str, status: ModelStatus, **more: Any) -> ModelInfo:
    return ModelInfo(name=name, title=MODEL_CLASSES[name].title, **status._asdict(), **more)


def _version_info(found: ModelVersion, served: str) -> ModelVersionInfo:
    return ModelVersionInfo(
        version=found.version,
        created_at=found.manifest["created_at"],
        newest=found.newest,
        served=found.version == served,
        validation_metrics=found.manifest["validation_metrics"],
        cross_validation_metrics=found.manifest["cross_validation_metrics"],
    )


def _age_seconds(created_at: str) -> float:
    return round((datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds(), 1)
