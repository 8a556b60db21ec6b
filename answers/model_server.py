"""Trained models in the memory of one process: each loaded once, safe from many threads, exchanged while it runs.

Which version of a model is served is `answers.served_versions`, how it is loaded `answers.model_loader`; nothing here
knows HTTP. `follow` takes over what is to be served now: the new version is loaded and checked first and takes the old
one's place only then, so that a request finds one or the other. A version that is damaged is refused and the old one
stays.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from answers.model_loader import ModelLoader, ModelUnavailableError
from answers.served_versions import Choice, ServedVersions, newest_versions
from foundations.artifact_folder import ArtifactFolder
from model_registry import best_of, how_to_train
from modelling.conversion_model import ConversionModel
from modelling.names import AUTO
from modelling.saved.serving_folder import files_fingerprint
from modelling.saved.training_record import ranked_by
from modelling.saved.versions import ModelVersion


@dataclass
class ServedModel:
    """What is served under a model's name."""

    version: str
    found: ModelVersion | None  # None: it is not there any more
    model: ConversionModel | None = None  # in memory
    problem: str | None = None  # why it, or the version that should replace it, can't be loaded


class ModelServer:
    """The models of one artifact folder: the versions that `versions` says, or the newest of each."""

    def __init__(self, loader: ModelLoader, versions: ServedVersions | None = None) -> None:
        self.loader = loader
        self.auto: str | None = None  # the model that `auto` means; None where there is none
        self._versions = versions
        self._served: dict[str, ServedModel] = {}
        self._stamp: tuple[int, int] | None = None
        self._loading = threading.RLock()
        self.follow()

    @property
    def folder(self) -> ArtifactFolder:
        """Where the models lie."""
        return self.loader.folder

    def resolve(self, name: str) -> str:
        """The model that `name` means, `auto` being the best one served. Raises ModelUnavailableError."""
        if name != AUTO:
            return name
        if self.auto is None:
            raise ModelUnavailableError(
                f"No model is trained in {str(self.folder.models)!r}; {how_to_train(self.folder)}."
            )
        return self.auto

    def model(self, name: str) -> ConversionModel:
        """A registered model by name, loaded on first use. Raises ModelUnavailableError, and never gives another model."""
        served = self._served.get(name)
        if served is not None and served.model is not None:
            return served.model
        with self._loading:
            served = self.served(name)
            if served.model is None:
                try:
                    served.model = self.loader.load(name, served.found, served.version)
                except ModelUnavailableError as error:
                    served.problem = str(error)
                    raise
                served.problem = None
            return served.model

    def served(self, name: str) -> ServedModel:
        """What is served under a name, in memory or not. Raises ModelUnavailableError where it isn't trained."""
        served = self._served.get(name)
        if served is None:
            raise ModelUnavailableError(f"The model {name!r} is not trained; {how_to_train(self.folder, name)}.")
        return served

    def with_fingerprint(self, name: str, fingerprint: str) -> ConversionModel | None:
        """The version of a model whose files have that fingerprint: the served one, or another that is kept."""
        for found in self.loader.versions(name):
            if files_fingerprint(found.manifest) == fingerprint:
                served = self._served.get(name)
                is_served = served is not None and served.version == found.version
                return self.model(name) if is_served else self.loader.load(name, found, found.version)
        return None

    def warm_up(self) -> str:
        """Loads the model that `auto` means, so that the first request is fast; gives its name."""
        name = self.resolve(AUTO)
        self.model(name)
        return name

    def changed(self) -> bool:
        """Whether other versions are to be served than `follow` last saw; costs a microsecond."""
        return self._versions is not None and self._versions.stamp() != self._stamp

    def follow(self) -> None:
        """Takes over what is to be served now; loads what is in memory, or wanted, in another version."""
        with self._loading:
            self._stamp = self._versions.stamp() if self._versions else None
            choices = self._versions.read() if self._versions else newest_versions(self.folder)
            for name, choice in choices.items():
                self._follow(name, choice)
            metrics = {
                name: ranked_by(served.found.manifest)
                for name, served in self._served.items()
                if served.found is not None
            }
            self.auto = best_of(metrics) if metrics else None

    @property
    def versions(self) -> dict[str, str]:
        """The served version of each model in memory."""
        return {name: served.version for name, served in self._served.items() if served.model is not None}

    def references(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Served version and `drift_reference` of each model that is there."""
        return {
            name: (served.version, served.found.manifest.get("reference", {}))
            for name, served in self._served.items()
            if served.found is not None
        }

    def problem(self) -> str | None:
        """Why `auto` can't be served now, or another version could not be loaded, as a sentence; None where all is well."""
        try:
            return self.served(self.resolve(AUTO)).problem
        except ModelUnavailableError as error:
            return str(error)

    def ready(self) -> bool:
        """Whether `auto` is in memory."""
        return self.auto is not None and self._served[self.auto].model is not None

    def _follow(self, name: str, choice: Choice) -> None:
        old = self._served.get(name)
        if old is not None and old.version == choice.version and (old.model is not None or not choice.wanted):
            return
        versions = self.loader.versions(name)
        new = ServedModel(choice.version, next((found for found in versions if found.version == choice.version), None))
        if choice.wanted or (old is not None and old.model is not None):
            try:
                new.model = self.loader.load(name, new.found, new.version)
            except ModelUnavailableError as error:
                new.problem = str(error)
                if old is not None and old.model is not None:
                    old.problem = str(error)
                    return
        self._served[name] = new
