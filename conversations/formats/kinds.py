"""What a format is to those who read files: how it is recognised by its content, and what makes records of it.

A format's module offers one of these; `conversations.reading.recognise` asks them in order. A reader of a format judges no
record (`conversations.conversation` does), guesses no outcome, and tells what it leaves out (`conversations.formats.notices`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conversations.formats.limits import Limit
from conversations.formats.options import ReadingOptions

Placed = tuple[str, Any]  # where a record stands ("deals.csv, line 7"), for messages, and the record


class DocumentFormat(NamedTuple):
    """JSON in which one object is one export: a call, or several."""

    tool: str  # "Gong", for messages
    knows: Callable[[Mapping[str, Any]], bool]
    records: Callable[[Mapping[str, Any], str], Iterable[Placed]]  # of the object, which stands at that place


class ListFormat(NamedTuple):
    """JSON, a list or lines, in which each element is a part of a conversation: a sentence, a message."""

    tool: str
    knows: Callable[[Mapping[str, Any]], bool]  # by the first element
    records: Callable[[Sequence[Placed], Path], Sequence[Placed]]  # of all elements; the path names the file


class TextFormat(NamedTuple):
    """Text that is neither JSON nor a table."""

    tool: str
    knows: Callable[[str, Path], bool]
    records: Callable[[str, Path], Sequence[Placed]]


class PackedFormat(NamedTuple):
    """Bytes that are no text: an Office file, Parquet. A table among them is told how it is meant, and the limit."""

    tool: str
    knows: Callable[[bytes], bool]  # by the first bytes, or all of them
    records: Callable[[bytes, Path, ReadingOptions, Limit | None], Sequence[Placed]]
