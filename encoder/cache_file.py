"""One file of encoded segments: float32 arrays by key, written once and then only read, through memory mapping.

    magic, number of entries, width, SHA-256 of these and the table | table: key, start, rows, CRC-32 | float32 numbers

Opening reads the table alone; an entry's numbers are read and checked when they are asked for. A file that is cut off,
lengthened or changed is told by its size, the table's SHA-256 or the entry's CRC-32. It holds data, never code.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from foundations.atomic_files import write_atomically

Floats = NDArray[np.float32]

KEY_BYTES = 16
SUFFIX = ".segments"
_MAGIC = b"SEGMENT1"
_HEADER = struct.Struct("<8sII32s")
_TABLE = np.dtype([("key", f"V{KEY_BYTES}"), ("start", "<u8"), ("rows", "<u4"), ("crc", "<u4")])


class DamagedBlockError(Exception):
    """The file is not what was written; whoever reads it does without it."""


def write_block(path: Path, entries: Mapping[bytes, Floats]) -> None:
    """Writes arrays of shape (rows, width), all of one width, by keys of KEY_BYTES bytes.

    Appears complete or not at all. Raises InputError where it can't be written.
    """
    arrays = [np.ascontiguousarray(array, dtype="<f4") for array in entries.values()]
    table = np.zeros(len(arrays), dtype=_TABLE)
    table["key"] = np.frombuffer(b"".join(entries), dtype=_TABLE["key"])
    table["rows"] = [len(array) for array in arrays]
    table["start"] = np.cumsum([0, *table["rows"][:-1]])
    table["crc"] = [zlib.crc32(array.data) for array in arrays]
    width = arrays[0].shape[1]

    def write(file: BinaryIO) -> None:
        file.write(_HEADER.pack(_MAGIC, len(arrays), width, _table_sha256(width, table)))
        file.write(table.tobytes())
        for array in arrays:
            file.write(array.data)

    write_atomically(path, write)


def block_bytes(entries: Mapping[bytes, Floats]) -> int:
    """The size of the file that `write_block` makes of them."""
    return _HEADER.size + sum(_TABLE.itemsize + 4 * array.size for array in entries.values())


class SegmentBlock:
    """Such a file, open for reading. It may be deleted meanwhile: what is mapped stays readable."""

    def __init__(self, path: Path) -> None:
        """Reads the table. Raises DamagedBlockError, or OSError where the file can't be read."""
        self.path = path
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_MAGIC):
                raise DamagedBlockError(path)
            _, count, self._width, sha256 = _HEADER.unpack(head)
            table_bytes = file.read(count * _TABLE.itemsize)
        data_start = _HEADER.size + len(table_bytes)
        if len(table_bytes) != count * _TABLE.itemsize or count == 0:
            raise DamagedBlockError(path)
        self._table = np.frombuffer(table_bytes, dtype=_TABLE)
        numbers = int(self._table["rows"].astype(np.int64).sum()) * self._width
        if sha256 != _table_sha256(self._width, self._table) or path.stat().st_size != data_start + 4 * numbers:
            raise DamagedBlockError(path)
        # Copy on write: PyTorch asks for writable memory, the file itself is never changed.
        self._data = np.memmap(path, "<f4", mode="c", offset=data_start, shape=(numbers // self._width, self._width))
        self._checked = np.zeros(count, dtype=bool)

    def keys(self) -> list[bytes]:
        """The keys, in the order of `get`'s rows."""
        return [key.tobytes() for key in self._table["key"]]

    def get(self, entry: int) -> Floats:
        """(rows, width) of the entry with that number, mapped. Raises DamagedBlockError where it was changed."""
        _, start, rows, crc = self._table[entry].tolist()
        found = np.asarray(self._data[start : start + rows])
        if not self._checked[entry]:
            if zlib.crc32(found.data) != crc:
                raise DamagedBlockError(self.path)
            self._checked[entry] = True
        return found


def _table_sha256(width: int, table: NDArray[np.void]) -> bytes:
    return hashlib.sha256(struct.pack("<II", len(table), width) + table.tobytes()).digest()
