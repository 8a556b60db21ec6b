"""What the workers of one running service share on this machine: a folder, and how many predictions are in flight.

The folder is new for each start of the service and lies in the system's folder for temporary files; what must outlive
the service is under `Settings.state_folder`. Counts are in a file that every worker maps into its memory, each in a
slot of its own, so that a worker that was killed leaves nothing behind: its slot is known by its process id. Entering
and leaving cost a few microseconds. Unix only (fcntl).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import math
import mmap
import multiprocessing
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from foundations.settings import Settings

LOOK_SECONDS = 0.2  # that the predictions of a killed worker may still count as in flight
SLOTS = 128  # workers, more than Settings.workers allows
# The process that started the workers: uvicorn's import this anew and know their parent, forked ones have it from there.
_SERVICE = getattr(multiprocessing.parent_process(), "pid", None) or os.getpid()
_SLOT = struct.Struct("<qq")  # process id (0: free), predictions in flight


class SharedMemory:
    """A file of fixed size in the memory of every worker, and a lock over all of them that a killed process loses."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < size:
            os.ftruncate(self._file, size)  # zeroes; two workers doing it at once do the same
        self.memory = mmap.mmap(self._file, size)
        self._threads = threading.Lock()  # fcntl locks exclude processes, not threads

    @contextlib.contextmanager
    def locked(self) -> Iterator[mmap.mmap]:
        """The memory, while no other worker has it."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield self.memory
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class InFlight:
    """How many predictions run now over all workers, and no more than `limit`."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.limit = limit
        self._shared = SharedMemory(folder / "workers", SLOTS * _SLOT.size)
        self._place: int | None = None
        self._lived_at: dict[int, float] = {}  # process id: when it was last seen alive

    def join(self) -> None:
        """Takes a slot for this process. Raises RuntimeError where there are more workers than slots."""
        with self._shared.locked() as memory:
            for place in range(0, SLOTS * _SLOT.size, _SLOT.size):
                pid = _SLOT.unpack_from(memory, place)[0]
                if pid in (0, os.getpid()) or not lives(pid):
                    _SLOT.pack_into(memory, place, os.getpid(), 0)
                    self._place = place
                    return
        raise RuntimeError(f"more than {SLOTS} workers")

    def leave(self) -> None:
        """Gives the slot back."""
        if self._place is not None:
            with self._shared.locked() as memory:
                _SLOT.pack_into(memory, self._place, 0, 0)
            self._place = None

    def full(self) -> bool:
        """Whether as many as allowed are in flight now."""
        with self._shared.locked() as memory:
            return self._is_full(memory)

    def count(self) -> int:
        """How many are in flight now."""
        with self._shared.locked() as memory:
            return self._count(memory)

    def enter(self) -> bool:
        """Counts one more, or says no where as many as allowed are in flight."""
        assert self._place is not None, "join first"
        with self._shared.locked() as memory:
            if self._is_full(memory):
                return False
            pid, count = _SLOT.unpack_from(memory, self._place)
            _SLOT.pack_into(memory, self._place, pid, count + 1)
            return True

    def _is_full(self, memory: mmap.mmap) -> bool:
        if sum(count for _, count in _SLOT.iter_unpack(memory)) < self.limit:
            return False
        return self._count(memory) >= self.limit

    def _count(self, memory: mmap.mmap) -> int:
        return sum(count for pid, count in _SLOT.iter_unpack(memory) if count and self._lives(pid))

    def _lives(self, pid: int) -> bool:
        """As `lives`, which costs more than all else here, but looked at again only after LOOK_SECONDS."""
        now = time.monotonic()
        if self._lived_at.get(pid, -math.inf) < now - LOOK_SECONDS:
            self._lived_at.pop(pid, None)
            if not lives(pid):
                return False
            self._lived_at[pid] = now
        return True

    def exit(self) -> None:
        """Counts one less."""
        if self._place is not None:  # a prediction that outlived its worker's shutdown has no slot any more
            with self._shared.locked() as memory:
                pid, count = _SLOT.unpack_from(memory, self._place)
                _SLOT.pack_into(memory, self._place, pid, max(0, count - 1))

    def workers(self) -> list[int]:
        """Process ids of the workers that live."""
        with self._shared.locked() as memory:
            pids = [pid for pid, _ in _SLOT.iter_unpack(memory) if pid]
        return [pid for pid in pids if lives(pid)]


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and whose parent has not noticed yet doesn't."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def process_folder() -> Path:
    """The folder of this service: that of the process that started the workers, or of this one where it has none.

    Left behind by services that ended, folders of the same user are removed.
    """
    root = Path(tempfile.gettempdir()) / f"sales-service-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid() or root.is_symlink():
        raise PermissionError(f"{root} belongs to somebody else")
    folder = root / _process_name(_SERVICE)
    if not folder.exists():
        _remove_ended(root)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def service_folder(settings: Settings) -> Path:
    """The part of `process_folder` for these settings: a process may run several services, as tests do."""
    name = hashlib.sha256(repr(settings).encode("utf-8")).hexdigest()[:16]
    folder = process_folder() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def keep_from_ageing(folder: Path) -> None:
    """Sets the times of a folder and all in it to now: systems remove from /tmp what was not used for some days."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):  # it ended meanwhile
            os.utime(path)


def _process_name(pid: int) -> str:
    try:
        return f"{pid}-{int(psutil.Process(pid).create_time())}"  # a process id alone may be used again
    except psutil.NoSuchProcess:
        return f"{pid}-gone"


def _remove_ended(root: Path) -> None:
    for folder in root.iterdir():
        pid = folder.name.partition("-")[0]
        if pid.isdecimal() and folder.name != _process_name(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
