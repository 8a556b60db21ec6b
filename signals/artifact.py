"""The signal detector on disk: artifacts/models/signals/, the head and the encoder that was tuned with it.

A folder as `modelling.saved.serving_folder` declares it, so serving needs no PyTorch. The encoder is int8 where that
finds the same signals, else fp32; what was compared is in the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encoder.onnx_encoder import OnnxTextEncoder
from encoder.text_encoder import EncoderIdentity, TextEncoder
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from modelling.saved.serving_folder import read_serving_artifact, write_serving_artifact
from signals.finder import SignalFinder
from signals.head import THRESHOLD, SignalHead, found_labels
from signals.sentences import SIGNAL_LABELS, TRAINING_SENTENCES, read_training_sentences

_MODEL = "signals"
LARGEST_CHANGED_SHARE = 0.01  # of all (sentence, label) answers that a quantised encoder may change
LARGEST_MEAN_DIFFERENCE = 0.02  # of the probabilities, for a quantised encoder
_EVERY = 32  # of the training sentences, that precisions are compared on: quick, and enough for a percentage


def save_signal_finder(
    head: SignalHead, encoder: TextEncoder, folder: Path, texts: Sequence[str] = (), seed: int = 42
) -> list[Path]:
    """Writes the folder and returns its files. Needs the encoder in PyTorch; about three seconds for the bundled one.

    texts: what the models that are served beside it were exported with (`encoder.onnx_export.export_encoder`).
    """
    from encoder.onnx_export import PRECISIONS, export_encoder

    every_sentence = read_training_sentences().texts
    sentences = every_sentence[::_EVERY]
    reference = head.scores(encoder.embed_texts(sentences))
    exported = export_encoder(encoder, texts, every_sentence)
    checks: dict[str, Any] = {}
    for precision in PRECISIONS:
        scores = head.scores(exported.encoder(precision).embed_texts(sentences))
        checks[precision] = {
            "changed_share": float(np.mean(found_labels(scores) != found_labels(reference))),
            "mean_difference": float(np.mean(np.abs(scores - reference))),
        }
        if precision == "fp32" or _is_as_good(checks[precision]):
            break
    serving = {"precision": precision, "max_tokens": encoder.max_tokens, "parity": checks}
    description = {**_description(head, encoder, seed), "serving": serving}
    write_serving_artifact(folder, {"encoder": exported.files(precision)}, encoder.tokenizer, head.state(), description)
    return sorted(path for path in folder.iterdir() if path.is_file())


def load_signal_finder(folder: Path, threads: int = 1) -> SignalFinder:
    """Reads what `save_signal_finder` wrote. Raises InputError where it is missing, damaged or of other labels."""
    artifact = read_serving_artifact(folder)
    manifest, serving = artifact.manifest, artifact.manifest["serving"]
    if manifest["model"] != _MODEL or manifest["hyper_parameters"].get("labels") != list(SIGNAL_LABELS):
        raise InputError(f"{str(folder)!r} holds no detector of today's signals; run: python main.py --mode train")
    encoder = OnnxTextEncoder(
        artifact.encoders["encoder"],
        artifact.tokenizer,
        EncoderIdentity(**manifest["encoder"]),
        max_tokens=serving["max_tokens"],
        threads=threads,
    )
    return SignalFinder(encoder, SignalHead.from_state(artifact.state))


def _is_as_good(check: dict[str, float]) -> bool:
    return (
        check["changed_share"] <= LARGEST_CHANGED_SHARE and check["mean_difference"] <= LARGEST_MEAN_DIFFERENCE
    )  # fmt: skip


def _description(head: SignalHead, encoder: TextEncoder, seed: int) -> dict[str, Any]:
    return {
        "model": _MODEL,
        "encoder": encoder.identity.as_dict(),
        "training_data_sha256": file_sha256(TRAINING_SENTENCES),
        "seed": seed,
        "hyper_parameters": {"threshold": THRESHOLD, "labels": list(SIGNAL_LABELS)},
        "calibration": {},
        "validation_metrics": {},
        "cross_validation_metrics": {},
        "history": {},
    }
