"""What long work is given: a way to say how far it is, and a way to learn that nobody waits for it any more.

A thread can't be stopped from outside, so it has to ask: the steps of an answer, each pack of the encoder and each
beginning of a trajectory do, so that the work ends within about the time of one of them. Outside of `until_given_up`
(training, scoring files) asking does nothing. Costs a tenth of a microsecond. (anyio's `from_thread.check_cancelled`
says it to anyio's own threads alone, so not to the encoder's helpers, and not where a service ends.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[float], None]  # called with the share of the fit that is done, 0 to 1


_given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


class GivenUpError(Exception):
    """Nobody waits for this work any more."""


@contextmanager
def until_given_up(given_up: threading.Event) -> Iterator[None]:
    """Within this block `check_deadline` raises once `given_up` is set, in this thread and in copies of its context."""
    token = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(token)


def check_deadline() -> None:
    """Raises GivenUpError where nobody waits any more."""
    given_up = _given_up.get()
    if given_up is not None and given_up.is_set():
        raise GivenUpError
