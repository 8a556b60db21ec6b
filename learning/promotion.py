"""What is served, and the one call that has another version served: all that retraining knows of served versions."""

from __future__ import annotations

from answers.model_loader import ModelLoader
from answers.model_server import ModelServer
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import Settings
from learning import roles
from learning.served_versions import ServedVersions
from prediction_log.actors import Actor
from prediction_log.store import PredictionStore

_RETRAINING = Actor("retraining", "", "")  # in the audit log


def served_models(settings: Settings, store: PredictionStore) -> ModelServer:
    """The models as the service serves them; where it never ran, the newest of each."""
    loader = ModelLoader(ArtifactFolder(settings.artifacts), settings.threads)
    return ModelServer(loader, ServedVersions(settings, store))


def promote(settings: Settings, store: PredictionStore, model: str, version: str) -> None:
    """Has every worker of every machine serve a version, now and after later starts; those that run follow within a second.

    It is loaded and run once before. Raises ModelUnavailableError where it is damaged, StoreAwayError where the database is
    away; the version before stays then.
    """
    loader = ModelLoader(ArtifactFolder(settings.artifacts), settings.threads)
    found = loader.find(model, version)
    loader.load(model, found, version)
    roles.promote(store, model, found, _RETRAINING)
