"""The names of the models, apart from their classes, so that `--help` and request checks need no torch.

`model_registry` has the class of each; a test holds the two against each other.
"""

from __future__ import annotations

MODEL_NAMES = ("few_shot", "classification_head", "contrastive", "ensemble")
AUTO = "auto"  # the trained model with the best cross-validated log loss
