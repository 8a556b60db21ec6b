"""How much of a file is read: for an upload so many conversations, for a file as many as there are.

Every reader takes its rows through `counted`, so that what is too much, or what nobody waits for any more, ends at the
next row and not when all of them are built. Costs a fifth of a microsecond a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from conversations.conversation import MAX_TURNS
from foundations.errors import InputError
from foundations.long_work import check_deadline

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """The most conversations of one upload, and where a row is one utterance only, the most utterances."""

    conversations: int
    utterances: int = MAX_TURNS


def counted(items: Iterable[T], path: Path, limit: Limit | None, are_utterances: bool = False) -> Iterator[T]:
    """The items one by one, each after `check_number`."""
    for number, item in enumerate(items, start=1):
        check_number(number, path, limit, are_utterances)
        yield item


def check_number(number: int, path: Path, limit: Limit | None, are_utterances: bool = False) -> None:
    """Raises InputError where so many are too many, and GivenUpError where nobody waits for them any more."""
    check_deadline()
    most = None if limit is None else limit.utterances if are_utterances else limit.conversations
    if most is not None and number > most:
        what = "utterances" if are_utterances else "conversations"
        raise InputError(
            f"{path} holds more than {most:,} {what}, and no more are taken at once; split it, or score it with: "
            "python main.py --mode score."
        )
