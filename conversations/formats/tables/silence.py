"""Records without words: left out and told of, once a file; where none has any, that is the reason to refuse it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from conversations.formats.notices import notice
from foundations.errors import InputError

T = TypeVar("T")
_NOTHING = {"#n/a", "n/a", "#n/a n/a", "null", "none", "nan", "-", "--", "–", "—", "#value!", "#ref!", "(null)", "<na>"}


class NoWordsError(InputError):
    """There are records, and none has a word."""


def says_something(text: str) -> bool:
    """Whether a text is more than blanks, or what Excel and databases write for nothing."""
    plain = text.strip()
    return bool(plain) and not (len(plain) < 10 and plain.casefold() in _NOTHING)


def with_words(
    placed: Sequence[tuple[str, T]], speaks: Callable[[T], bool], path: Path, what: str
) -> list[tuple[str, T]]:
    """Those that have words. what: what the others are, such as "calls have no words".

    Raises NoWordsError where none has.
    """
    silent = [where for where, one in placed if not speaks(one)]
    if not silent:
        return list(placed)
    if len(silent) == len(placed) == 1:
        raise NoWordsError(f"{silent[0]}: the transcript is empty, so there is no conversation.")
    if len(silent) == len(placed):
        raise NoWordsError(f"{path} holds no conversation: the transcript is empty in each ({len(placed)} {what}).")
    first = silent[0].removeprefix(f"{path}, ")
    notice(path, f"{len(silent)} of {len(placed)} {what} and are left out (the first is {first}).")
    return [(where, one) for where, one in placed if speaks(one)]
