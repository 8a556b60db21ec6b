"""Trained models in the memory of one process: each loaded once, safe from many threads, exchanged while it runs.

Which version of a model is served is `answers.served_versions`, how it is loaded `answers.model_loader`; nothing here
knows HTTP. `follow` takes over what is to be served now: the new version is loaded and checked first and takes the old
one's place only then, so that a request finds one or the other. A version that is damaged is refused and the old one
stays. One that is not on this machine is told, and no other model takes its place. A version on trial is in memory beside
its champion; where it can't be, the champion answers alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from answers.model_loader import ModelLoader, ModelUnavailableError
from answers.served_versions import Choice, Trial, VersionSource, newest_versions, unit_of
from conversations.conversation import Conversation
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


@dataclass(frozen=True)
class Challenger:
    """A version on trial, in memory."""

    trial: Trial
    champion: str  # the version that it is compared with
    model: ConversionModel | None = None
    problem: str | None = None  # why it can't be loaded

    def should_answer(self, name: str, unit: str) -> bool:
        """Whether it answers for a deal."""
        return self.model is not None and self.trial.takes(name, unit)


class ModelServer:
    """The models of one artifact folder: the versions that `versions` says, or the newest of each."""

    def __init__(self, loader: ModelLoader, versions: VersionSource | None = None) -> None:
        self.loader = loader
        self.auto: str | None = None  # the model that `auto` means; None where there is none
        self._versions = versions
        self._served: dict[str, ServedModel] = {}
        self._challengers: dict[str, Challenger] = {}
        self._choices: dict[str, Choice] = {}
        self._on_disk: dict[str, list[str]] = {}  # of models whose chosen version is not served: what there was
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

    def model_for(self, name: str, conversation: Conversation) -> ConversionModel:
        """What answers for a conversation: the version on trial for its share of the deals, else the champion.

        Raises ModelUnavailableError.
        """
        challenger = self._challengers.get(name)
        if challenger is not None and challenger.model is not None:
            unit = unit_of(conversation) or os.urandom(16).hex()
            if challenger.should_answer(name, unit):
                return challenger.model
        return self.model(name)

    def challenger(self, name: str) -> Challenger | None:
        """A model's version on trial; None where there is none."""
        return self._challengers.get(name)

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
        """Whether other versions are to be served than `follow` last saw, or one that was missing has come; waits for
        the database."""
        if self._versions is None:
            return False
        arrived = any(self._listed(name) != before for name, before in self._on_disk.items())
        return arrived or self._versions.read() != self._choices

    def follow(self) -> None:
        """Takes over what is to be served now; loads what is in memory, or wanted, in another version."""
        with self._loading:
            choices = self._versions.read() if self._versions else newest_versions(self.folder)
            for name, choice in choices.items():
                self._follow(name, choice)
            self._challengers = {
                name: self._challenger(name, choice, choice.trial) for name, choice in choices.items() if choice.trial
            }
            behind = [name for name, choice in choices.items() if self._is_behind(name, choice)]
            self._choices, self._on_disk = choices, {name: self._listed(name) for name in behind}
            metrics = {name: found for name in self._served if (found := self._metrics(name))}
            self.auto = best_of(metrics) if metrics else None

    @property
    def versions(self) -> dict[str, str]:
        """The served version of each model in memory."""
        return {name: served.version for name, served in self._served.items() if served.model is not None}

    @property
    def trials(self) -> dict[str, str]:
        """The version on trial of each model that has one in memory."""
        return {name: one.trial.version for name, one in self._challengers.items() if one.model is not None}

    def references(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Served version and `drift_reference` of each model that is there."""
        return {
            name: (served.version, served.found.manifest.get("reference", {}))
            for name, served in self._served.items()
            if served.found is not None
        }

    def problem(self) -> str | None:
        """Why something is not served as it should be, `auto` first, as a sentence; None where all is well."""
        try:
            of_auto = self.served(self.resolve(AUTO)).problem
        except ModelUnavailableError as error:
            return str(error)
        others = [one.problem for one in self._served.values()]
        on_trial = [one.problem for one in self._challengers.values()]
        of_all = self._versions.problem if self._versions else None
        return next(filter(None, (of_auto, *others, *on_trial, of_all)), None)

    def ready(self) -> bool:
        """Whether `auto` is in memory."""
        return self.auto is not None and self._served[self.auto].model is not None

    def _is_behind(self, name: str, choice: Choice) -> bool:
        """Whether what was chosen is not served, as it is not there or can't be loaded."""
        served, challenger = self._served[name], self._challengers.get(name)
        is_short_of_a_trial = challenger is not None and challenger.model is None
        return served.version != choice.version or served.found is None or is_short_of_a_trial

    def _listed(self, name: str) -> list[str]:
        return [found.version for found in self.loader.versions(name)]

    def _metrics(self, name: str) -> Mapping[str, float]:
        """Of the version that is served, also where it is not on this machine: `auto` means the same on all of them."""
        served = self._served[name]
        if served.found is not None:
            return ranked_by(served.found.manifest)
        return self._choices[name].metrics

    def _challenger(self, name: str, choice: Choice, trial: Trial) -> Challenger:
        """The version on trial, loaded where it is not in memory yet."""
        old = self._challengers.get(name)
        if old is not None and old.trial.version == trial.version and old.model is not None:
            return Challenger(trial, choice.version, old.model)
        found = {one.version: one for one in self.loader.versions(name)}.get(trial.version)
        try:
            return Challenger(trial, choice.version, self.loader.load(name, found, trial.version))
        except ModelUnavailableError as error:
            return Challenger(trial, choice.version, problem=str(error))

    def _follow(self, name: str, choice: Choice) -> None:
        old = self._served.get(name)
        is_in_memory = old is not None and old.model is not None
        if old is not None and old.version == choice.version and old.found is not None:
            if is_in_memory:
                old.problem = None  # that of another version, which is not to be served any more
            if is_in_memory or not choice.wanted:
                return
        versions = self.loader.versions(name)
        new = ServedModel(choice.version, next((found for found in versions if found.version == choice.version), None))
        new.problem = None if new.found else self.loader.not_there(name, choice.version)
        on_trial = self._challengers.get(name)
        if on_trial is not None and on_trial.trial.version == choice.version and on_trial.model is not None:
            new.model = on_trial.model
        elif choice.wanted or is_in_memory:
            try:
                new.model = self.loader.load(name, new.found, new.version)
            except ModelUnavailableError as error:
                new.problem = str(error)
                if old is not None and old.model is not None:
                    old.problem = str(error)
                    return
        self._served[name] = new
