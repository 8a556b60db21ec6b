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
from pathlib import Path
from typing import Any, TypeVar

from foundations.long_work import GivenUpError, check_deadline, until_given_up
from foundations.machine import available_cores
from service.limits.fair_turns import FairTurns
from service.limits.in_flight import InFlight
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
        self._expected = Tally()  # milliseconds of long work that is not done, by caller

    async def run(self, caller: str, work: Work, function: Callable[..., T], *arguments: Any) -> T:
        """Runs `function` in a thread. Raises RefusedError 503 where it can't be, or would not be done in time."""
        seconds = self._paces.seconds(work)
        is_long = seconds > LONG_SECONDS
        if is_long:
            self._check_time(caller, seconds, self._paces.knows(work))
        if not self.in_flight.enter(self._left_to_others(caller)):
            raise self.too_many()
        expected = round(1000 * seconds) if is_long else 0
        turns = self._long if is_long else self._short
        self._running.add(caller, 1)
        self._expected.add(caller, expected)

        def leave() -> None:
            self._running.add(caller, -1)
            self._expected.add(caller, -expected)

        def end() -> None:
            turns.give_back()
            leave()

        try:
            await turns.take(caller, seconds)
        except BaseException:
            self.in_flight.exit()
            leave()
            raise
        return await self._work(work, end, function, *arguments)

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

    async def _work(self, work: Work, ended: Callable[[], object], function: Callable[..., T], *arguments: Any) -> T:
        loop, given_up = asyncio.get_running_loop(), threading.Event()

        def timed() -> T:
            began = time.monotonic()
            try:
                with until_given_up(given_up):
                    check_deadline()
                    answer = function(*arguments)
            except GivenUpError:
                self._paces.learn(work, time.monotonic() - began, finished=False)
                raise
            self._paces.learn(work, time.monotonic() - began)  # not of what was refused inside: that takes no time
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

    def _check_time(self, caller: str, seconds: float, known: bool) -> None:
        """Raises RefusedError for long work that can't be done in time, or is more than the caller's share."""
        time_left = _IN_TIME * self._timeout - self._expected.total / 1000
        mine = self._expected.of(caller) / 1000
        if known and seconds > self._timeout:
            raise RefusedError(
                503,
                "takes_too_long",
                f"This would take about {seconds:.0f} s now, and a request may take {self._timeout:g} s; send a shorter "
                "conversation, fewer of them, or try again later.",
                RECENT_SECONDS,
            )
        if self._expected.total and (seconds > time_left or (mine and mine + seconds > time_left)):
            retry = max(RETRY_SECONDS, math.ceil(self._expected.total / 1000))
            raise RefusedError(
                503,
                "busy_with_long_work",
                f"This would take about {seconds:.0f} s, and long conversations for {retry} s come before it; try again "
                "then, or send a shorter one.",
                retry,
            )


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more after a time-out, and asyncio would complain of its exception."""
    if not answer.cancelled():
        answer.exception()
