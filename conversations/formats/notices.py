"""What a reader tells the person who gave the file, beside its result: rows left out, stages taken as open.

Such a notice names the file and quotes cells. At the command line it is a warning. In a service it would end up in a log, where
no word of a customer belongs, so there it is gathered (`gathered_notices`) for the sender alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_log = logging.getLogger("conversations.reading")
_gathered: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


def notice(path: Path, text: str) -> None:
    """Tells of a file: a warning of this room's logger, or where notices are gathered a sentence of that list."""
    sentence = f"{path}: {text}"
    gathered = _gathered.get()
    if gathered is None:
        _log.warning("%s", sentence)
    elif sentence not in gathered:
        gathered.append(sentence)


@contextmanager
def gathered_notices() -> Iterator[list[str]]:
    """Within this block, and in this thread, notices come into the list that it gives, and into no log.

    A block around it gets them too, when this one ends.
    """
    sentences: list[str] = []
    around = _gathered.get()
    token = _gathered.set(sentences)
    try:
        yield sentences
    finally:
        _gathered.reset(token)
        if around is not None:
            around += [sentence for sentence in sentences if sentence not in around]
