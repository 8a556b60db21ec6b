"""What is served, and the one call that has another version served: all that retraining knows of served versions."""

from __future__ import annotations

from answers.model_loader import ModelLoader
from answers.model_server import ModelServer
from answers.served_versions import Choice, ServedVersions
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import Settings


def served_models(settings: Settings) -> ModelServer:
    """The models as the service serves them; where it never ran, the newest of each."""
    artifacts = ArtifactFolder(settings.artifacts)
    versions = ServedVersions(artifacts, settings.state_folder)
    loader = ModelLoader(artifacts, settings.threads)
    return ModelServer(loader, versions if versions.read() else None)


def promote(settings: Settings, model: str, version: str) -> None:
    """Has every worker serve a version, now and after later starts; those that run follow within a second.

    It is loaded and run once before. Raises ModelUnavailableError where it is damaged, InputError where the state folder can't
    be written to; the version before stays then.
    """
    artifacts = ArtifactFolder(settings.artifacts)
    loader = ModelLoader(artifacts, settings.threads)
    loader.load(model, loader.find(model, version), version)
    ServedVersions(artifacts, settings.state_folder).serve(model, Choice(version, pinned=True, wanted=True))
