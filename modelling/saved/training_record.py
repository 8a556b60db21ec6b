"""What training leaves in a model's manifest for people and programs to read; predicting needs none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
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
    joined_deals: int = 0  # deals of several conversations, each learned from as one, as `--by deal` joins them
    retrained: dict[str, Any] = field(default_factory=dict)  # what `retrained_record` made of it; {} after --mode train

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
            manifest.get("retrained", {}),
        )


def retrained_record(record: TrainingRecord, champion: Mapping[str, Any], outcomes_until: str) -> TrainingRecord:
    """The record of a version that takes the place of another.

    champion: that one's manifest. outcomes_until: when the newest outcome came that it learned from, in ISO 8601.
    """
    return replace(record, retrained={"outcomes_until": outcomes_until, "ranked_by": ranked_by(champion)})


def ranked_by(manifest: Mapping[str, Any]) -> dict[str, float]:
    """The figures that `auto` chooses by. A retrained version has the place of the one it was compared with: its own figures
    are of other conversations than those of the other models, and would say nothing beside theirs."""
    found: dict[str, float] = manifest.get("retrained", {}).get("ranked_by") or manifest["cross_validation_metrics"]
    return found


def outcomes_until(manifest: Mapping[str, Any]) -> datetime | None:
    """When the newest outcome came that a version learned from; None for one of --mode train."""
    written = manifest.get("retrained", {}).get("outcomes_until")
    return datetime.fromisoformat(written) if written else None
