"""How many predictions are in flight over all workers of one running service.

Counts are in a file that every worker maps into its memory, each in a slot of its own, so that a worker that was killed
leaves nothing behind: its slot is known by its process id. Entering and leaving cost a few microseconds.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import time
from pathlib import Path

from service.limits.shared_memory import SharedMemory, lives

LOOK_SECONDS = 0.2  # that the predictions of a killed worker may still count as in flight
SLOTS = 128  # workers, more than Settings.workers allows
_SLOT = struct.Struct("<qq")  # process id (0: free), predictions in flight


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

    def full(self, leave: int = 0) -> bool:
        """Whether as many as allowed are in flight now; `leave` places count as taken."""
        with self._shared.locked() as memory:
            return self._is_full(memory, self.limit - leave)

    def count(self) -> int:
        """How many are in flight now."""
        with self._shared.locked() as memory:
            return self._count(memory)

    def enter(self, leave: int = 0) -> bool:
        """Counts one more, or says no where as many as allowed are in flight; `leave` places count as taken."""
        assert self._place is not None, "join first"
        with self._shared.locked() as memory:
            if self._is_full(memory, self.limit - leave):
                return False
            pid, count = _SLOT.unpack_from(memory, self._place)
            _SLOT.pack_into(memory, self._place, pid, count + 1)
            return True

    def _is_full(self, memory: mmap.mmap, limit: int) -> bool:
        if sum(count for _, count in _SLOT.iter_unpack(memory)) < limit:
            return False
        return self._count(memory) >= limit

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
