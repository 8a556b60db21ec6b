"""The artifact format: a file of tensors and plain values, and a manifest beside it with the file's SHA-256.

`save_artifact` and `load_artifact` are the only code that writes or reads a trained model. The file holds data, never
code: it is read with `weights_only=True`, and only after its SHA-256 has been checked. The manifest is what listings
and `auto` read, so they need not open the file.
"""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from atomic_files import write_atomically, write_json
from input_error import InputError

FORMAT_VERSION = 1
_RECORDED_PACKAGES = ("torch", "transformers", "numpy", "scikit-learn")
_MANIFEST_KEYS = {
    *("format_version", "file", "sha256", "model", "encoder", "training_data_sha256", "seed", "hyper_parameters"),
    *("calibration", "validation_metrics", "history", "package_versions", "created_at"),
}


def manifest_path(artifact: Path) -> Path:
    """few_shot_sales_model.pkl → few_shot_sales_model.manifest.json."""
    return artifact.with_suffix(".manifest.json")


def save_artifact(path: Path, state: dict[str, Any], description: dict[str, Any]) -> None:
    """Writes the artifact and then its manifest, each atomically.

    state: tensors and plain values; description: what both files carry (model, encoder, seed, hyper-parameters, …), to
    which format version, package versions and time are added.
    """
    described = {
        "format_version": FORMAT_VERSION,
        **description,
        "package_versions": {package: version(package) for package in _RECORDED_PACKAGES},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    buffer = io.BytesIO()
    torch.save({"description": described, "state": state}, buffer)
    data = buffer.getvalue()
    write_atomically(path, lambda file: file.write(data))
    digest = hashlib.sha256(data).hexdigest()
    write_json(manifest_path(path), {"file": path.name, "sha256": digest, **described})


def read_manifest(artifact: Path) -> dict[str, Any]:
    """The manifest of an artifact. Raises InputError where there is none or it isn't one of ours."""
    path = manifest_path(artifact)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"There is no manifest {str(path)!r}; train the model again.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The manifest {str(path)!r} is damaged ({error}); train the model again.") from error
    if not isinstance(manifest, dict) or not manifest.keys() >= _MANIFEST_KEYS:
        raise InputError(f"The manifest {str(path)!r} lacks some of {sorted(_MANIFEST_KEYS)}; train the model again.")
    if manifest["format_version"] != FORMAT_VERSION:
        raise InputError(
            f"The manifest {str(path)!r} has format version {manifest['format_version']!r}, this program reads "
            f"{FORMAT_VERSION}; train the model again."
        )
    return manifest


def load_artifact(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(state, manifest) of an artifact whose bytes are those that were written.

    Raises InputError where the file is missing, its SHA-256 differs from the manifest's, or it holds anything but data.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read the model {str(path)!r} ({error.strerror}); train it first.") from error
    manifest = read_manifest(path)
    found = hashlib.sha256(data).hexdigest()
    if found != manifest["sha256"]:
        raise InputError(
            f"The model {str(path)!r} was changed after training: its SHA-256 is {found}, its manifest says "
            f"{manifest['sha256']}; train it again or restore the file."
        )
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler meets foreign bytes with almost any exception
        raise InputError(f"The model {str(path)!r} holds more than data and is refused; train it again.") from error
    if not isinstance(content, dict) or "state" not in content:
        raise InputError(f"The model {str(path)!r} is not one that this program wrote; train it again.")
    return content["state"], manifest
