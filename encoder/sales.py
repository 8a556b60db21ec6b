"""The sales encoder: the bundled one, with upper blocks that were tuned on written sales conversations and a way past them.

`sales_encoder.safetensors` holds the tuned blocks as float16 and, beside them, which bundled weights they belong on. They are
made by `python -m knowledge.tuning` and come with the program, so that no user has to tune them. Everything else, the
vocabulary and the lower blocks, is the bundled encoder's. What goes into the tuned blocks is added to what comes out of them
(`Pooling.SKIP`): they know about deals, and what is below them knows about everything else, which conversations of another
kind need (docs/accuracy.md).
"""

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
from encoder.source import BUNDLED_SHA256, LoadedEncoder, load_encoder
from encoder.text_encoder import BUNDLED, SALES, Pooling
from foundations.atomic_files import file_sha256, write_atomically
from foundations.errors import InputError

SALES_WEIGHTS = Path(__file__).with_name("sales_encoder.safetensors")


def untuned_sales() -> LoadedEncoder:
    """What tuning starts from: the bundled encoder, pooled as the sales encoder is."""
    loaded = load_encoder(BUNDLED)
    return replace(loaded, identity=replace(loaded.identity, pooling=Pooling.SKIP.value))


def load_sales(path: Path = SALES_WEIGHTS) -> LoadedEncoder:
    """The bundled encoder with the tuned blocks of `path`. Raises InputError where the file is missing or damaged."""
    loaded = untuned_sales()
    try:
        with safe_open(path, "numpy") as file:
            if file.metadata().get("base") != BUNDLED_SHA256:
                raise InputError(f"{str(path)!r} was tuned on another encoder than the bundled one; restore it.")
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 — no dict
        own = loaded.model.state_dict()
        own.update({name: torch.from_numpy(values) for name, values in arrays.items()})
        loaded.model.load_state_dict(own)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise InputError(
            f"The sales encoder's weights {str(path)!r} are damaged ({error}); restore the file."
        ) from error
    return replace(loaded, identity=replace(loaded.identity, name=SALES, sha256=file_sha256(path)))


def write_sales(blocks: Mapping[str, NDArray[np.float32]], first: int, path: Path = SALES_WEIGHTS) -> None:
    """Writes tuned blocks. blocks: parameters by number of the block among the tuned ones and name ("0.ffn.lin1.bias");
    first: which block of the encoder the first of them is. Raises InputError where that can't be written.
    """
    named = {}
    for name, values in blocks.items():
        number, _, parameter = name.partition(".")
        named[f"transformer.layer.{first + int(number)}.{parameter}"] = values.astype(np.float16)
    write_atomically(path, lambda file: file.write(save(named, {"base": BUNDLED_SHA256})))
