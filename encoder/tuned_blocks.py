"""Blocks that were tuned on written sales conversations: their files, and an encoder with them in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import foundations.thread_policy  # noqa: F401 — before torch
from encoder.source import LoadedEncoder
from foundations.atomic_files import file_sha256, write_atomically
from foundations.errors import InputError


def with_tuned_blocks(untuned: LoadedEncoder, path: Path, base: str, name: str) -> LoadedEncoder:
    """`untuned` with the blocks of a file in place of its own, under a name. base: the SHA-256 of the untuned weights.

    Raises InputError where the file is missing or damaged, or belongs on other weights.
    """
    own = untuned.model.state_dict()
    own.update({name: torch.from_numpy(values) for name, values in _read(path, base).items()})
    try:
        untuned.model.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"The tuned blocks {str(path)!r} are damaged ({error}); restore the file.") from error
    return replace(untuned, identity=replace(untuned.identity, name=name, sha256=file_sha256(path)))


def write_tuned_blocks(blocks: Mapping[str, NDArray[np.float32]], first: int, base: str, path: Path) -> None:
    """Writes tuned blocks as float16. blocks: parameters by number of the block among the tuned ones and name
    ("0.ffn.lin1.bias"); first: which block of the encoder the first of them is; base: as in `with_tuned_blocks`.

    Raises InputError where that can't be written.
    """
    named = {}
    for name, values in blocks.items():
        number, _, parameter = name.partition(".")
        named[f"transformer.layer.{first + int(number)}.{parameter}"] = values.astype(np.float16)
    write_atomically(path, lambda file: file.write(save(named, {"base": base})))


def _read(path: Path, base: str) -> dict[str, NDArray[np.float32]]:
    """Weights by the names of DistilBERT."""
    try:
        with safe_open(path, "numpy") as file:
            tuned_on = (file.metadata() or {}).get("base")
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 — no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"The tuned blocks {str(path)!r} are damaged ({error}); restore the file.") from error
    if tuned_on != base:
        raise InputError(
            f"{str(path)!r} was tuned on weights with the SHA-256 {tuned_on}, not on {base}; restore the file."
        )
    return arrays
