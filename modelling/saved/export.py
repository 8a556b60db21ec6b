"""Exports a trained model for serving, in the lowest precision that does not cost accuracy.

fp32 must give the same probabilities to 0.001, whichever is taken: that is what tells a wrong graph. Candidates are
tried from the fastest: int8, int8 but for the widest layers, fp32. A quantised one is taken only if accuracy and ROC AUC
lose at most half a point, two conversations on the wrong side apart, and probabilities move by at most 0.02 on average, on
the validation conversations and, where those are few, on others that the model learned from: of 20, a single pair in
another order is a point of ROC AUC. They tell one precision from another, and say nothing of how good either is. What was
measured is kept in the manifest. Runs in training and needs PyTorch; about two seconds for the bundled encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from encoder.onnx_export import PRECISIONS, export_encoder
from modelling.saved.serving_folder import write_serving_artifact
from probability.metrics import classification_metrics

if TYPE_CHECKING:
    from modelling.saved.saved_model import SavedModel

LARGEST_LOSS = 0.005  # of accuracy and ROC AUC, for a quantised model
BY_CHANCE = 2  # conversations that may fall to the wrong side besides: those next to one half fall to either
LARGEST_MEAN_DIFFERENCE = 0.02  # of the validation probabilities, for a quantised model
LARGEST_DIFFERENCE = 1e-3  # of any validation probability, for fp32
COMPARED = 100  # conversations, at least, where so many are there
FP32_CONVERSATIONS = 20  # that fp32 is compared on where it is not what is served: a wrong graph shows on any


def write_serving_folder(
    model: SavedModel,
    texts: tuple[Sequence[str], Sequence[str]],
    train: Sequence[Conversation],
    validation: Sequence[Conversation],
    folder: Path,
) -> None:
    """Writes `folder` for a model fitted in this process. Raises RuntimeError where even fp32 isn't the same model.

    texts: what int8 ranges are measured on, as `export_encoder` takes them; train, validation: what the model learned
    from, and what precisions are compared on.
    """
    compared = _compared(train, validation)
    reference = model.predict_proba(compared)
    labels = labels_of(compared)
    exported = {name: export_encoder(encoder, *texts) for name, encoder in model.encoders.items()}

    def probabilities(precision: str, of: Sequence[Conversation]) -> NDArray[np.float64]:
        served = model.with_encoders({name: files.encoder(precision) for name, files in exported.items()})
        return served.predict_proba(of)

    few = compared[:FP32_CONVERSATIONS]
    checks: dict[str, Any] = {"fp32": _differences(reference[: len(few)], probabilities("fp32", few))}
    if not passes("fp32", checks["fp32"]):
        raise RuntimeError(f"the exported {model.name} differs from the trained one: {checks}")
    for precision in PRECISIONS:
        checks[precision] = _comparison(labels, reference, probabilities(precision, compared))
        if passes(precision, checks[precision]):
            serving = {"precision": precision, "max_tokens": model.encoder.max_tokens, "parity": checks}
            description = {**model._description(), "serving": serving}
            files = {name: of.files(precision) for name, of in exported.items()}
            return write_serving_artifact(folder, files, model.encoder.tokenizer, model.serving_state(), description)
    raise RuntimeError(f"the exported {model.name} differs from the trained one: {checks}")


def _compared(train: Sequence[Conversation], validation: Sequence[Conversation]) -> list[Conversation]:
    """Validation first, then of training as many as are missing, evenly drawn."""
    missing = min(max(0, COMPARED - len(validation)), len(train))
    drawn = np.linspace(0, len(train) - 1, missing).astype(int)
    return [*validation, *(train[place] for place in drawn)]


def _differences(reference: Any, served: Any) -> dict[str, float]:
    """Between the served probabilities and the trained model's, on the same conversations."""
    return {
        "conversations": len(reference),
        "largest_difference": float(np.max(np.abs(reference - served))),
        "mean_difference": float(np.mean(np.abs(reference - served))),
    }


def _comparison(labels: Any, reference: Any, served: Any) -> dict[str, float]:
    """The same, and how much worse the served probabilities are."""
    before, after = classification_metrics(labels, reference), classification_metrics(labels, served)
    return {
        **_differences(reference, served),
        **{f"{metric}_loss": before[metric] - after[metric] for metric in ("accuracy", "roc_auc")},
    }


def passes(precision: str, check: dict[str, float]) -> bool:
    """Whether a precision may be served; check: what was measured of it, as the manifest keeps it."""
    if precision == "fp32":
        return check["largest_difference"] <= LARGEST_DIFFERENCE
    decides_as_well = check["accuracy_loss"] <= LARGEST_LOSS + BY_CHANCE / check["conversations"]
    ranks_as_well = check["roc_auc_loss"] <= LARGEST_LOSS
    return decides_as_well and ranks_as_well and check["mean_difference"] <= LARGEST_MEAN_DIFFERENCE
