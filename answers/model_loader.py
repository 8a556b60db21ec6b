"""The files of trained models: which versions of a model there are, and one of them loaded and tried out.

Keeps nothing: what is in memory is `answers.model_server`. Loading costs under a second; each model has its own encoder,
20 to 90 MB.
"""

from __future__ import annotations

from answers.served_versions import model_versions
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError, UnavailableError
from model_registry import MODEL_CLASSES, artifact_path, how_to_train, model_class
from modelling.conversion_model import ConversionModel
from modelling.saved.versions import ModelVersion


class ModelUnavailableError(UnavailableError):
    """A model isn't trained, or its artifact is damaged."""

    code = "model_unavailable"


class ModelLoader:
    """The models of one artifact folder as files; each runs on `threads` cores once it is loaded."""

    def __init__(self, folder: ArtifactFolder, threads: int) -> None:
        self.folder = folder
        self._threads = threads

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model that is there, the newest first."""
        return model_versions(self.folder, name)

    def find(self, name: str, version: str | None) -> ModelVersion:
        """A version of a model, the newest where None is given.

        Raises LookupError where there is no such version, ModelUnavailableError where there is none at all.
        """
        versions = self.versions(name)
        if version is None:
            if versions and versions[0].newest:
                return versions[0]
            raise ModelUnavailableError(
                f"The model {name!r} is not trained, or its manifest was changed; {how_to_train(self.folder, name)}."
            )
        for found in versions:
            if found.version == version:
                return found
        known = ", ".join(found.version for found in versions) or "none"
        others = [other for other in MODEL_CLASSES if version in [one.version for one in self.versions(other)]]
        what = f"{version!r} is a version of {others[0]!r}, not" if others else f"There is no version {version!r}"
        raise LookupError(f"{what} of {name!r}; there is {known}.")

    def load(self, name: str, found: ModelVersion | None, version: str) -> ConversionModel:
        """`found`, the `version` of a model, run once; None where it is not there. Raises ModelUnavailableError."""
        if found is None:
            raise ModelUnavailableError(self.not_there(name, version))
        try:
            path = artifact_path(self.folder, name)
            model = model_class(name).load_served(path, self._threads, found.folder)
        except InputError as error:
            raise ModelUnavailableError(str(error)) from error
        model.version = found.version
        model.predict_proba([Conversation(transcript="They asked for a proposal and a date.")])
        return model

    def not_there(self, name: str, version: str) -> str:
        """What is said of a version whose files are not on this machine, or were changed."""
        return (
            f"The version {version!r} of {name!r} is not on this machine or was changed; load another, or "
            f"{how_to_train(self.folder, name)}."
        )
