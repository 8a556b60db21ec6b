"""Names of models → classes and artifacts; `auto` → the trained model with the best cross-validated log loss.

The only module that knows the classes. To add a model: write a ConversionModel, put its name into `modelling.names` and
its class here (docs/architecture.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classification_head_model import ClassificationHeadModel
from contrastive_learning_model import ContrastiveModel
from ensemble_model import EnsembleModel
from few_shot_model import FewShotModel
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from modelling.conversion_model import ConversionModel
from modelling.names import AUTO, CLASSIFICATION_HEAD, CONTRASTIVE, ENSEMBLE, FEW_SHOT, STARTER, require_known
from modelling.saved.artifact import manifest_path, read_manifest
from starter_model import StarterModel

CHANCE = 0.01  # nats of log loss that a few hundred conversations can't tell apart
MODEL_CLASSES: dict[str, type[ConversionModel]] = {
    STARTER: StarterModel,
    FEW_SHOT: FewShotModel,
    CLASSIFICATION_HEAD: ClassificationHeadModel,
    CONTRASTIVE: ContrastiveModel,
    ENSEMBLE: EnsembleModel,
}


class ModelNotTrainedError(InputError):
    """A model was asked for that has no artifact; the message says how to train it."""


def model_class(name: str) -> type[ConversionModel]:
    """The class of a model name. Raises InputError for a name that is not registered."""
    return MODEL_CLASSES[require_known(name)]


def artifact_path(folder: ArtifactFolder, name: str) -> Path:
    """Where the artifact of a model lies, whether it is there or not."""
    return folder.models / model_class(name).artifact_file


def trained_models(folder: ArtifactFolder) -> dict[str, dict[str, Any]]:
    """Manifests of the models that have been trained, by name, in the registry's order."""
    paths = {name: artifact_path(folder, name) for name in MODEL_CLASSES}
    return {name: read_manifest(path) for name, path in paths.items() if os.path.isfile(manifest_path(path))}


def best_model_name(folder: ArtifactFolder) -> str:
    """The trained model with the lowest cross-validated log loss. Raises ModelNotTrainedError where there is none."""
    manifests = trained_models(folder)
    if not manifests:
        raise ModelNotTrainedError(f"No model is trained in {str(folder.models)!r}; {how_to_train(folder)}.")
    return best_of({name: manifest["cross_validation_metrics"] for name, manifest in manifests.items()})


def best_of(cross_validation_metrics: Mapping[str, Mapping[str, float]]) -> str:
    """The name with the lowest log loss, what `auto` means; the ensemble where it is within CHANCE of that.

    Between models so close it is chance who leads, and then the vote of all is the safer one.
    """
    losses = {name: metrics["log_loss"] for name, metrics in cross_validation_metrics.items()}
    best = min(losses, key=lambda name: losses[name])
    return ENSEMBLE if ENSEMBLE in losses and losses[ENSEMBLE] <= losses[best] + CHANCE else best


def embedding_model_name(folder: ArtifactFolder) -> str:
    """The trained model whose embedding finds similar conversations: the one that learns it, else the best of all.

    Raises ModelNotTrainedError where there is none.
    """
    best = best_model_name(folder)
    return next((name for name in trained_models(folder) if model_class(name).learns_embedding), best)


def load_model(folder: ArtifactFolder, name: str, threads: int | None = None) -> ConversionModel:
    """Loads a trained model for serving, `auto` meaning the best; `threads` None means what the settings say.

    Needs no PyTorch. Raises ModelNotTrainedError where it has no artifact, InputError where that is damaged.
    """
    name = best_model_name(folder) if name == AUTO else name
    path = artifact_path(folder, name)
    if not os.path.isfile(path):
        raise ModelNotTrainedError(
            f"The model {name!r} is not trained (no {str(path)!r}); {how_to_train(folder, name)}."
        )
    return model_class(name).load_served(path, threads or load_settings().threads)


def how_to_train(folder: ArtifactFolder, name: str = "all") -> str:
    """The command that trains a model, or all, for an error message."""
    return f"train it with: python main.py --mode train --model {name} --artifacts {folder.root}"
