"""Trained models in the memory of one process: each loaded once, safe from many threads, exchanged while it runs.

Knows the contract and the registry, nothing of HTTP. Which version of a model is served is `answers.served_versions`; `follow`
takes over what changed there: the new version is loaded and checked first and takes the old one's place only then, so
that a request finds one or the other. A version that is damaged is refused and the old one stays. Loading costs under a
second and each model has its encoder, 20 to 90 MB.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from answers.model_list import ModelInfo, ModelStatus, trained_model, untrained_model
from answers.served_versions import Choice, ServedVersions, model_versions, newest_versions
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError, UnavailableError
from model_registry import MODEL_CLASSES, artifact_path, best_of, how_to_train, model_class
from modelling.conversion_model import ConversionModel
from modelling.names import AUTO
from modelling.saved.serving_folder import files_fingerprint
from modelling.saved.versions import ModelVersion
from signals.artifact import load_signal_finder
from signals.finder import Signal, SignalFinder, find_signals
from similarity.index_files import IndexFolder
from similarity.search import SimilarSearch, how_to_index
from similarity.vector_index import IndexPlace


class ModelUnavailableError(UnavailableError):
    """A model isn't trained, or its artifact is damaged."""

    code = "model_unavailable"


class SignalsUnavailableError(UnavailableError):
    """What finds signals isn't trained, or is damaged."""

    code = "signals_unavailable"


@dataclass
class _Served:
    """What is served under a model's name."""

    version: str
    found: ModelVersion | None  # None: it is not there any more
    model: ConversionModel | None = None
    problem: str | None = None  # why it, or the version that should replace it, can't be loaded


class ModelServer:
    """The models of one artifact folder: the versions that `versions` says, or the newest of each."""

    def __init__(
        self,
        folder: ArtifactFolder,
        threads: int,
        versions: ServedVersions | None = None,
        place: IndexPlace | None = None,
    ) -> None:
        """place: where similar conversations are looked for, the folder's own index where None is given."""
        self.folder = folder
        self.started = time.monotonic()
        self._threads = threads
        self._versions = versions
        self._served: dict[str, _Served] = {}
        self._auto: str | None = None
        self._stamp: tuple[int, int] | None = None
        self._signals: SignalFinder | None = None
        self._loading = threading.RLock()
        remedy = how_to_index(folder)
        place = place or IndexFolder(folder.similar_index, remedy)
        self.similar = SimilarSearch(place, self._with_fingerprint, remedy)
        self.follow()

    def resolve(self, name: str) -> str:
        """The model that `name` means, `auto` being the best one served. Raises ModelUnavailableError."""
        if name != AUTO:
            return name
        if self._auto is None:
            raise ModelUnavailableError(
                f"No model is trained in {str(self.folder.models)!r}; {how_to_train(self.folder)}."
            )
        return self._auto

    def model(self, name: str) -> ConversionModel:
        """A registered model by name, loaded on first use. Raises ModelUnavailableError, and never gives another model."""
        served = self._served.get(name)
        if served is not None and served.model is not None:
            return served.model
        with self._loading:
            served = self._entry(name)
            if served.model is None:
                try:
                    served.model = self.read(name, served.found, served.version)
                except ModelUnavailableError as error:
                    served.problem = str(error)
                    raise
                served.problem = None
            return served.model

    def read(self, name: str, found: ModelVersion | None, version: str) -> ConversionModel:
        """Loads a version from its files and runs it once, without serving it. Raises ModelUnavailableError."""
        if found is None:
            raise ModelUnavailableError(
                f"The version {version!r} of {name!r} is not there or was changed; load another, or "
                f"{how_to_train(self.folder, name)}."
            )
        try:
            path = artifact_path(self.folder, name)
            model = model_class(name).load_served(path, self._threads, found.folder)
        except InputError as error:
            raise ModelUnavailableError(str(error)) from error
        model.version = found.version
        model.predict_proba([Conversation(transcript="They asked for a proposal and a date.")])
        return model

    def signals(self, conversation: Conversation) -> list[Signal]:
        """What `signals.finder` finds in a conversation. Raises SignalsUnavailableError."""
        if self._signals is None:
            with self._loading:
                try:
                    self._signals = self._signals or load_signal_finder(self.folder.signals, self._threads)
                except InputError as error:
                    raise SignalsUnavailableError(str(error)) from error
        return find_signals(conversation, self._signals)

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
                name: served.found.manifest["cross_validation_metrics"]
                for name, served in self._served.items()
                if served.found is not None
            }
            self._auto = best_of(metrics) if metrics else None

    @property
    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return sorted(name for name, served in self._served.items() if served.model is not None)

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

    def find(self, name: str, version: str | None) -> ModelVersion:
        """A version of a model, the newest where None is given.

        Raises LookupError where there is no such version, ModelUnavailableError where there is none at all.
        """
        versions = model_versions(self.folder, name)
        if version is None:
            found = versions[0] if versions and versions[0].newest else None
            if found is None:
                raise ModelUnavailableError(
                    f"The model {name!r} is not trained, or its manifest was changed; {how_to_train(self.folder, name)}."
                )
            return found
        for found in versions:
            if found.version == version:
                return found
        known = ", ".join(found.version for found in versions) or "none"
        raise LookupError(f"There is no version {version!r} of {name!r}; there is {known}.")

    def problem(self) -> str | None:
        """Why `auto` can't be served now, or another version could not be loaded, as a sentence; None where all is well."""
        try:
            return self._entry(self.resolve(AUTO)).problem
        except ModelUnavailableError as error:
            return str(error)

    def ready(self) -> bool:
        """Whether `auto` is in memory."""
        return self._auto is not None and self._served[self._auto].model is not None

    def auto(self) -> str | None:
        """The model that `auto` means, None where there is none."""
        return self._auto

    def describe(self, loaded_by: dict[str, int]) -> list[ModelInfo]:
        """Every registered model, trained or not. loaded_by: the number of workers that have it in memory."""
        return [self._describe(name, loaded_by.get(name, 0)) for name in MODEL_CLASSES]

    def _follow(self, name: str, choice: Choice) -> None:
        old = self._served.get(name)
        if old is not None and old.version == choice.version and (old.model is not None or not choice.wanted):
            return
        versions = model_versions(self.folder, name)
        new = _Served(choice.version, next((found for found in versions if found.version == choice.version), None))
        if choice.wanted or (old is not None and old.model is not None):
            try:
                new.model = self.read(name, new.found, new.version)
            except ModelUnavailableError as error:
                new.problem = str(error)
                if old is not None and old.model is not None:
                    old.problem = str(error)
                    return
        self._served[name] = new

    def _with_fingerprint(self, name: str, fingerprint: str) -> ConversionModel | None:
        """The version of a model whose files have that fingerprint: the served one, or another that is kept."""
        for found in model_versions(self.folder, name):
            if files_fingerprint(found.manifest) == fingerprint:
                served = self._served.get(name)
                is_served = served is not None and served.version == found.version
                return self.model(name) if is_served else self.read(name, found, found.version)
        return None

    def _entry(self, name: str) -> _Served:
        served = self._served.get(name)
        if served is None:
            raise ModelUnavailableError(f"The model {name!r} is not trained; {how_to_train(self.folder, name)}.")
        return served

    def _describe(self, name: str, loaded_by: int) -> ModelInfo:
        status = ModelStatus(auto=name == self._auto, loaded=name in self.loaded, loaded_by=loaded_by)
        try:
            served = self._entry(name)
        except ModelUnavailableError as error:
            return untrained_model(name, status, str(error))
        versions = model_versions(self.folder, name)
        return trained_model(name, status, served.found, served.version, versions, served.problem)
