"""What is served under each model's name: a champion, and at most one version on trial beside it.

Who decides is a `VersionSource`; that of the service keeps it in the database (`learning.served_versions`), and on each
machine a copy in a file, for when the database is away. A version on trial is a `shadow`, which is only asked after the
answer, or answers for its share of the deals, a `split`: which deals, a hash of the deal says, so that every worker, every
machine and every start says the same. The versions themselves are `modelling.saved.versions`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_json
from model_registry import MODEL_CLASSES, artifact_path
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import ModelVersion, kept_versions

TrialRole = Literal["shadow", "split"]
_WHOLE = 2**64  # of 8 bytes of a hash


@dataclass(frozen=True)
class Trial:
    """A version that is compared with the champion."""

    trial_id: str
    role: TrialRole
    version: str
    share: float = 0.0  # of a split: percent of the deals

    def takes(self, model: str, unit: str) -> bool:
        """Whether this version answers for a deal: the same at every call, and for a larger share also where it was."""
        if self.role != "split":
            return False
        digest = hashlib.sha256(f"{model} {self.version} {unit}".encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:8], "big") / _WHOLE < self.share / 100


@dataclass(frozen=True)
class Choice:
    """What is served under a model's name."""

    version: str
    pinned: bool = False  # named by somebody; a new start keeps it
    wanted: bool = False  # every worker keeps it in memory
    metrics: Mapping[str, float] = field(default_factory=dict)  # cross-validated; empty where they are not known
    trial: Trial | None = None


class VersionSource(Protocol):
    """Who says what is served."""

    problem: str | None  # why what it says may not be what others serve, as a sentence

    def read(self) -> dict[str, Choice]:
        """What is to be served now, by model; may wait some seconds for a database."""


def unit_of(conversation: Conversation) -> str | None:
    """What a split is sticky by: the deal, else its group, else the conversation; None where nothing is named."""
    for kind in ("deal_id", "group", "conversation_id"):
        if value := getattr(conversation, kind):
            return f"{kind} {value}"
    return None


def model_versions(artifacts: ArtifactFolder, name: str) -> list[ModelVersion]:
    """Every version of a model that is on this machine, the newest first."""
    return kept_versions(serving_folder(artifact_path(artifacts, name)))


def newest_versions(artifacts: ArtifactFolder) -> dict[str, Choice]:
    """The newest version of each model that is trained."""
    versions = {name: model_versions(artifacts, name) for name in MODEL_CLASSES}
    return {name: choice_of(found[0]) for name, found in versions.items() if found}


def choice_of(found: ModelVersion) -> Choice:
    """A version as what is served, chosen by nobody."""
    return Choice(found.version, metrics=found.manifest["cross_validation_metrics"])


def read_copy(path: Path) -> dict[str, Choice]:
    """What a file says is served, by model, also one of a release that had nothing but files; nothing where it is none."""
    try:
        entries = json.loads(path.read_bytes())
        return {name: _choice(entries[name]) for name in MODEL_CLASSES if name in entries}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_copy(path: Path, choices: Mapping[str, Choice]) -> None:
    """Writes such a file, which nobody but its owner may read. Raises InputError where it can't be written."""
    write_json(path, {name: asdict(choice) for name, choice in choices.items()})


def _choice(entry: dict[str, Any]) -> Choice:
    trial = entry.get("trial")
    return Choice(**{**entry, "trial": Trial(**trial) if trial else None})
