"""The input files of a bulk job: of which kind and encoding each is.

JSON lines, tables (CSV) and Parquet can be cut into shards; any other kind that the importers know (a JSON list, a
recorder's export, a corpus, UTF-16) is read whole, up to LARGEST_WHOLE bytes. The kind is told by a file's first HEAD
bytes, the encoding of a table by all of it.

Between two bytes of a file it goes through the rows, about two million lines a second in the memory of one row, and tells
after each where it ended. What a row means is told by the importers, not here.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from conversations.formats.options import ReadingOptions
from conversations.formats.research.corpora import is_persuasion_table
from conversations.formats.tables.delimited import TableHead, table_head
from conversations.formats.tables.messages import id_column
from conversations.formats.tables.names import message_columns, named_columns
from conversations.formats.tables.own_json import has_message_rows
from conversations.reading.files import UTF16_MARKS, is_one_object
from conversations.reading.recognise import ZIP, is_read_whole, stands_alone
from conversations.reading.refused import what_it_is
from foundations.errors import InputError

LONGEST_LINE = 32 * 2**20  # bytes; a transcript has a million characters at most


LARGEST_WHOLE = 256 * 2**20  # bytes of a file that can't be cut; in memory it takes about ten times as many
HEAD = 2**20  # bytes that tell a file's kind and hold a table's header
_CHUNK = 2**20
_LOOKED_AT = 1000  # rows in which the id of a conversation comes again, where each is a message

Kind = Literal["lines", "table", "parquet", "whole"]


@dataclass(frozen=True)
class InputFile:
    """One input as it was when the job was planned."""

    path: str  # absolute
    size: int = 0
    modified: int = 0  # nanoseconds
    sha256: str = ""
    kind: Kind = "whole"
    encoding: str = "utf-8"
    columns: list[str] = field(default_factory=list)
    delimiter: str = ","
    problem: str = ""  # why it can't be read; then it has no shards


def kind_of(head: bytes, path: Path, size: int, options: ReadingOptions) -> Kind:
    """Of which kind a file of `size` bytes is, by its first HEAD bytes; one message a row can't be cut by row.

    Raises InputError for what is no text.
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    if not head.startswith(ZIP) and (what := what_it_is(head)):
        raise InputError(f"{path} is {what}.")
    if head.startswith(UTF16_MARKS):
        return "whole"
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"{"):
        is_cut = _is_lines(start.split(b"\n", 1)[0], path, size) and not _has_message_lines(start, path, options)
        return "lines" if is_cut else "whole"
    text = start.decode("utf-8", errors="replace")
    if not start or start.startswith(b"[") or b"\x00" in start or is_read_whole(head, text, path):
        return "whole"
    table = table_head(text, path)
    if is_persuasion_table(table.columns) or _has_message_rows(table, text, path, options):
        return "whole"
    return "table"


def are_messages(
    columns: Sequence[str], rows: Iterator[Mapping[str, str]], path: Path, options: ReadingOptions
) -> bool:
    """Whether each row of a table is a message, by its first rows. Raises InputError where a named column is not there."""
    messages = message_columns(columns, named_columns(columns, path, options))
    if messages is None:
        return False
    return id_column([("", row) for row in itertools.islice(rows, _LOOKED_AT)], messages, options) is not None


def _has_message_rows(head: TableHead, text: str, path: Path, options: ReadingOptions) -> bool:
    rows = _unbroken(csv.reader(io.StringIO(text[head.length :], newline=""), delimiter=head.delimiter))
    return are_messages(head.columns, (dict(zip(head.columns, row, strict=False)) for row in rows), path, options)


def _unbroken(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    with contextlib.suppress(csv.Error):
        yield from rows


def _has_message_lines(start: bytes, path: Path, options: ReadingOptions) -> bool:
    records: list[Any] = []
    for line in start.split(b"\n", _LOOKED_AT)[:_LOOKED_AT]:
        with contextlib.suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return has_message_rows([(str(path), record) for record in records], path, options)


def encoding_of(path: Path) -> str:
    """A table's: UTF-8, or as for a small one Windows' cp1252. Raises InputError for neither."""
    for encoding in ("utf-8", "cp1252"):
        if _is_text(path, encoding):
            return encoding
    raise InputError(f"{path} is neither UTF-8 nor Windows-1252 text; give JSON lines or CSV in UTF-8.")


def _is_text(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with path.open("rb") as stream:
        try:
            while chunk := stream.read(_CHUNK):
                if b"\x00" in chunk:
                    place = offset + chunk.index(b"\x00")
                    raise InputError(f"{path} is binary, not text (byte {place} is 0x00); give JSON lines or CSV.")
                decoder.decode(chunk)
                offset += len(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _is_lines(first: bytes, path: Path, size: int) -> bool:
    """Whether each line stands for itself; in ConvoKit's and Fireflies' files a conversation is many lines."""
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return len(first) >= HEAD - 3 or (first.strip() != b"{" and not (size <= LARGEST_WHOLE and _is_one(path)))
    return stands_alone(record)


def _is_one(path: Path) -> bool:
    return is_one_object(path.read_bytes().decode("utf-8-sig", errors="replace"))


def raw_lines(stream: BinaryIO, end: int) -> Iterator[tuple[bytes | None, int]]:
    """The lines of a stream up to byte `end`, each with the place after it; None for one longer than LONGEST_LINE."""
    offset = stream.tell()
    while offset < end and (line := stream.readline(LONGEST_LINE)):
        offset += len(line)
        kept: bytes | None = line
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            kept = None
            line = stream.readline(LONGEST_LINE)
            offset += len(line)
        yield kept, offset


class TableRows:
    """The rows of a table between two bytes of a stream; after each, `offset` and `lines` say where it ended.

    `first_line` is where it began: a quote that is never closed takes all that follows into its row.
    """

    def __init__(self, stream: BinaryIO, file: InputFile, end: int, lines: int) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        self.offset = stream.tell()
        self._text = io.TextIOWrapper(stream, encoding=file.encoding, newline="")
        self._encoding, self._end, self._before = file.encoding, end, lines
        self.first_line = lines + 1
        self._reader = csv.reader(self._counted(), delimiter=file.delimiter, strict=True)

    @property
    def lines(self) -> int:
        """Lines of the file up to the end of the last row."""
        return self._before + self._reader.line_num

    def __iter__(self) -> Iterator[list[str] | csv.Error]:
        """A broken row comes as its error, and reading goes on at the next line."""
        while True:
            self.first_line = self.lines + 1
            try:
                yield next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield error

    def _counted(self) -> Iterator[str]:
        while self.offset < self._end and (line := self._text.readline(LONGEST_LINE)):
            self.offset += len(line.encode(self._encoding))
            yield line
