"""How far a recording is heard, for whoever wants to know: a bar on a terminal, a page.

Readers of files don't hand on who waits, so it is the same within a block and the threads that have its context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Listener = Callable[[Path, float], None]  # the recording, and the share of it that is heard, 0 to 1

_listener: ContextVar[Listener | None] = ContextVar("hearing_listener", default=None)


@contextmanager
def told_how_far(listener: Listener) -> Iterator[None]:
    """Within this block `listener` is called whenever more of a recording is heard, at 0 and at 1 too."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_how_far(path: Path, share: float) -> None:
    """Tells the listener, where there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(path, share)
