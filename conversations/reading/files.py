"""Reads conversations from a JSON list, JSON lines, CSV or another tool's export; the content decides, not the ending.

Every problem is an InputError that names the file and, where there is one, the line and column. Reads the whole file
into memory: about ten times the file's size.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from conversations.conversation import Conversation
from conversations.formats.kinds import Placed
from conversations.formats.limits import Limit, counted
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.reading.recognise import json_records, packed_format, packed_records, text_records
from conversations.reading.record import conversation_from_record, with_identifiers
from conversations.reading.refused import what_it_is
from conversations.split import SHARES, DataSplits
from foundations.atomic_files import write_json
from foundations.errors import InputError, sign_at

SPLIT_FILES = {"train": "train_data.json", "validation": "val_data.json", "test": "test_data.json"}


_FORMATS = "a JSON list, JSON lines or CSV with the columns 'transcript' and 'outcome', or a transcript or CRM export"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_AS_IT_IS = ReadingOptions()
_STAMPED = re.compile(
    r"\s*+\[(?:\d{1,4}[:./-]\d|[^\W\d_][^\[\]\n\"{}]{0,60}\] {1,4}\S)"
)  # "[00:12] Jane", "[Jane] 0:12": no list
_NO_SPACE = re.compile(r"[^ \t\n\r]")  # of JSON
_STRAY = 100  # one zero byte in so many is a fault of the export
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")  # no text holds these


def read_conversations(path: Path, options: ReadingOptions = _AS_IT_IS) -> list[Conversation]:
    """All conversations of a file, in its order, each with an id. Raises InputError for anything that isn't right.

    The options say which column or field is our 'transcript', 'outcome' …, and which words mean won and lost, where the
    file doesn't tell.
    """
    return parse_conversations(read_bytes(path), path, options)


def parse_conversations(
    data: bytes, path: Path, options: ReadingOptions = _AS_IT_IS, limit: Limit | None = None
) -> list[Conversation]:
    """The same of a file's content. `path` names it in messages; the other files of a corpus are looked for beside it.

    limit: the most that is read. Raises GivenUpError where nobody waits for it any more.
    """
    if packed := packed_format(data):
        records = packed_records(packed, data, path, options, limit)
    else:
        records = _unpacked_records(decoded_text(as_utf8(data), path), path, options, limit)
    return conversations_of(records, path, limit)


def conversations_of(records: Sequence[Placed], path: Path, limit: Limit | None = None) -> list[Conversation]:
    """The conversations of a file's records, each with an id; what is odd about all of them together is told.

    Raises InputError for a record that is none, and where there are none.
    """
    if not records:
        raise InputError(f"{path} holds no conversation; it should be {_FORMATS}.")
    found = with_identifiers(
        [conversation_from_record(record, where) for where, record in counted(records, path, limit)]
    )
    tell_of_repeated_ids((conversation.conversation_id for conversation in found), path)
    told_before = sum(isinstance(record, dict) and bool(record.get("sides_inferred")) for _, record in records)
    if inferred := sum(bool(conversation.sides_inferred) for conversation in found) - told_before:
        whose = "it was" if len(found) == 1 else f"in {inferred:,} of {len(found):,} conversations it was"
        notice(path, f"who sells is not said; {whose} found from the words.")
    return found


def tell_of_repeated_ids(ids: Iterable[str], path: Path) -> None:
    """A notice where one comes more than once."""
    if repeated := [(name, count) for name, count in Counter(ids).items() if count > 1]:
        name, count = repeated[0]
        told = f"{len(repeated)} ids come more than once (the first is {name[:40]!r}, {count} times)"
        notice(path, f"{told}; each stays a conversation of its own.")


def _unpacked_records(text: str, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    start = "" if _STAMPED.match(text) else text.lstrip()[:1]
    if start == "[":
        return json_records(_json_list(text, path), path, options, limit)
    if start == "{":
        return json_records(_json_lines(text, path), path, options, limit)
    return text_records(text, path, options, limit)


def write_conversations(path: Path, conversations: list[Conversation]) -> None:
    """Writes a JSON list that `read_conversations` reads back to equal conversations."""
    write_json(path, [conversation.model_dump(exclude_none=True) for conversation in conversations])


def read_bytes(path: Path) -> bytes:
    """The file's content. Raises InputError where it is not there or can't be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {str(path)!r}; give the path of {_FORMATS}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror}); give the path of {_FORMATS}.") from error


def decoded_text(data: bytes, path: Path) -> str:
    """A file's text. Raises InputError for an empty or binary file and for an encoding that is not understood."""
    if not data.strip():
        raise InputError(f"{path} is empty; it should be {_FORMATS}.")
    if what := what_it_is(data):
        raise InputError(f"{path} is {what}.")
    return _decoded(_without_stray_zeros(data, path), path)


def _without_stray_zeros(data: bytes, path: Path) -> bytes:
    """A text without the zero bytes that some exports leave in it. Raises InputError where there are many: it is none."""
    zeros = data.count(b"\x00")
    if not zeros or data.startswith(UTF16_MARKS):  # UTF-16 that is broken
        return data
    if zeros * _STRAY > len(data):
        place = f"byte {data.index(0)} is 0x00, as are {zeros:,} of {len(data):,}"
        raise InputError(f"{path} is binary, not text ({place}); it should be {_FORMATS}.")
    notice(path, f"{zeros:,} zero bytes, which no text holds, are left out (the first is byte {data.index(0):,}).")
    return data.replace(b"\x00", b"")


def as_utf8(data: bytes) -> bytes:
    """UTF-16 with a byte order mark, which Windows' programs write, as UTF-8; anything else, also where it is broken."""
    if data.startswith(UTF16_MARKS) and not data.startswith(codecs.BOM_UTF32_LE):
        try:
            return data.decode("utf-16").encode("utf-8")
        except UnicodeError:
            return data
    return data


def _decoded(data: bytes, path: Path) -> str:
    """UTF-8, or for a table Windows' cp1252, in which Excel and older exports write; JSON is UTF-8 by its standard."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_json = data.lstrip()[:1] in (b"[", b"{")
        text = "\x00" if is_json else data.decode("cp1252", errors="ignore")
        if not _CONTROL.search(text) and text.encode("cp1252") == data:
            return text
        place = f"byte {error.start} is {data[error.start]:#04x}"
        raise InputError(f"{path} is not UTF-8 text ({place}); it should be {_FORMATS}.") from error


def _json_list(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Each element as soon as it is read: of a list that is too long the rest is never built."""
    place = _next_sign(text, text.index("[") + 1)
    number = 0
    with _json_errors(text, path, first_line=1):
        while number or text[place : place + 1] != "]":
            value, place = _DECODER.raw_decode(text, place)
            number += 1
            yield f"{path}, item {number}", value
            place = _next_sign(text, place)
            if text[place : place + 1] == "]":
                break
            if text[place : place + 1] != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
            place = _next_sign(text, place + 1)
        if (end := _next_sign(text, place + 1)) < len(text):
            raise json.JSONDecodeError("Extra data", text, end)


def _next_sign(text: str, place: int) -> int:
    """Where the next sign that is no space stands; the text's end where there is none."""
    found = _NO_SPACE.search(text, place)
    return found.start() if found else len(text)


def _json_lines(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    if is_one_object(text):
        yield str(path), parse_json(text, path, first_line=1)
        return
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        if line.strip():
            yield f"{path}, line {number}", parse_json(line.removesuffix("\n"), path, first_line=number)


def is_one_object(text: str) -> bool:
    """Whether the file is one object over several lines, be it a broken one: JSON lines open no line with "{" alone."""
    if text.lstrip().split("\n", 1)[0].strip() == "{":
        return True
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def parse_json(text: str, path: Path, first_line: int) -> Any:
    """The value of a JSON text that begins on that line of a file. Raises InputError for broken JSON."""
    with _json_errors(text, path, first_line):
        return json.loads(text, parse_constant=_constant)


@contextlib.contextmanager
def _json_errors(text: str, path: Path, first_line: int) -> Iterator[None]:
    try:
        yield
    except InputError:  # of who reads the values
        raise
    except RecursionError as error:
        raise InputError(f"{path}, line {first_line}: the JSON is nested too deeply to be conversations.") from error
    except json.JSONDecodeError as error:
        place = f"line {first_line + error.lineno - 1}, column {error.colno}"
        raise InputError(f"{path}, {place}: broken JSON at {sign_at(text, error.pos)} ({error.msg}).") from error
    except ValueError as error:  # the only other one: an integer of more digits than Python reads
        raise InputError(f"{path}, line {first_line}: the JSON holds a number of thousands of digits.") from error


def _constant(name: str) -> float | None:
    """NaN, which pandas writes for a missing value, is absent; the infinities stay, and are refused later."""
    return None if name == "NaN" else float(name)


_DECODER = json.JSONDecoder(parse_constant=_constant)


def write_splits(splits: DataSplits, folder: Path) -> None:
    """Writes train_data.json, val_data.json and test_data.json, each atomically."""
    for name, file_name in SPLIT_FILES.items():
        write_conversations(folder / file_name, splits.part(name))


def read_splits(folder: Path) -> DataSplits:
    """Reads what `write_splits` wrote. Raises InputError where a file is missing or damaged."""
    train, validation, test = (read_conversations(folder / SPLIT_FILES[name]) for name in SHARES)
    return DataSplits(train, validation, test)
