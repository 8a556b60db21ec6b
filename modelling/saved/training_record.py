"""What training leaves in a model's manifest for people and programs to read; predicting needs none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class TrainingHistory:
    """What was recorded while fitting: one row of figures a step, and what the step is."""

    step: str  # "epoch", "candidate" or "member"
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0  # index of the row whose weights or parameters were kept
    notes: dict[str, float] = field(default_factory=dict)  # measured once, for example collapse figures


@dataclass(frozen=True)
class TrainingRecord:
    """One training, by the names of the manifest."""

    training_data_sha256: str  # of all that was learned from, validation too
    validation_metrics: dict[str, float]  # of the validation conversations while they were held out
    cross_validation_metrics: dict[str, float]  # of every conversation, each while it was held out: `auto` goes by them
    history: TrainingHistory
    reference: dict[str, Any]  # scores and context of training, to tell drift from; {} in older manifests
    joined_deals: int = (
        0  # deals of several conversations that were learned from as one each, as `--by deal` joins them
    )

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Raises KeyError or TypeError where the manifest is of another version."""
        return cls(
            manifest["training_data_sha256"],
            manifest["validation_metrics"],
            manifest["cross_validation_metrics"],
            TrainingHistory(**manifest["history"]),
            manifest.get("reference", {}),
            manifest.get("joined_deals", 0),
        )
