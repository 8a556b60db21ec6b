"""One file of encoded segments: float32 arrays by key, written once and then only read.

    magic, number of entries, width, SHA-256 of these and the table | table: key, start, rows, CRC-32 | float32 numbers

Opening reads the table alone; an entry's numbers are read and checked each time they are asked for. They are not mapped:
pages of a mapped file stay with the process, and after an epoch all of them would. A file that is cut off,
lengthened or changed is told by its size, the table's SHA-256 or the entry's CRC-32. It holds data, never code.
"""

from __future__ import annotations

import hashlib
import struct
import weakref
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
    """Such a file, open for reading by one thread. It may be deleted meanwhile: what is open stays readable."""

    def __init__(self, path: Path) -> None:
        """Reads the table. Raises DamagedBlockError, or OSError where the file can't be read."""
        self.path = path
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)
        head = self._file.read(_HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(_MAGIC):
            raise DamagedBlockError(path)
        _, count, self._width, sha256 = _HEADER.unpack(head)
        table_bytes = self._file.read(count * _TABLE.itemsize)
        self._data_start = _HEADER.size + len(table_bytes)
        if len(table_bytes) != count * _TABLE.itemsize or count == 0:
            raise DamagedBlockError(path)
        self._table = np.frombuffer(table_bytes, dtype=_TABLE)
        numbers = int(self._table["rows"].astype(np.int64).sum()) * self._width
        if sha256 != _table_sha256(self._width, self._table) or path.stat().st_size != self._data_start + 4 * numbers:
            raise DamagedBlockError(path)

    def keys(self) -> list[bytes]:
        """The keys, in the order of `get`'s rows."""
        return [key.tobytes() for key in self._table["key"]]

    def rows(self, entry: int) -> int:
        """How many rows the entry with that number has."""
        return int(self._table["rows"][entry])

    def get(self, entry: int) -> Floats:
        """(rows, width) of that entry, a copy. Raises DamagedBlockError where it was changed."""
        _, start, rows, crc = self._table[entry].tolist()
        found = np.empty((rows, self._width), dtype="<f4")
        self._file.seek(self._data_start + 4 * self._width * start)
        if self._file.readinto(found.data.cast("B")) != found.nbytes or zlib.crc32(found.data) != crc:
            raise DamagedBlockError(self.path)
        return found


def _table_sha256(width: int, table: NDArray[np.void]) -> bytes:
    return hashlib.sha256(struct.pack("<II", len(table), width) + table.tobytes()).digest()
