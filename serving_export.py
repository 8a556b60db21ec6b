"""Exports a trained model for serving, in the lowest precision that does not cost accuracy.

Candidates are tried from the fastest: int8, int8 but for the widest layers, fp32. A quantised one is taken only if
validation accuracy and ROC AUC lose at most half a point and probabilities move by at most 0.02 on average; fp32 must give
the same probabilities to 0.001. The models have learned from validation, too: it tells one precision from another, and
says nothing of how good either is. What was measured is kept in the manifest. Runs in training and needs PyTorch; about two
seconds for the bundled encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classification_metrics import classification_metrics
from conversation import Conversation, labels_of
from conversation_vectors import segment_conversations
from onnx_export import PRECISIONS, export_encoder
from serving_artifact import write_serving_artifact

if TYPE_CHECKING:
    from saved_model import SavedModel

LARGEST_LOSS = 0.005  # of accuracy and ROC AUC, for a quantised model
LARGEST_MEAN_DIFFERENCE = 0.02  # of the validation probabilities, for a quantised model
LARGEST_DIFFERENCE = 1e-3  # of any validation probability, for fp32


def write_serving_folder(
    model: SavedModel, training: Sequence[Conversation], validation: Sequence[Conversation], folder: Path
) -> None:
    """Writes `folder` for a model fitted in this process. Raises RuntimeError where even fp32 isn't the same model.

    training: gives the texts that int8 ranges are measured on; validation: what precisions are compared on.
    """
    reference = model.predict_proba(validation)
    labels = labels_of(validation)
    checks: dict[str, Any] = {}
    texts = segment_conversations(model.encoder, training).texts
    exported = {name: export_encoder(encoder, texts) for name, encoder in model.encoders.items()}
    for precision in PRECISIONS:
        served = model.with_encoders({name: of.encoder(precision) for name, of in exported.items()})
        checks[precision] = _comparison(labels, reference, served.predict_proba(validation))
        if _passes(precision, checks[precision]):
            serving = {"precision": precision, "max_tokens": model.encoder.max_tokens, "parity": checks}
            description = {**model._description(), "serving": serving}
            files = {name: of.files(precision) for name, of in exported.items()}
            return write_serving_artifact(folder, files, model.encoder.tokenizer, model.serving_state(), description)
    raise RuntimeError(f"the exported {model.name} differs from the trained one: {checks}")


def _comparison(labels: Any, reference: Any, served: Any) -> dict[str, float]:
    """How the served probabilities differ from the trained model's, on the same conversations."""
    before, after = classification_metrics(labels, reference), classification_metrics(labels, served)
    return {
        "largest_difference": float(np.max(np.abs(reference - served))),
        "mean_difference": float(np.mean(np.abs(reference - served))),
        **{f"{metric}_loss": before[metric] - after[metric] for metric in ("accuracy", "roc_auc")},
    }


def _passes(precision: str, check: dict[str, float]) -> bool:
    if precision == "fp32":
        return check["largest_difference"] <= LARGEST_DIFFERENCE
    ranks_as_well = max(check["accuracy_loss"], check["roc_auc_loss"]) <= LARGEST_LOSS
    return ranks_as_well and check["mean_difference"] <= LARGEST_MEAN_DIFFERENCE
