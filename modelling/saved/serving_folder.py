"""What serving a model needs, in one folder, readable without PyTorch: artifacts/models/<name>/.

    lower.onnx            the encoder's lower blocks, which no model tunes, in the precision that passed the parity check
    encoder.onnx          its upper blocks, the model's own where it tuned them
    <name>.onnx           the ensemble has two: the pre-trained upper blocks and those that its member <name> tuned
    tokenizer.json        the encoder's tokenizer
    weights.safetensors   the model's arrays
    manifest.json         the description, plain values, and the SHA-256 of each file and of itself; written last

Every file is read once, checked against the manifest, and only then parsed. The trained artifact is
`modelling.saved.artifact`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save
from tokenizers import Tokenizer

from encoder.onnx_encoder import EncoderFiles
from foundations.atomic_files import sealed, write_atomically, write_json
from foundations.errors import InputError
from modelling.saved.artifact import State, described, read_manifest_file

LOWER, TOKENIZER, WEIGHTS, MANIFEST = "lower.onnx", "tokenizer.json", "weights.safetensors", "manifest.json"
_ONNX = ".onnx"
_ONNX_FILE = r"\w+\.onnx"  # no path: a manifest can't point out of its folder
_SEPARATOR = "/"  # between the keys of nested arrays


def serving_folder(artifact: Path) -> Path:
    """models/contrastive_sales_model.pth → models/contrastive: where serving finds its files."""
    return artifact.parent / artifact.stem.removesuffix("_model").removesuffix("_sales")


def encoder_name(manifest: dict[str, Any]) -> str:
    """The source name that loads exactly the encoder an artifact was trained on: NAME or NAME@REVISION."""
    encoder = manifest["encoder"]
    return f"{encoder['name']}@{encoder['revision']}" if encoder["revision"] else str(encoder["name"])


@dataclass(frozen=True)
class ServingArtifact:
    """A serving folder in memory, checked."""

    encoders: dict[str, EncoderFiles]  # by name
    tokenizer: Tokenizer
    state: State
    manifest: dict[str, Any]


def files_fingerprint(manifest: Mapping[str, Any]) -> str:
    """A hash of what a model learned, of all its files: the same one gives the same vectors."""
    return hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()


def write_serving_artifact(
    folder: Path, encoders: Mapping[str, EncoderFiles], tokenizer: Tokenizer, state: State, description: dict[str, Any]
) -> None:
    """Writes the folder, each file atomically; the encoders must have the same lower blocks.

    Raises InputError where it can't be written.
    """
    arrays, plain = _flattened(state)
    (lower,) = {files.lower for files in encoders.values()}
    contents = {LOWER: lower, **{name + _ONNX: files.upper for name, files in encoders.items()}}
    contents |= {TOKENIZER: tokenizer.to_str().encode("utf-8"), WEIGHTS: save(arrays)}
    for name, data in contents.items():
        write_atomically(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = {**described(description), "plain_values": plain, "files": hashes}
    write_json(folder / MANIFEST, sealed(manifest))


def read_serving_artifact(folder: Path) -> ServingArtifact:
    """Reads and checks a folder. Raises InputError where a file is missing or is not the one that was written."""
    manifest = read_serving_manifest(folder)
    names = {LOWER, TOKENIZER, WEIGHTS, *(name for name in manifest["files"] if re.fullmatch(_ONNX_FILE, name))}
    data = {name: _checked_bytes(folder / name, manifest["files"].get(name)) for name in sorted(names)}
    tokenizer = Tokenizer.from_str(data[TOKENIZER].decode("utf-8"))
    state = _nested({**load(data[WEIGHTS]), **manifest["plain_values"]})
    lower = data.pop(LOWER)
    encoders = {
        name.removesuffix(_ONNX): EncoderFiles(lower, content) for name, content in data.items() if name.endswith(_ONNX)
    }
    return ServingArtifact(encoders, tokenizer, state, manifest)


def read_serving_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder. Raises InputError where it is missing or is not the one that was written."""
    path = folder / MANIFEST
    manifest = read_manifest_file(path)
    if not {"files", "plain_values", "serving"} <= manifest.keys():
        raise InputError(f"{str(path)!r} is not the manifest of a served model; train the model again.")
    return manifest


def _checked_bytes(path: Path, sha256: str | None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror}); train the model again.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"{str(path)!r} was changed after training: its SHA-256 is {found}, the manifest says {sha256}; train the "
            "model again or restore the file."
        )
    return data


def _flattened(state: State, prefix: str = "") -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Arrays and plain values of a nested state by "key/key/key"."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            inner = _flattened(value, f"{prefix}{key}{_SEPARATOR}")
            arrays |= inner[0]
            plain |= inner[1]
        elif isinstance(value, np.ndarray):
            arrays[prefix + key] = np.ascontiguousarray(value)
        else:
            plain[prefix + key] = value
    return arrays, plain


def _nested(flat: dict[str, Any]) -> State:
    state: State = {}
    for path, value in flat.items():
        *parents, key = path.split(_SEPARATOR)
        place = state
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = value
    return state
