"""The long predictions of one worker that are not done: one runs, the others wait, and whether one more can be done in time.

What each will take is estimated anew whenever somebody asks, by the slowest of the last minute and by what runs: what was
let in on an estimate that turned out too low counts as what it is. In one event loop; costs a few microseconds for each
that waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter

from service.limits.work import Paces, Work


@dataclass(eq=False)
class Long:
    """A long prediction."""

    caller: str
    work: Work
    place: float  # `FairTurns.place` when it came: the lowest goes first
    until: float  # seconds on the line's clock: when it is to be done, with time to spare
    latest: float  # when it has to begin, or it can't be done any more


class LongLine:
    """Who runs and who waits; whose turn it is, `FairTurns` says."""

    def __init__(self, paces: Paces, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._paces, self._clock = paces, clock
        self._waiting: list[Long] = []
        self._running: Long | None = None
        self._began = 0.0

    def join(self, one: Long) -> None:
        """It waits from now on."""
        self._waiting.append(one)

    def begin(self, one: Long) -> None:
        """It waited, and runs from now on."""
        self._waiting.remove(one)
        self._running, self._began = one, self._clock()

    def leave(self, one: Long) -> None:
        """It is done, or nobody waits for it any more."""
        if one is self._running:
            self._running = None
        else:
            self._waiting.remove(one)

    def seconds(self, work: Work) -> float:
        """How long this may take at present."""
        running = self._running
        if running is None or running.work.kind != work.kind:
            return self._paces.seconds_at_most(work)
        so_far = (self._clock() - self._began) / running.work.characters
        return max(self._paces.seconds_at_most(work), so_far * work.characters)

    def seconds_left(self) -> float:
        """How long all that is not done may take."""
        return self._left_of_running() + self._sum(self._waiting)

    def has_time_for(self, new: Long) -> bool:
        """Whether it would be done in time, and so would all whom it goes before; where nothing is to be done, always.

        A caller's second one may, together with what he has in line, take no more than the time that the line leaves.
        """
        if self._running is None and not self._waiting:
            return True
        left = self.seconds_left()
        his = self._sum(one for one in self._waiting if one.caller == new.caller)
        his += self._left_of_running() if self._running and self._running.caller == new.caller else 0.0
        if his and his + self.seconds(new.work) > new.until - self._clock() - left:
            return False
        end = self._clock() + self._left_of_running()
        for one in sorted([*self._waiting, new], key=attrgetter("place")):
            end += self.seconds(one.work)
            if end > one.until and (one is new or one.place > new.place):
                return False
        return True

    def _sum(self, waiting: Iterable[Long]) -> float:
        return sum(self.seconds(one.work) for one in waiting)

    def _left_of_running(self) -> float:
        if self._running is None:
            return 0.0
        taken, expected = self._clock() - self._began, self._paces.seconds_at_most(self._running.work)
        return expected - taken if taken < expected else taken  # as long again, for all that anybody knows
