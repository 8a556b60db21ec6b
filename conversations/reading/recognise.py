"""Recognises by their content what other tools export, and turns it into our records.

Subtitles and plain text, Gong, Fireflies, Salesforce and HubSpot tables, ConvoKit, PersuasionForGood; a record that is ours
already passes unchanged. What each format means is read by a module of its own; this one only tells them apart. It
opens no file but those that belong to a corpus, and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from conversations.formats.findings import found_format
from conversations.formats.kinds import DocumentFormat, ListFormat, PackedFormat, Placed, TextFormat
from conversations.formats.limits import Limit, counted
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings import fireflies, gong, webvtt
from conversations.formats.recordings.plain_text import read_plain_transcript
from conversations.formats.research.corpora import CONVOKIT, is_persuasion_table, persuasion_records
from conversations.formats.tables import parquet, workbook
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import table_below, table_head
from conversations.formats.tables.names import may_be_messages
from conversations.formats.tables.own_json import are_messages, own_records
from conversations.formats.tables.silence import with_words
from foundations.errors import InputError

TEXT_ENDINGS = frozenset((".txt", ".text", ".md", ".log", ".srt"))
# Asked in this order; the first that knows a file reads it.
PACKED_FORMATS: tuple[PackedFormat, ...] = (
    workbook.FORMAT,
    parquet.FORMAT,
)
TEXT_FORMATS: tuple[TextFormat, ...] = (webvtt.FORMAT,)
LIST_FORMATS: tuple[ListFormat, ...] = (CONVOKIT, fireflies.DOWNLOAD)
DOCUMENT_FORMATS: tuple[DocumentFormat, ...] = (gong.FORMAT, fireflies.FORMAT)


def packed_format(data: bytes) -> PackedFormat | None:
    """The format of bytes that are no text, where one of PACKED_FORMATS knows them."""
    return next((one for one in PACKED_FORMATS if one.knows(data)), None)


def packed_records(
    packed: PackedFormat, data: bytes, path: Path, options: ReadingOptions, limit: Limit | None = None
) -> list[Placed]:
    """The records of such bytes. Raises InputError as the format's reader does."""
    found_format(path, packed.tool)
    return list(counted(packed.records(data, path, options, limit), path, limit))


def text_records(text: str, path: Path, options: ReadingOptions, limit: Limit | None = None) -> list[Placed]:
    """The records of a text that is not JSON: subtitles, a chat, a transcript or a note in plain text, or a table.

    A text file (TEXT_ENDINGS) is a table only where the options name its columns: any text could be one.
    limit: the most rows that are read. Raises InputError as the readers of these formats do, and for named columns
    where the file has none.
    """
    known = next((one for one in TEXT_FORMATS if one.knows(text, path)), None)
    if known or (path.suffix.lower() in TEXT_ENDINGS and not options.columns):
        _refuse_columns(options, path, known.tool if known else "a transcript")
        return list(counted(spoken_records(text, path), path, limit))
    head = table_head(text, path)
    if is_persuasion_table(head.columns) and not options.columns:
        found_format(path, "PersuasionForGood")
        return _with_words(persuasion_records(table_below(head, text, path, limit, are_utterances=True), path), path)
    found_format(path, "a table")
    are_utterances = may_be_messages(head.columns, path, options)
    return table_records(table_below(head, text, path, limit, are_utterances), path, options, limit)


def spoken_records(text: str, path: Path) -> list[Placed]:
    """The records of a text that is no table: of its format, or else one conversation, with turns where somebody is named."""
    known = next((one for one in TEXT_FORMATS if one.knows(text, path)), None)
    if known is None:
        return [_noted(text, path)]
    found_format(path, known.tool)
    return list(known.records(text, path))


def _noted(text: str, path: Path) -> Placed:
    record: dict[str, Any] = {"transcript": text}
    if transcript := read_plain_transcript(text):
        record = transcript.record
        if above := transcript.heading:
            notice(path, f"{len(above)} lines above the first speaker are left out (the first is {above[0][:60]!r}).")
    found_format(path, "a transcript in plain text" if transcript else "a note in plain text")
    return str(path), {"conversation_id": path.stem, **record}


def json_records(
    given: Iterable[Placed], path: Path, options: ReadingOptions, limit: Limit | None = None
) -> list[Placed]:
    """The records of JSON objects: those of LIST_FORMATS and DOCUMENT_FORMATS are turned into ours, others are ours.

    limit: the most of them that are read. Raises InputError as the readers of these formats do, for a record of ours
    without a field for its words, and for named columns in another tool's format.
    """
    first, objects = _first_of(given)
    parts = next((one for one in LIST_FORMATS if isinstance(first, dict) and one.knows(first)), None)
    are_utterances = parts is not None or are_messages([first], options)
    placed = list(counted(objects, path, limit, are_utterances))
    if parts is not None:
        found_format(path, parts.tool)
        _refuse_columns(options, path, parts.tool)
        return _with_words(parts.records(placed, path), path)
    tools = [_tool_of(record) for _, record in placed]
    tool = next((one for one in tools if one), None)  # one record of it is enough, so that a stray line is told of
    found_format(path, tool.tool if tool else "JSON records of ours")
    if tool is None:
        return own_records(placed, path, options, limit)
    _refuse_columns(options, path, tool.tool)
    expanded = (
        record
        for (where, document), one in zip(placed, tools, strict=True)
        for record in (one.records(document, where) if one else [(where, document)])
    )
    return _with_words(list(counted(expanded, path, limit)), path)


def stands_alone(record: Any) -> bool:
    """Whether a JSON value is a conversation, or an export of some, by itself, rather than a part of one (LIST_FORMATS)."""
    return not (isinstance(record, dict) and any(one.knows(record) for one in LIST_FORMATS))


def _first_of(given: Iterable[Placed]) -> tuple[Any, Iterable[Placed]]:
    """The first record, None of none, and all of them."""
    rest = iter(given)
    first = list(islice(rest, 1))
    return (first[0][1] if first else None), chain(first, rest)


def _tool_of(record: Any) -> DocumentFormat | None:
    return next((one for one in DOCUMENT_FORMATS if isinstance(record, dict) and one.knows(record)), None)


def _with_words(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """Without the calls in which nobody spoke, which recorders list too."""
    return with_words(placed, lambda record: not _is_silent(record), path, "calls have no words")


def _is_silent(record: Any) -> bool:
    return isinstance(record, dict) and record.get("turns") == []


def _refuse_columns(options: ReadingOptions, path: Path, what: str) -> None:
    if options.columns:
        given = ", ".join(f"{field}={name}" for field, name in options.columns.items())
        raise InputError(f"{path} is {what}, which has no columns to name; leave out the option column, {given}.")
