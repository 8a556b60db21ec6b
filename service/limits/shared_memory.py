"""Memory that all workers of a service share, and which of them live. Unix only (fcntl)."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil


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


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and whose parent has not noticed yet doesn't."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
