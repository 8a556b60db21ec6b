"""Finds the input files of a bulk job, tells of which kind each is, and cuts it into shards at whole rows.

JSON lines and tables (CSV) are cut at bytes, Parquet at row numbers, so that one huge file is scored by many workers. A
file of any other kind that the importers know (a JSON list, a recorder's export, a corpus, UTF-16) is one shard and is read
whole, up to LARGEST_WHOLE bytes. Nothing is parsed here but what tells where a row ends: about two million lines a
second, in the memory of one row.
"""

from __future__ import annotations

import codecs
import csv
import glob
import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from atomic_files import file_sha256
from conversation_files import UTF16_MARKS, as_utf8, decoded_text, is_one_object
from crm_exports import table_records
from input_error import InputError
from research_corpora import is_persuasion_table, is_utterance
from table_files import Table, TableHead, filled, table_head, without_footer
from transcript_formats import is_fireflies_sentence
from webvtt_transcripts import is_webvtt

LARGEST_WHOLE = 256 * 2**20  # bytes of a file that can't be cut; in memory it takes about ten times as many
LONGEST_LINE = 32 * 2**20  # bytes; a transcript has a million characters at most
_HEAD = 2**20  # bytes that tell a file's kind and hold a table's header
_CHUNK = 2**20
_FOOTER_ROWS = 40  # a report's footer is shorter

Kind = Literal["lines", "table", "parquet", "whole"]


class Cut(NamedTuple):
    """Where a shard lies in its file."""

    start: int  # bytes; of Parquet, rows
    end: int
    lines: int  # that come before it
    row: int  # rows that come before it
    rows: int  # 0: not known before it is read


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


class _Mark(NamedTuple):
    """The end of a row."""

    offset: int
    lines: int  # up to there


def input_paths(pattern: Path, output: Path) -> list[Path]:
    """The files that a path, a folder or a glob pattern names, in order of name, without hidden ones.

    What lies in the folder `output` is not meant. Raises InputError where there are none.
    """
    if pattern.is_file():
        return [pattern.absolute()]
    search = pattern / "*" if pattern.is_dir() else pattern
    named = [Path(name).absolute() for name in sorted(glob.glob(str(search), recursive=True)) if os.path.isfile(name)]
    found = [path for path in named if output.absolute() not in path.parents]
    if not found:
        raise InputError(
            f"There is no file {str(pattern)!r}; give a path, a folder, or a pattern such as 'calls/*.jsonl'."
        )
    return found


def examine(path: Path, columns: Mapping[str, str], shard_rows: int) -> tuple[InputFile, list[Cut]]:
    """A file's kind and its shards of `shard_rows` rows, the last one shorter.

    Raises InputError where it can't be read at all: no permission, empty, binary, no column for the words.
    """
    try:
        stat = path.stat()
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
        base = {"path": str(path), "size": stat.st_size, "modified": stat.st_mtime_ns, "sha256": file_sha256(path)}
        kind = _kind(head, path, stat.st_size)
        found, cuts = _EXAMINERS[kind](base, path, columns, shard_rows)
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror or error}).") from error
    return found, cuts


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


def _kind(head: bytes, path: Path, size: int) -> Kind:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(UTF16_MARKS):
        return "whole"
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"{"):
        return "lines" if _is_lines(start.split(b"\n", 1)[0], path, size) else "whole"
    text = start.decode("utf-8", errors="replace")
    if not start or start.startswith(b"[") or is_webvtt(text):
        return "whole"
    return "whole" if is_persuasion_table(Table(table_head(text, path).columns, [])) else "table"


def _is_lines(first: bytes, path: Path, size: int) -> bool:
    """Whether each line stands for itself; in ConvoKit's and Fireflies' files a conversation is many lines."""
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return len(first) >= _HEAD - 3 or (first.strip() != b"{" and not (size <= LARGEST_WHOLE and _is_one(path)))
    return not (isinstance(record, dict) and (is_utterance(record) or is_fireflies_sentence(record)))


def _is_one(path: Path) -> bool:
    return is_one_object(path.read_bytes().decode("utf-8-sig", errors="replace"))


def _examine_whole(
    base: dict[str, Any], path: Path, columns: Mapping[str, str], shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    if base["size"] > LARGEST_WHOLE:
        raise InputError(
            f"{path} has {base['size'] / 2**20:,.0f} MiB and is of a kind that has to be read at once, which goes up to "
            f"{LARGEST_WHOLE / 2**20:.0f} MiB; give JSON lines, CSV or Parquet, or several files."
        )
    if base["size"] < _HEAD:
        decoded_text(as_utf8(path.read_bytes()), path)  # an empty or binary file is told of now
    return InputFile(**base, kind="whole"), [Cut(0, base["size"], 0, 0, 0)]


def _examine_lines(
    base: dict[str, Any], path: Path, columns: Mapping[str, str], shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    with path.open("rb") as stream:
        return InputFile(**base, kind="lines"), _cuts(_line_marks(stream, base["size"]), _Mark(0, 0), shard_rows)


def _line_marks(stream: BinaryIO, size: int) -> Iterator[_Mark]:
    for number, (line, offset) in enumerate(raw_lines(stream, size), start=1):
        if line is None or not line.isspace():
            yield _Mark(offset, number)


def _examine_table(
    base: dict[str, Any], path: Path, columns: Mapping[str, str], shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    encoding = _encoding(path)
    with path.open("rb") as stream:
        start = len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0
        stream.seek(start)
        text = codecs.getincrementaldecoder(encoding)().decode(stream.read(_HEAD))
        head = table_head(text, path)
        table_records(Table(head.columns, []), path, columns)  # raises where there is no column for the words
        found = InputFile(**base, kind="table", encoding=encoding, columns=head.columns, delimiter=head.delimiter)
        begin = _Mark(start + len(text[: head.length].encode(encoding)), head.lines)
        stream.seek(begin.offset)
        rows = TableRows(stream, found, base["size"], begin.lines)
        return found, _cuts(_without_footer(_row_marks(rows), head), begin, shard_rows)


def _row_marks(rows: TableRows) -> Iterator[tuple[list[str], _Mark]]:
    for row in rows:
        if isinstance(row, csv.Error):
            yield ["?"], _Mark(rows.offset, rows.lines)
        else:
            yield row, _Mark(rows.offset, rows.lines)


def _without_footer(rows: Iterable[tuple[list[str], _Mark]], head: TableHead) -> Iterator[_Mark]:
    """The ends of the rows that say something, but for those of the lines under a report."""
    last: deque[tuple[list[str], _Mark]] = deque()
    for row in rows:
        last.append(row)
        if len(last) > _FOOTER_ROWS:
            cells, mark = last.popleft()
            if filled(cells):
                yield mark
    kept = len(without_footer([("", cells) for cells, _ in last], len(head.columns)))
    yield from (mark for cells, mark in list(last)[:kept] if filled(cells))


def _encoding(path: Path) -> str:
    """UTF-8, or as for a small table (`conversation_files`) Windows' cp1252. Raises InputError where it is neither."""
    for encoding in ("utf-8", "cp1252"):
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
                continue
        return encoding
    raise InputError(f"{path} is neither UTF-8 nor Windows-1252 text; give JSON lines or CSV in UTF-8.")


def _examine_parquet(
    base: dict[str, Any], path: Path, columns: Mapping[str, str], shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    from parquet_files import parquet_shape

    shape = parquet_shape(path)
    if shape.flat:
        table_records(Table(shape.columns, []), path, columns)
    found = InputFile(**base, kind="parquet", columns=shape.columns if shape.flat else [])
    starts = range(0, shape.rows, shard_rows)
    return found, [Cut(n, min(n + shard_rows, shape.rows), n, n, min(shard_rows, shape.rows - n)) for n in starts]


def _cuts(marks: Iterable[_Mark], begin: _Mark, shard_rows: int) -> list[Cut]:
    cuts: list[Cut] = []
    first, last, rows, passed = begin, begin, 0, 0
    for mark in marks:
        rows, last = rows + 1, mark
        if rows == shard_rows:
            cuts.append(Cut(first.offset, mark.offset, first.lines, passed, rows))
            first, rows, passed = mark, 0, passed + rows
    if rows:
        cuts.append(Cut(first.offset, last.offset, first.lines, passed, rows))
    return cuts


_Examiner = Callable[[dict[str, Any], Path, Mapping[str, str], int], tuple[InputFile, list[Cut]]]
_EXAMINERS: dict[Kind, _Examiner] = {
    "lines": _examine_lines,
    "table": _examine_table,
    "parquet": _examine_parquet,
    "whole": _examine_whole,
}
