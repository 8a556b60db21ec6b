"""How far a recording is heard, for whoever wants to know: a bar on a terminal, a page.

Readers of files don't hand on who waits, so it is the same within a block and the threads that have its context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Listener = Callable[[Path, float | None], None]  # the recording, and the share of it that is heard; None: that is all

_listener: ContextVar[Listener | None] = ContextVar("hearing_listener", default=None)


@contextmanager
def told_how_far(listener: Listener) -> Iterator[None]:
    """Within this block `listener` is called whenever more of a recording is heard: 0 first, None at its end."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def telling_how_far(path: Path) -> Iterator[Callable[[float], None]]:
    """Yields a function that tells the listener, where there is one, the share that is heard."""
    listener = _listener.get() or _nobody
    listener(path, 0.0)
    try:
        yield lambda share: listener(path, share)
    finally:
        listener(path, None)


def _nobody(path: Path, share: float | None) -> None:
    """Nobody listens."""
