"""Reads conversations from a JSON list, JSON lines or CSV; the format follows the content, not the file's ending.

Every problem is an InputError that names the file and, where there is one, the line and column. Reads the whole file
into memory: about ten times the file's size.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atomic_files import write_json
from conversation import Conversation, ConversationContext, conversation_from_record, with_identifiers
from input_error import InputError

CONTEXT_COLUMNS = tuple(ConversationContext.model_fields)
_FORMATS = "a JSON list, JSON lines or CSV with the columns 'transcript' and 'outcome'"


def read_conversations(path: Path) -> list[Conversation]:
    """All conversations of a file, in its order, each with an id. Raises InputError for anything that isn't right."""
    text = _read_text(path)
    start = text.lstrip()[:1]
    if start == "[":
        records = _json_list(text, path)
    elif start == "{":
        records = _json_lines(text, path)
    else:
        records = _csv_rows(text, path)
    if not records:
        raise InputError(f"{path} holds no conversation; it should be {_FORMATS}.")
    return with_identifiers([conversation_from_record(record, where) for where, record in records])


def write_conversations(path: Path, conversations: list[Conversation]) -> None:
    """Writes a JSON list that `read_conversations` reads back to equal conversations."""
    write_json(path, [conversation.model_dump(exclude_none=True) for conversation in conversations])


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {str(path)!r}; give the path of {_FORMATS}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror}); give the path of {_FORMATS}.") from error
    if not data.strip():
        raise InputError(f"{path} is empty; it should be {_FORMATS}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start} is {data[error.start]:#04x}"
        raise InputError(f"{path} is not UTF-8 text ({place}); it should be {_FORMATS}.") from error
    if "\x00" in text:
        raise InputError(f"{path} is binary, not text (byte {text.index(chr(0))} is 0x00); it should be {_FORMATS}.")
    return text


def _json_list(text: str, path: Path) -> list[tuple[str, Any]]:
    records = _parse_json(text, path, first_line=1)
    return [(f"{path}, item {number}", record) for number, record in enumerate(records, start=1)]


def _json_lines(text: str, path: Path) -> list[tuple[str, Any]]:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if _is_one_object(text):
        return [(str(path), _parse_json(text, path, first_line=1))]
    return [(f"{path}, line {number}", _parse_json(line, path, first_line=number)) for number, line in lines]


def _is_one_object(text: str) -> bool:
    """Whether the file is one object over several lines, be it a broken one: JSON lines open no line with "{" alone."""
    if text.lstrip().split("\n", 1)[0].strip() == "{":
        return True
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _parse_json(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text, parse_constant=_constant)
    except RecursionError as error:
        raise InputError(f"{path}, line {first_line}: the JSON is nested too deeply to be conversations.") from error
    except json.JSONDecodeError as error:
        place = f"line {first_line + error.lineno - 1}, column {error.colno}"
        near = text[max(0, error.pos - 20) : error.pos + 20]
        raise InputError(f"{path}, {place}: broken JSON near {near!r} ({error.msg}).") from error
    except ValueError as error:  # the only other one: an integer of more digits than Python reads
        raise InputError(f"{path}, line {first_line}: the JSON holds a number of thousands of digits.") from error


def _constant(name: str) -> float | None:
    """NaN, which pandas writes for a missing value, is absent; the infinities stay, and are refused later."""
    return None if name == "NaN" else float(name)


def _csv_rows(text: str, path: Path) -> list[tuple[str, Any]]:
    csv.field_size_limit(len(text) + 1)  # one cell may be a whole call; the transcript's own limit comes later
    table = text.lstrip("\r\n")
    skipped = text[: len(text) - len(table)].count("\n")  # blank lines before the header
    delimiter = max(",;\t", key=table.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(table, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        reader.fieldnames = _columns(reader.fieldnames or [], path)
        for row in reader:
            where = f"{path}, line {skipped + reader.line_num}"  # the last line of a row that has several
            rows.append((where, _record_from_row(row, where)))
    except csv.Error as error:
        raise InputError(f"{path}, line {skipped + reader.reader.line_num}: broken CSV ({error}).") from error
    return rows


def _columns(header: Sequence[str], path: Path) -> list[str]:
    columns = [name.strip() for name in header]
    if "transcript" not in columns:
        found = ", ".join(repr(name[:40]) for name in columns[:12])
        raise InputError(f"{path} has no column 'transcript' (found: {found}); it should be {_FORMATS}.")
    return columns


def _record_from_row(row: dict[str | None, Any], where: str) -> dict[str, Any]:
    surplus = [cell for cell in row.get(None) or [] if cell.strip()]
    if surplus:
        raise InputError(
            f"{where}: {surplus[0][:60]!r} lies beyond the last column; put cells that hold the delimiter in quotes."
        )
    cells = {key: value.strip() for key, value in row.items() if key and isinstance(value, str) and value.strip()}
    record: dict[str, Any] = {key: value for key, value in cells.items() if key not in CONTEXT_COLUMNS}
    record["conversation_context"] = {key: value for key, value in cells.items() if key in CONTEXT_COLUMNS}
    return record
