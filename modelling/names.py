"""The names of the models, apart from their classes, so that `--help` and request checks need none of them.

This is the one place where the names stand; `model_registry` gives each its class.
"""

from __future__ import annotations

from encoder.text_encoder import MULTILINGUAL, SALES
from foundations.errors import InputError

STARTER = "starter"
FEW_SHOT, CLASSIFICATION_HEAD, CONTRASTIVE, ENSEMBLE = "few_shot", "classification_head", "contrastive", "ensemble"
MODEL_NAMES = (STARTER, FEW_SHOT, CLASSIFICATION_HEAD, CONTRASTIVE, ENSEMBLE)
STARTER_ENCODERS = (SALES, MULTILINGUAL)  # that come with a head for it (`modelling.starter_head`)
AUTO = "auto"  # the trained model with the best cross-validated log loss


def require_known(name: str) -> str:
    """The name itself. Raises InputError for one that no model has."""
    if name not in MODEL_NAMES:
        raise InputError(f"There is no model {name!r}; the models are {', '.join(MODEL_NAMES)} and {AUTO!r}.")
    return name
