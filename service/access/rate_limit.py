"""So many requests a minute for each key or address, counted over all workers together.

The generic cell rate algorithm (ITU-T I.371), which is a leaky bucket in one number: the time at which the bucket will
be empty. A caller may be ahead of an even pace by ten seconds' worth of requests. The table has a fixed size in shared
memory; where it is full of active callers, the one that is nearest to empty is forgotten, which lets it through rather
than others out. Costs about 10 microseconds a request.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path

from service.limits.shared_memory import SharedMemory

AHEAD_SECONDS = 10.0  # of an even pace that may be spent at once
_CELLS = 16384
_PROBES = 8
_CELL = struct.Struct("<Qd")  # hash of the caller, time at which its bucket is empty


class RateLimit:
    """At most `per_minute` requests a minute of each caller; 0 lets everything through."""

    def __init__(self, folder: Path, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._ahead = max(AHEAD_SECONDS, self._interval)
        self._clock = clock  # one for all processes of a machine
        self._shared = SharedMemory(folder / "rates", _CELLS * _CELL.size)

    def wait(self, caller: str) -> float:
        """Counts a request of `caller` and gives 0.0, or gives the seconds after which the next one is let through."""
        if not self._interval:
            return 0.0
        key = int.from_bytes(hashlib.blake2b(caller.encode("utf-8"), digest_size=8).digest(), "little") or 1
        now = self._clock()
        with self._shared.locked() as memory:
            place, empty_at = self._find(memory, key)
            empty_at = max(now, empty_at) + self._interval
            too_early = empty_at - self._ahead - now
            if too_early > 1e-9:
                return too_early
            _CELL.pack_into(memory, place, key, empty_at)
        return 0.0

    @staticmethod
    def _find(memory: mmap.mmap, key: int) -> tuple[int, float]:
        """The caller's cell, else the cell among its candidates whose bucket is emptiest, as a new one."""
        places = [((key + probe) % _CELLS) * _CELL.size for probe in range(_PROBES)]
        cells = [(place, *_CELL.unpack_from(memory, place)) for place in places]
        for place, found, empty_at in cells:
            if found == key:
                return place, empty_at
        return min(cells, key=lambda cell: cell[2])[0], 0.0
