"""What a reader tells the person at the command line beside its result: rows left out, stages taken as open.

Such a notice names the file and quotes cells. In a service it would end up in a log, where no word of a customer belongs,
so within `nothing_told` it is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_log = logging.getLogger("conversations.reading")
_told: ContextVar[bool] = ContextVar("told", default=True)


def notice(path: Path, text: str) -> None:
    """Tells of a file, as a warning of this room's logger."""
    if _told.get():
        _log.warning("%s: %s", path, text)


@contextmanager
def nothing_told() -> Iterator[None]:
    """Within this block, and in this thread, notices are dropped."""
    token = _told.set(False)
    try:
        yield
    finally:
        _told.reset(token)
