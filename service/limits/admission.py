"""Whether a prediction is begun, and when: by what it costs and whose it is.

Over all workers so many are in flight, the last eighth of the places is for callers who have none yet. In a worker, short
ones are done several at once, those that will take longer than half a second one after the other beside them, each
caller in his turn (`FairTurns`). A long one that would not be done in time is refused at once, and a caller's second one
where he would then have more of the time than he leaves. What a time-out has ended counts until its thread has noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio

from foundations.long_work import GivenUpError, check_deadline, until_given_up
from foundations.machine import available_cores
from service.limits.fair_turns import FairTurns
from service.limits.in_flight import InFlight
from service.limits.long_line import Long, LongLine
from service.limits.refused import RETRY_SECONDS, RefusedError
from service.limits.tally import Tally
from service.limits.work import RECENT_SECONDS, Paces, Work

LONG_SECONDS = 0.5
_FOR_OTHERS = 8  # one place in so many is for callers who have none
_IN_TIME = 0.8  # of a request's time, as what is expected is not exact

T = TypeVar("T")


class Admission:
    """The predictions of one worker, and how many there are in all."""

    def __init__(self, folder: Path, most: int, timeout: float) -> None:
        """folder: `service_folder`. most: predictions in flight over all workers; timeout: seconds for a request."""
        self.in_flight = InFlight(folder, most)
        self._timeout = timeout
        threads = min(most, max(4, 2 * available_cores()))  # more would only take turns
        self._threads = ThreadPoolExecutor(threads + 1, thread_name_prefix="prediction")
        self._short, self._long = FairTurns(threads), FairTurns(1)
        self._paces = Paces()
        self._running = Tally()  # in flight here, by caller
        self._line = LongLine(self._paces)

    async def run(self, caller: str, work: Work, function: Callable[..., T], *arguments: Any) -> T:
        """Runs `function` in a thread. Raises RefusedError 503 where it can't be, or would not be done in time.

        The time ends with the cancel scope in which it is called, and at the latest after the seconds for a request.
        """
        seconds = self._paces.seconds(work)
        long = self._checked(caller, work, seconds) if seconds > LONG_SECONDS else None
        if not self.in_flight.enter(self._left_to_others(caller)):
            raise self.too_many()
        self._running.add(caller, 1)
        if long:
            self._line.join(long)

        def leave() -> None:
            self._running.add(caller, -1)
            if long:
                self._line.leave(long)

        def end() -> None:
            leave()
            (self._long if long else self._short).give_back()

        try:
            if long:
                await self._take_long(long, seconds)
            else:
                await self._short.take(caller, seconds)
        except BaseException:
            self.in_flight.exit()
            leave()
            raise
        return await self._work(partial(self._paces.learn, work, long=bool(long)), end, function, *arguments)

    def full_for(self, caller: str) -> bool:
        """Whether a prediction of this caller would be refused now, whatever it costs."""
        return self.in_flight.full(self._left_to_others(caller))

    def too_many(self) -> RefusedError:
        """What is said then."""
        message = (
            f"As many predictions as are taken at once ({self.in_flight.limit}) are in flight; try again in a moment."
        )
        return RefusedError(503, "too_many_in_flight", message, RETRY_SECONDS)

    def close(self) -> None:
        """Ends the threads and gives this worker's slot back."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.in_flight.leave()

    async def _take_long(self, long: Long, seconds: float) -> None:
        """Waits for its turn while it could be done in time. Raises RefusedError once it couldn't."""
        with anyio.move_on_after(long.latest - time.monotonic()):
            await self._long.take(long.caller, seconds)
            self._line.begin(long)
            return
        own = self._line.seconds(long.work)
        raise self._busy("What came before this took longer than expected, and it can't be done in time any more", own)

    async def _work(
        self, learn: Callable[..., None], ended: Callable[[], object], function: Callable[..., T], *arguments: Any
    ) -> T:
        loop, given_up = asyncio.get_running_loop(), threading.Event()

        def timed() -> T:
            began = time.monotonic()
            try:
                with until_given_up(given_up):
                    check_deadline()
                    answer = function(*arguments)
            except GivenUpError:
                learn(time.monotonic() - began, finished=False)
                raise
            learn(time.monotonic() - began)  # not of what was refused inside: that takes no time
            return answer

        def done(running: object) -> None:
            self.in_flight.exit()
            with contextlib.suppress(RuntimeError):  # it outlived its worker
                loop.call_soon_threadsafe(ended)

        running = self._threads.submit(copy_context().run, timed)  # spans of a request lie inside it
        running.add_done_callback(done)
        answer = asyncio.wrap_future(running)
        answer.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            running.cancel()  # where it still waits for a thread
            given_up.set()  # where it runs; it counts as in flight until it has noticed
            raise

    def _left_to_others(self, caller: str) -> int:
        return self.in_flight.limit // _FOR_OTHERS if self._running.of(caller) else 0

    def _checked(self, caller: str, work: Work, seconds: float) -> Long:
        """Raises RefusedError for long work that can't be done in time, or is more than the caller's share."""
        left = min(self._timeout, anyio.current_effective_deadline() - anyio.current_time())
        if self._paces.knows(work) and seconds > left:
            raise RefusedError(
                503,
                "takes_too_long",
                f"This would take about {seconds:.0f} s now, and a request may take {self._timeout:g} s, of which "
                f"{left:.0f} s are left; send a shorter conversation, fewer of them, or try again later.",
                RECENT_SECONDS,
            )
        now = time.monotonic()
        long = Long(caller, work, self._long.place(caller), until=now + _IN_TIME * left, latest=now + left - seconds)
        if not self._line.has_time_for(long):
            raise self._busy(
                f"This may take {self._line.seconds(work):.0f} s, too long beside the others that are not done"
            )
        return long

    def _busy(self, why: str, own: float = 0.0) -> RefusedError:
        """own: seconds of what is refused, where it is in line."""
        seconds = max(RETRY_SECONDS, math.ceil(self._line.seconds_left() - own))
        message = f"{why}; try again in {seconds} s, or send a shorter conversation."
        return RefusedError(503, "busy_with_long_work", message, seconds)


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more after a time-out, and asyncio would complain of its exception."""
    if not answer.cancelled():
        answer.exception()
