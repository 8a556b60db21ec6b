"""A tiny encoder in the format of `e5-small-q4.bin`, written from its description, with random weights."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIM, LAYERS, HEADS, HIDDEN, ROWS, POSITIONS, TYPES = 32, 2, 4, 64, 12, 16, 2
PIECES = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -2.0),
    ("▁si", -3.0),
    ("gn", -3.0),
    ("s", -4.0),
]
Floats = NDArray[np.float32]


def in_four_bits(values: Floats) -> bytes:
    """Blocks of 32: a float16 factor, then low halves for the first 16 weights and high halves for the others."""
    blocks = values.reshape(-1, 32)
    factors = (np.abs(blocks).max(axis=1, keepdims=True) / 7).astype("<f2")
    levels = (np.round(blocks / factors.astype(np.float32)) + 8).clip(0, 15).astype(np.uint8)
    return np.concatenate([factors.view(np.uint8), levels[:, :16] | (levels[:, 16:] << 4)], axis=1).tobytes()


def write_packed(path: Path, seed: int = 0) -> None:
    """Writes the file."""
    random = np.random.default_rng(seed)
    head = b"E5S1" + struct.pack("<I7ifi", 1, DIM, LAYERS, HEADS, HIDDEN, ROWS, POSITIONS, TYPES, 1e-12, 32)
    text = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)])
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(text)) + ends.astype("<u4").tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + text + struct.pack("<iI", 0, 0)
    tensors = {name: _bytes(name, random.normal(size=shape).astype(np.float32)) for name, shape in _shapes().items()}
    start = len(head) + 4 + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in tensors)
    directory = struct.pack("<i", len(tensors))
    for name, data in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, start, len(data))
        start += len(data)
    path.write_bytes(head + directory + b"".join(tensors.values()))


def _bytes(name: str, values: Floats) -> bytes:
    return (
        in_four_bits(values) if name.endswith((".w", "word")) and values.ndim == 2 else values.astype("<f4").tobytes()
    )


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (ROWS, DIM),
        "emb.pos": (POSITIONS, DIM),
        "emb.type": (TYPES, DIM),
        "emb.ln.w": (DIM,),
        "emb.ln.b": (DIM,),
    }
    for layer in range(LAYERS):
        for short in ("q", "k", "v", "ao", "fi", "fo"):
            rows, columns = (HIDDEN if short == "fi" else DIM), (HIDDEN if short == "fo" else DIM)
            shapes |= {f"l{layer}.{short}.w": (rows, columns), f"l{layer}.{short}.b": (rows,)}
        for short in ("aln", "oln"):
            shapes |= {f"l{layer}.{short}.w": (DIM,), f"l{layer}.{short}.b": (DIM,)}
    return shapes
