"""Turns for those who wait, so many at a time: who has had the least is next, not who came first.

Start-time fair queuing (Goyal, Vin and Cheng 1996): what somebody asks for begins, by a clock of its own, when his last one
ends there, and the earliest beginning goes first. So a caller who asks for a hundred things stands behind himself
only. In one event loop; costs a microsecond where a turn is free.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools

_MOST_REMEMBERED = 1024  # callers


class FairTurns:
    """At most `turns` are taken at once."""

    def __init__(self, turns: int) -> None:
        self._turns = self._free = turns
        self._clock = 0.0
        self._ends: dict[str, float] = {}  # caller: when what he asked for so far ends, by that clock
        self._numbers = itertools.count()  # of those that begin at the same time the first
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    def place(self, caller: str) -> float:
        """Where this caller would stand now: the lowest is next, of those alike the first that came."""
        return max(self._clock, self._ends.get(caller, 0.0))

    async def take(self, caller: str, cost: float) -> None:
        """Waits for a turn, to be given back. cost: in any unit, the same for all."""
        begin = self.place(caller)
        self._ends[caller] = begin + cost
        if self._free:
            self._free -= 1
            self._clock = begin
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (begin, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it came in the same moment
            raise

    def give_back(self) -> None:
        """Ends a turn; the next one begins."""
        while self._waiting:
            begin, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._clock = max(self._clock, begin)
                turn.set_result(None)
                return
        self._free += 1
        if self._free == self._turns:
            self._clock, self._ends = 0.0, {}
        elif len(self._ends) > _MOST_REMEMBERED:
            self._ends = {caller: end for caller, end in self._ends.items() if end > self._clock}
