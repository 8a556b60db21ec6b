"""What the encoder made of each segment, kept on disk, so that another training of the same words encodes nothing again.

A segment is found by a hash of its text and of all that decides its vectors: the encoder's weights, configuration and
tokenizer, the kind of processor and PyTorch's version. The files hold those hashes and numbers, no text; but token states
can be traced back to words by who tries, so they deserve the protection of the transcripts themselves.

Every process writes files of its own (`encoder.cache_file`), complete or not at all, so that any number may run at once. When
there is too much, the files that were not used for longest go. What can't be read or written costs a sentence and the
time to encode, never the training.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from encoder.cache_file import KEY_BYTES, SUFFIX, DamagedBlockError, Floats, SegmentBlock, block_bytes, write_block
from foundations.errors import InputError

_WRITTEN_AT_ONCE = 32 * 1024**2  # bytes of new segments that wait for one file
_FILES_AT_LEAST = 4  # that a small cache holds, so that one file can't be more than is allowed


class CacheSize(NamedTuple):
    """How much lies in a cache."""

    encoders: int
    segments: int  # entries; token states and vector of one text are two
    bytes: int


@dataclass(frozen=True)
class CacheFolder:
    """The folder of all encoders' caches; a folder in it for each encoder."""

    path: Path
    limit_bytes: int
    warn: Callable[[str], None]  # takes a sentence for the person who started the run

    def size(self) -> CacheSize:
        """What can be read of it. Raises InputError where the folder can't be listed."""
        blocks = [block for path in self._files(SUFFIX) if (block := _open(path)) is not None]
        sizes = [_bytes(block.path) for block in blocks]
        folders = {block.path.parent for block in blocks}
        return CacheSize(len(folders), sum(len(block.keys()) for block in blocks), sum(sizes))

    def clear(self) -> int:
        """Deletes every file of it and gives their number. Raises InputError where one can't be deleted."""
        files = self._files()
        try:
            for path in files:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"Cannot empty the cache {str(self.path)!r} ({error.strerror}); delete it by hand."
            ) from error
        return len(files)

    def make_room(self, wanted: int) -> None:
        """Deletes the files that were not used for longest until `wanted` more bytes fit."""
        files = sorted((_last_use(path), path) for path in self._files())
        total = sum(_bytes(path) for _, path in files)
        for _, path in files:
            if total + wanted <= self.limit_bytes:
                return
            total -= _bytes(path)
            _delete(path)

    def _files(self, *endings: str) -> list[Path]:
        """All files with one of these endings; by default the unfinished ones of stopped processes count as well."""
        wanted = endings or (SUFFIX, ".tmp")
        try:
            folders = [Path(entry.path) for entry in os.scandir(self.path) if entry.is_dir()]
            return [Path(file.path) for folder in folders for file in os.scandir(folder) if file.name.endswith(wanted)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"Cannot read the cache {str(self.path)!r} ({error.strerror}); set SALES_CACHE to a folder of yours."
            ) from error


class SegmentCache:
    """The segments of one encoder."""

    def __init__(self, folder: CacheFolder, encoder: Sequence[str]) -> None:
        """encoder: everything that decides what it makes of a text."""
        self._folder = folder
        self._encoder = hashlib.sha256("\x00".join(encoder).encode("utf-8")).digest()
        self._path = folder.path / self._encoder.hex()[:16]
        self._blocks: dict[str, SegmentBlock] = {}  # by file name
        self._places: dict[bytes, tuple[str, int]] = {}  # file name and number of the entry
        self._used: set[str] = set()  # files that this process has used
        self._waiting: dict[bytes, Floats] = {}
        self._waiting_bytes = 0
        self._writes = True
        self.refresh()

    def get(self, kind: str, text: str) -> Floats | None:
        """(rows, dim) of what was added for that text, or None; not to be changed while it waits for the disk."""
        key = self._key(kind, text)
        if key in self._waiting:
            return self._waiting[key]
        while key in self._places:
            name, entry = self._places[key]
            try:
                found = self._blocks[name].get(entry)
            except DamagedBlockError:
                self._forget(name)
                continue
            self._mark_used(name)
            return found
        return None

    def rows(self, kind: str, text: str) -> int | None:
        """How many rows `get` would give, without reading them."""
        key = self._key(kind, text)
        if key in self._waiting:
            return len(self._waiting[key])
        name, entry = self._places.get(key, ("", 0))
        return self._blocks[name].rows(entry) if name else None

    @property
    def keeps(self) -> bool:
        """Whether what is added now can be had again; not where the folder can't be written."""
        return self._writes

    def add(self, kind: str, text: str, array: Floats) -> None:
        """Keeps an array of shape (rows, dim); it is on disk after `flush`, or when enough has come together."""
        key = self._key(kind, text)
        if not self._writes or key in self._waiting or key in self._places:
            return
        self._waiting[key] = array
        self._waiting_bytes += array.nbytes
        if self._waiting_bytes >= min(_WRITTEN_AT_ONCE, self._folder.limit_bytes // _FILES_AT_LEAST):
            self.flush()

    def flush(self) -> None:
        """Writes what waits. Where that fails it says so once, and nothing more is kept."""
        entries, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        if not entries or not self._writes:
            return
        path = self._path / f"{uuid.uuid4().hex}{SUFFIX}"
        try:
            self._folder.make_room(block_bytes(entries))
            write_block(path, entries)
        except InputError as error:
            self._writes = False
            self._folder.warn(f"Encoded segments are not kept for the next run. {error}")
            return
        self._read_block(path)

    def refresh(self) -> None:
        """Finds what other processes have written meanwhile."""
        try:
            found = sorted(entry.name for entry in os.scandir(self._path) if entry.name.endswith(SUFFIX))
        except FileNotFoundError:
            return
        except OSError as error:
            self._writes = False
            self._folder.warn(f"The cache {str(self._path)!r} is not used: it can't be read ({error.strerror}).")
            return
        for name in found:
            if name not in self._blocks:
                self._read_block(self._path / name)

    def _read_block(self, path: Path) -> None:
        block = _open(path)
        if block is not None:
            self._blocks[path.name] = block
            self._places.update((key, (path.name, entry)) for entry, key in enumerate(block.keys()))

    def _forget(self, name: str) -> None:
        """Of a damaged file nothing is believed any more; what it held is encoded and written again."""
        _delete(self._blocks.pop(name).path)
        self._places = {key: place for key, place in self._places.items() if place[0] != name}

    def _mark_used(self, name: str) -> None:
        if name not in self._used:
            self._used.add(name)
            with suppress(OSError):  # deleted meanwhile, or not ours to touch
                os.utime(self._blocks[name].path)

    def _key(self, kind: str, text: str) -> bytes:
        content = b"\x00".join((self._encoder, kind.encode("utf-8"), text.encode("utf-8", "surrogatepass")))
        return hashlib.sha256(content).digest()[:KEY_BYTES]


def _open(path: Path) -> SegmentBlock | None:
    """None for a file that is damaged, which is deleted, or that just went."""
    try:
        return SegmentBlock(path)
    except DamagedBlockError:
        _delete(path)
    except OSError:
        pass
    return None


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _last_use(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
