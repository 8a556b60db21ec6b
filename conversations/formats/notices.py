"""What a reader tells the person who gave the file, beside its result: rows left out, stages taken as open.

Such a notice names the file and quotes cells. At the command line it is a warning. In a service it would end up in a log, where
no word of a customer belongs, so there it is gathered (`gathered_notices`) for the sender alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_log = logging.getLogger("conversations.reading")
_gathered: ContextVar[list[str] | None] = ContextVar("gathered", default=None)
_left_out: ContextVar[Counter[str] | None] = ContextVar("left_out", default=None)


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


def left_out(what: str, count: int = 1) -> None:
    """Counts what a reader leaves out ("internal notes"), to be told once for the whole file by `telling_left_out`."""
    counts = _left_out.get()
    if counts is not None and count:
        counts[what] += count


@contextmanager
def telling_left_out(path: Path) -> Iterator[None]:
    """Tells at the end of this block, in one sentence, what was left out within it, and how often."""
    counts: Counter[str] = Counter()
    token = _left_out.set(counts)
    try:
        yield
    finally:
        _left_out.reset(token)
    if counts:
        notice(path, f"left out: {', '.join(f'{count:,} {what}' for what, count in sorted(counts.items()))}.")
