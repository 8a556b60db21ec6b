"""Recognises by their content what other tools export, and turns it into our records.

Subtitles and plain text, Gong, Fireflies, Salesforce and HubSpot tables, ConvoKit, PersuasionForGood; a record that is ours
already passes unchanged. What each format means is read by a module of its own; this one only tells them apart. It
opens no file but those that belong to a corpus, and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from conversations.formats.kinds import DocumentFormat, ListFormat, PackedFormat, Placed, TextFormat
from conversations.formats.limits import Limit, counted
from conversations.formats.messages import helpdesks, intercom, mailbox, slack, whatsapp, zendesk
from conversations.formats.notices import notice, telling_left_out
from conversations.formats.recordings import fireflies, gong, webvtt, word
from conversations.formats.recordings.plain_text import plain_text_records, read_plain_transcript
from conversations.formats.research.corpora import CONVOKIT, is_persuasion_table, persuasion_records
from conversations.formats.tables.crm import check_words_are_named, renamed_records, table_records
from conversations.formats.tables.delimited import table_below, table_head
from foundations.errors import InputError

TEXT_ENDINGS = frozenset((".txt", ".text", ".md", ".log", ".srt"))
_TABLE_ENDINGS = frozenset((".csv", ".tsv", ".tab"))
ZIP = b"PK\x03\x04"  # of Office files too, whose list of contents stands at their end
_BEGINNING = 4000  # characters, of which people who talk take several turns
# Asked in this order; the first that knows a file reads it.
PACKED_FORMATS: tuple[PackedFormat, ...] = (
    word.FORMAT,
    mailbox.FORMAT,
)
TEXT_FORMATS: tuple[TextFormat, ...] = (
    webvtt.FORMAT,
    whatsapp.FORMAT,
    mailbox.COPIED,
)
LIST_FORMATS: tuple[ListFormat, ...] = (
    CONVOKIT,
    fireflies.DOWNLOAD,
    slack.FORMAT,
)
DOCUMENT_FORMATS: tuple[DocumentFormat, ...] = (
    gong.FORMAT,
    fireflies.FORMAT,
    slack.ANSWER,
    intercom.FORMAT,
    zendesk.FORMAT,
    helpdesks.FRONT,
    helpdesks.HELP_SCOUT,
    helpdesks.FRESHDESK,
)


def packed_format(data: bytes) -> PackedFormat | None:
    """The format of bytes that are no text, where one of PACKED_FORMATS knows them."""
    return next((one for one in PACKED_FORMATS if one.knows(data)), None)


def packed_records(
    packed: PackedFormat, data: bytes, path: Path, columns: Mapping[str, str], limit: Limit | None = None
) -> list[Placed]:
    """The records of such bytes. Raises InputError as the format's reader does."""
    with telling_left_out(path):
        return list(counted(packed.records(data, path, columns, limit), path, limit))


def text_records(text: str, path: Path, columns: Mapping[str, str], limit: Limit | None = None) -> list[Placed]:
    """The records of a text that is not JSON: subtitles, a chat, a transcript or a note in plain text, or a table.

    A text file (TEXT_ENDINGS), and what begins with people who talk, is a table only where `columns` names its columns, as
    --column does: any text could be one.
    limit: the most rows that are read. Raises InputError as the readers of these formats do, and for `columns` where the
    file has none.
    """
    known = _text_format(text, path)
    if known or (_is_talk(text, path) and not columns):
        _refuse_columns(columns, path, known.tool if known else "a transcript")
        return list(counted(spoken_records(text, path), path, limit))
    head = table_head(text, path)
    are_utterances = is_persuasion_table(head.columns) and not columns
    table = table_below(head, text, path, limit, are_utterances)
    if are_utterances:
        return _with_words(persuasion_records(table, path), path)
    return table_records(table, path, columns)


def spoken_records(text: str, path: Path) -> list[Placed]:
    """The records of a text that is no table: of its format, or else one conversation, with turns where somebody is named."""
    known = _text_format(text, path)
    with telling_left_out(path):
        return _with_words(known.records(text, path), path) if known else plain_text_records(text, path)


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
    given: Iterable[Placed], path: Path, columns: Mapping[str, str], limit: Limit | None = None
) -> list[Placed]:
    """The records of JSON objects: those of LIST_FORMATS and DOCUMENT_FORMATS are turned into ours, others are ours.

    limit: the most of them that are read. Raises InputError as the readers of these formats do, for a record of ours
    without a field for its words, and for `columns` in another tool's format.
    """
    first, objects = _first_of(given)
    parts = next((one for one in LIST_FORMATS if isinstance(first, dict) and one.knows(first)), None)
    placed = list(counted(objects, path, limit, are_utterances=parts is not None))
    if parts is not None:
        _refuse_columns(columns, path, parts.tool)
        with telling_left_out(path):
            return _with_words(parts.records(placed, path), path)
    tools = [_tool_of(record) for _, record in placed]
    tool = next((one for one in tools if one), None)  # one record of it is enough, so that a stray line is told of
    if tool is None:
        records = renamed_records(placed, path, columns) if columns else list(placed)
        check_words_are_named(records)
        return records
    _refuse_columns(columns, path, tool.tool)
    expanded = (
        record
        for (where, document), one in zip(placed, tools, strict=True)
        for record in (one.records(document, where) if one else [(where, document)])
    )
    with telling_left_out(path):
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
    """Without the calls in which nobody spoke, which recorders list too. Raises InputError where that is all of them."""
    silent = [where for where, record in placed if _is_silent(record)]
    if silent and len(silent) == len(placed):
        raise InputError(f"{path} holds no words: nobody says anything in {_of_all(len(placed))}; give one with words.")
    if silent:
        told = f"{len(silent)} of {len(placed)} calls have no words and are left out"
        notice(path, f"{told} (the first is {silent[0].removeprefix(f'{path}, ')}).")
    return [(where, record) for where, record in placed if not _is_silent(record)]


def _of_all(count: int) -> str:
    return "its one conversation" if count == 1 else f"any of its {count:,} conversations"


def _is_silent(record: Any) -> bool:
    return isinstance(record, dict) and record.get("turns") == []


def _refuse_columns(columns: Mapping[str, str], path: Path, what: str) -> None:
    if columns:
        given = ", ".join(f"{field}={name}" for field, name in columns.items())
        raise InputError(f"{path} is {what}, which has no columns to name; leave out --column {given}.")
