"""Recognises by their content what other tools export, and turns it into our records.

Subtitles and plain text, recorders of calls, speech-to-text engines, tables and what CRMs' APIs answer, research corpora; a
record that is ours already passes unchanged. What each format means is read by a module of its own; this one only tells
them apart. It opens no file but those that belong to a corpus, and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from conversations.formats.fields import KEPT_FIELDS
from conversations.formats.findings import found_format
from conversations.formats.kinds import DocumentFormat, PackedFormat, Placed, RowsFormat, TextFormat
from conversations.formats.limits import Limit, counted
from conversations.formats.notices import notice, telling_left_out
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings.plain_text import plain_text_records, read_plain_transcript
from conversations.formats.research.corpora import is_persuasion_table, persuasion_records
from conversations.formats.tables import answers
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import table_below, table_head
from conversations.formats.tables.names import may_be_messages
from conversations.formats.tables.own_json import are_messages, own_records
from conversations.formats.tables.silence import with_words
from conversations.reading.known_formats import (
    DOCUMENT_FORMATS,
    LIST_FORMATS,
    PACKED_FORMATS,
    ROW_FORMATS,
    TEXT_FORMATS,
)
from foundations.errors import InputError, described

TEXT_ENDINGS = frozenset((".txt", ".text", ".md", ".log", ".srt"))
_TABLE_ENDINGS = frozenset((".csv", ".tsv", ".tab"))
ZIP = b"PK\x03\x04"  # of Office files too, whose list of contents stands at their end
_BEGINNING = 4000  # characters, of which people who talk take several turns


def packed_format(data: bytes) -> PackedFormat | None:
    """The format of bytes that are no text, where one of PACKED_FORMATS knows them."""
    return next((one for one in PACKED_FORMATS if one.knows(data)), None)


def packed_records(
    packed: PackedFormat, data: bytes, path: Path, options: ReadingOptions, limit: Limit | None = None
) -> list[Placed]:
    """The records of such bytes. Raises InputError as the format's reader does."""
    found_format(path, packed.tool)
    with telling_left_out(path):
        return list(counted(packed.records(data, path, options, limit), path, limit))


def text_records(text: str, path: Path, options: ReadingOptions, limit: Limit | None = None) -> list[Placed]:
    """The records of a text that is not JSON: subtitles, a chat, a transcript or a note in plain text, or a table.

    A text file (TEXT_ENDINGS), and what begins with people who talk, is a table only where the options name its columns: any
    text could be one.
    limit: the most rows that are read. Raises InputError as the readers of these formats do, and for named columns
    where the file has none.
    """
    known = _text_format(text, path)
    if known or (_is_talk(text, path) and not options.columns):
        options.refuse_columns(path, known.tool if known else "a transcript")
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
    known = _text_format(text, path)
    with telling_left_out(path):
        records = _with_words(known.records(text, path), path) if known else plain_text_records(text, path)
    is_talk = any("turns" in record for _, record in records)
    found_format(path, known.tool if known else f"a {'transcript' if is_talk else 'note'} in plain text")
    return records


def is_read_whole(head: bytes, text: str, path: Path) -> bool:
    """Whether a file that is no JSON can't be cut by rows: its first bytes, and their text, are not those of a table."""
    is_packed = head.startswith(ZIP) or packed_format(head) is not None
    return is_packed or _text_format(text, path) is not None or _is_talk(text, path)


def _is_talk(text: str, path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in TEXT_ENDINGS or ending in _TABLE_ENDINGS:
        return ending in TEXT_ENDINGS
    talk = read_plain_transcript(text[:_BEGINNING])
    return talk is not None and not talk.heading  # a table's header would stand above it


def _text_format(text: str, path: Path) -> TextFormat | None:
    return next((one for one in TEXT_FORMATS if one.knows(text, path)), None)


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
        options.refuse_columns(path, parts.tool)
        with telling_left_out(path):
            return _told_of(parts.records(placed, path), path)
    if any(_rows_format_of(record) for _, record in placed):
        return _answered_records(placed, path, options, limit)
    tools = [_tool_of(record) for _, record in placed]
    tool = next((one for one in tools if one), None)  # one record of it is enough, so that a stray line is told of
    found_format(path, tool.tool if tool else "JSON records of ours")
    if tool is None:
        return own_records(placed, path, options, limit)
    options.refuse_columns(path, tool.tool)
    expanded = (
        _completed(record, document, where, path) if one else record
        for (where, document), one in zip(placed, tools, strict=True)
        for record in (one.records(document, where) if one else [(where, document)])
    )
    with telling_left_out(path):
        return _told_of(list(counted(expanded, path, limit)), path)


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


def _rows_format_of(record: Any) -> RowsFormat | None:
    return next((one for one in ROW_FORMATS if isinstance(record, dict) and one.knows(record)), None)


def _answered_records(
    placed: Sequence[Placed], path: Path, options: ReadingOptions, limit: Limit | None
) -> list[Placed]:
    """The records of a CRM's answers, all of them one table. Raises InputError for what stands beside them."""
    rows = list(counted((row for where, document in placed for row in _rows(document, where)), path, limit))
    found_format(path, next(answer.tool for _, record in placed if (answer := _rows_format_of(record))))
    return table_records(answers.table_of_rows(rows), path, options) if rows else []


def _rows(document: Any, where: str) -> Iterable[tuple[str, dict[str, str | None]]]:
    answer = _rows_format_of(document)
    if answer is None:
        raise InputError(f"{where}: {described(document)} stands among a CRM's answers and is none; leave it out.")
    return answer.rows(document, where)


def _completed(placed: Placed, document: Mapping[str, Any], where: str, path: Path) -> Placed:
    """The record of a document with one call, with what somebody added to it, and named after a file that it fills."""
    place, record = placed
    if place != where:
        return placed
    known = {"conversation_id": path.stem} if where == str(path) else {}
    added = {key: document[key] for key in ("conversation_id", *KEPT_FIELDS) if document.get(key)}
    return place, {**record, **{key: value for key, value in (known | added).items() if not record.get(key)}}


def _told_of(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The calls with words. Those without any, and those in which nobody is named, are told of."""
    spoken = _with_words(placed, path)
    voices = [{turn["speaker"] for turn in record["turns"]} for _, record in spoken if _has_turns(record)]
    if nameless := voices.count({""}):
        notice(
            path,
            f"in {nameless} of {len(voices)} calls nobody is named as speaking, so every word counts for both sides.",
        )
    return spoken


def _has_turns(record: Any) -> bool:
    turns = record.get("turns") if isinstance(record, dict) else None
    return isinstance(turns, list) and all(isinstance(turn, dict) and "speaker" in turn for turn in turns)


def _is_silent(record: Any) -> bool:
    return isinstance(record, dict) and record.get("turns") == []
