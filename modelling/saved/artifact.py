"""The trained artifact: a .pth or .pkl file of tensors and plain values, and a manifest beside it with its SHA-256.

The file holds data, never code: it is read with `weights_only=True`, and only after its SHA-256 has been checked.
Listings and `auto` read the manifest alone. A model's state is nested dictionaries of numpy arrays and plain values; it
becomes tensors only in the file. What serving needs is `modelling.saved.serving_folder`.
"""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from foundations.atomic_files import is_as_written, sealed, write_atomically, write_json
from foundations.errors import InputError

FORMAT_VERSION = 5
_RECORDED_PACKAGES = ("torch", "transformers", "onnxruntime", "numpy", "scikit-learn")
_MANIFEST_KEYS = {
    *("format_version", "model", "encoder", "training_data_sha256", "seed", "hyper_parameters", "calibration"),
    *("validation_metrics", "cross_validation_metrics", "history", "package_versions", "created_at"),
}

State = dict[str, Any]


def manifest_path(artifact: Path) -> Path:
    """few_shot_sales_model.pkl → few_shot_sales_model.manifest.json."""
    return artifact.with_suffix(".manifest.json")


def described(description: dict[str, Any]) -> dict[str, Any]:
    """A model's description with what every artifact carries: format version, package versions and the time."""
    return {
        "format_version": FORMAT_VERSION,
        **description,
        "package_versions": {package: version(package) for package in _RECORDED_PACKAGES},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def save_artifact(path: Path, state: State, description: dict[str, Any]) -> None:
    """Writes the artifact and then its manifest, each atomically. Raises InputError where they can't be written.

    description: what both files carry (model, encoder, seed, hyper-parameters, …).
    """
    import torch

    full = described(description)
    buffer = io.BytesIO()
    torch.save({"description": full, "state": _tensors(state)}, buffer)
    data = buffer.getvalue()
    write_atomically(path, lambda file: file.write(data))
    write_json(manifest_path(path), sealed({"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), **full}))


def read_manifest(artifact: Path) -> dict[str, Any]:
    """The manifest of an artifact. Raises InputError where there is none or it isn't one of ours."""
    return read_manifest_file(manifest_path(artifact))


def read_manifest_file(path: Path) -> dict[str, Any]:
    """Any of our manifests. Raises InputError where it is missing, of another format version, or was changed."""
    try:
        data = path.read_bytes()
        manifest = json.loads(data)
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
    if not is_as_written(manifest, data):
        raise InputError(f"{str(path)!r} was changed after training; train the model again or restore the file.")
    return manifest


def load_artifact(path: Path) -> tuple[State, dict[str, Any]]:
    """(state, manifest) of an artifact whose bytes are those that were written.

    Raises InputError where the file is missing, its SHA-256 differs from the manifest's, or it holds anything but data.
    """
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read the model {str(path)!r} ({error.strerror}); train it first.") from error
    manifest = read_manifest(path)
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.get("sha256"):
        raise InputError(
            f"The model {str(path)!r} was changed after training: its SHA-256 is {found}, its manifest says "
            f"{manifest.get('sha256')}; train it again or restore the file."
        )
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"The model {str(path)!r} holds more than data and is refused; train it again.") from error
    if not isinstance(content, dict) or "state" not in content:
        raise InputError(f"The model {str(path)!r} is not one that this program wrote; train it again.")
    return _arrays(content["state"]), manifest


def _tensors(value: Any) -> Any:
    import torch

    if isinstance(value, dict):
        return {key: _tensors(inner) for key, inner in value.items()}
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


def _arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _arrays(inner) for key, inner in value.items()}
    return value.numpy() if hasattr(value, "numpy") else value
