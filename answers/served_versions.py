"""Which version of each model is served: chosen by the operator, agreed on by all workers.

It stands in serving.json of the service's state folder. A start takes the newest version of each model but for one that
was pinned; a load changes the file, and every worker follows within a second. The versions are `modelling.saved.versions`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import make_private_folder, open_private, write_json
from foundations.errors import InputError
from model_registry import MODEL_CLASSES, ModelNotTrainedError, artifact_path, how_to_train
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import ModelVersion, kept_versions


@dataclass(frozen=True)
class Choice:
    """What is served under a model's name."""

    version: str
    pinned: bool = False  # by version; a new start keeps it
    wanted: bool = False  # loaded by name: every worker keeps it in memory


def model_versions(artifacts: ArtifactFolder, name: str) -> list[ModelVersion]:
    """Every version of a model that is there, the newest first."""
    return kept_versions(serving_folder(artifact_path(artifacts, name)))


def newest_versions(artifacts: ArtifactFolder) -> dict[str, Choice]:
    """The newest version of each model that is trained."""
    versions = {name: model_versions(artifacts, name) for name in MODEL_CLASSES}
    return {name: Choice(found[0].version) for name, found in versions.items() if found}


class ServedVersions:
    """serving.json of one state folder."""

    def __init__(self, artifacts: ArtifactFolder, state: Path) -> None:
        self._artifacts = artifacts
        self._path = state / "serving.json"
        self._lock = state / ".serving.lock"

    def start(self, service: Path) -> None:
        """Takes the newest versions, once for each service, whichever of its workers comes first.

        service: the folder of `service.shared`. Raises ModelNotTrainedError where there is no model, InputError where
        the state folder can't be written to.
        """
        self._check_trained(service)  # before anything is written
        with self._locked():
            if (service / "started").exists():
                return
            before = self.read()
            choices = {}
            for name in MODEL_CLASSES:
                versions = [found.version for found in model_versions(self._artifacts, name)]
                old = before.get(name)
                if old and old.pinned and old.version in versions:
                    choices[name] = old
                elif versions:
                    choices[name] = Choice(versions[0])
            self._write(choices)
            (service / "started").touch()

    def _check_trained(self, service: Path) -> None:
        if not (service / "started").exists() and not any(model_versions(self._artifacts, n) for n in MODEL_CLASSES):
            raise ModelNotTrainedError(
                f"No model is trained in {str(self._artifacts.models)!r}; {how_to_train(self._artifacts)}."
            )

    def serve(self, name: str, choice: Choice) -> None:
        """Makes every worker serve it. Raises InputError where the state folder can't be written to."""
        with self._locked():
            self._write({**self.read(), name: choice})

    def read(self) -> dict[str, Choice]:
        """What is served, by model; nothing where there is no file."""
        try:
            entries = json.loads(self._path.read_bytes())
            return {name: Choice(**entries[name]) for name in MODEL_CLASSES if name in entries}
        except (OSError, ValueError, TypeError):
            return {}

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the file does."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _write(self, choices: dict[str, Choice]) -> None:
        write_json(self._path, {name: vars(choice) for name, choice in choices.items()})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            make_private_folder(self._lock.parent)
            file = open_private(self._lock)
        except OSError as error:
            raise InputError(
                f"Cannot write to {str(self._lock.parent)!r} ({error.strerror}); give a folder with SALES_STATE."
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
