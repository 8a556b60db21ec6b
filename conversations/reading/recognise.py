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

from conversations.reading.calls import fireflies_records, gong_records, is_fireflies, is_fireflies_sentence, is_gong
from conversations.reading.crm import check_words_are_named, renamed_records, table_records
from conversations.reading.limits import Limit, counted
from conversations.reading.notices import notice
from conversations.reading.plain_text import read_plain_transcript
from conversations.reading.research import convokit_records, is_persuasion_table, is_utterance, persuasion_records
from conversations.reading.tables import table_below, table_head
from conversations.reading.webvtt import is_srt, is_webvtt, vtt_record
from foundations.errors import InputError

TEXT_ENDINGS = frozenset((".txt", ".text", ".md", ".log", ".srt"))

Placed = tuple[str, Any]  # where a record stands ("deals.csv, line 7"), for messages, and the record


def text_records(text: str, path: Path, columns: Mapping[str, str], limit: Limit | None = None) -> list[Placed]:
    """The records of a text that is not JSON: subtitles, a transcript or a note in plain text, or a table.

    A text file (TEXT_ENDINGS) is a table only where `columns` names its columns, as --column does: any text could be one.
    limit: the most rows that are read. Raises InputError as the readers of these formats do, and for `columns` where the
    file has none.
    """
    if is_webvtt(text) or is_srt(text) or (path.suffix.lower() in TEXT_ENDINGS and not columns):
        _refuse_columns(columns, path, "a transcript")
        return [(str(path), spoken_record(text, path))]
    head = table_head(text, path)
    are_utterances = is_persuasion_table(head.columns) and not columns
    table = table_below(head, text, path, limit, are_utterances)
    if are_utterances:
        return _with_words(persuasion_records(table, path), path)
    return table_records(table, path, columns)


def spoken_record(text: str, path: Path) -> dict[str, Any]:
    """The one conversation of subtitles or of plain text: with turns where somebody is named, else the text as a note."""
    if is_webvtt(text) or is_srt(text):
        record = vtt_record(text, str(path))
        if not any(turn["speaker"] for turn in record["turns"]):
            notice(path, "nobody is named as speaking, so every word counts for both sides.")
    elif transcript := read_plain_transcript(text):
        record = transcript.record
        if above := transcript.heading:
            notice(path, f"{len(above)} lines above the first speaker are left out (the first is {above[0][:60]!r}).")
    else:
        record = {"transcript": text}
    return {"conversation_id": path.stem, **record}


def json_records(
    given: Iterable[Placed], path: Path, columns: Mapping[str, str], limit: Limit | None = None
) -> list[Placed]:
    """The records of JSON objects: those of Gong, Fireflies and ConvoKit are turned into ours, others are ours.

    limit: the most of them that are read. Raises InputError as the readers of these formats do, for a record of ours
    without a field for its words, and for `columns` in another tool's format.
    """
    first, objects = _first_of(given)
    placed = list(counted(objects, path, limit, is_utterance(first) or is_fireflies_sentence(first)))
    tool = _tool_of([record for _, record in placed])
    if tool is None:
        records = renamed_records(placed, path, columns) if columns else list(placed)
        check_words_are_named(records)
        return records
    _refuse_columns(columns, path, tool)
    if tool == "ConvoKit":
        return _with_words(convokit_records(placed, path), path)
    if all(is_fireflies_sentence(record) for _, record in placed):
        placed = [(str(path), {"id": path.stem, "sentences": [record for _, record in placed]})]
    expanded = (record for where, document in placed for record in _expanded(document, where))
    return _with_words(list(counted(expanded, path, limit)), path)


def _first_of(given: Iterable[Placed]) -> tuple[Any, Iterable[Placed]]:
    """The first record, None of none, and all of them."""
    rest = iter(given)
    first = list(islice(rest, 1))
    return (first[0][1] if first else None), chain(first, rest)


def _tool_of(records: Sequence[Any]) -> str | None:
    """The tool that wrote the records; one record of it is enough, so that a stray line is told of."""
    objects = [record for record in records if isinstance(record, dict)]
    if objects and is_utterance(objects[0]):
        return "ConvoKit"
    if any(is_gong(record) for record in objects):
        return "Gong"
    is_download = bool(records) and all(is_fireflies_sentence(record) for record in records)
    return "Fireflies" if is_download or any(is_fireflies(record) for record in objects) else None


def _expanded(document: Any, where: str) -> Iterable[Placed]:
    if isinstance(document, dict) and is_gong(document):
        return gong_records(document, where)
    if isinstance(document, dict) and is_fireflies(document):
        return fireflies_records(document, where)
    return [(where, document)]


def _with_words(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """Without the calls in which nobody spoke, which recorders list too."""
    silent = [where for where, record in placed if _is_silent(record)]
    if silent:
        told = f"{len(silent)} of {len(placed)} calls have no words and are left out"
        notice(path, f"{told} (the first is {silent[0].removeprefix(f'{path}, ')}).")
    return [(where, record) for where, record in placed if not _is_silent(record)]


def _is_silent(record: Any) -> bool:
    return isinstance(record, dict) and record.get("turns") == []


def _refuse_columns(columns: Mapping[str, str], path: Path, what: str) -> None:
    if columns:
        given = ", ".join(f"{field}={name}" for field, name in columns.items())
        raise InputError(f"{path} is {what}, which has no columns to name; leave out --column {given}.")
