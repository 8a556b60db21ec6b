"""Cuts the input file of a bulk job into shards at whole rows, so that one huge file is scored by many workers.

JSON lines and tables (CSV) are cut at bytes, Parquet at row numbers; a file of any other kind is one shard. Nothing is
parsed here but what tells where a row ends.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from conversations.formats.options import ReadingOptions
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import Table, TableHead, filled, table_head, without_footer
from conversations.formats.tables.parquet import parquet_rows, parquet_shape, text_cells
from conversations.reading.files import as_utf8, decoded_text
from conversations.reading.recognise import packed_format
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from scoring.inputs import (
    HEAD,
    LARGEST_WHOLE,
    InputFile,
    Kind,
    TableRows,
    are_messages,
    encoding_of,
    kind_of,
    raw_lines,
)

_FOOTER_ROWS = 40  # a report's footer is shorter


class Cut(NamedTuple):
    """Where a shard lies in its file."""

    start: int  # bytes; of Parquet, rows
    end: int
    lines: int  # that come before it
    row: int  # rows that come before it
    rows: int  # 0: not known before it is read


class _Mark(NamedTuple):
    """The end of a row."""

    offset: int
    lines: int  # up to there


def examine(path: Path, options: ReadingOptions, shard_rows: int) -> tuple[InputFile, list[Cut]]:
    """A file's kind and its shards of `shard_rows` rows, the last one shorter.

    Raises InputError where it can't be read at all: no permission, empty, binary, no column for the words.
    """
    try:
        stat = path.stat()
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        base = {"path": str(path), "size": stat.st_size, "modified": stat.st_mtime_ns, "sha256": file_sha256(path)}
        kind = kind_of(head, path, stat.st_size, options)
        found, cuts = _EXAMINERS[kind](base, path, options, shard_rows)
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror or error}).") from error
    return found, cuts


def _examine_whole(
    base: dict[str, Any], path: Path, options: ReadingOptions, shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    if base["size"] > LARGEST_WHOLE:
        raise InputError(
            f"{path} has {base['size'] / 2**20:,.0f} MiB and is of a kind that has to be read at once, which goes up to "
            f"{LARGEST_WHOLE / 2**20:.0f} MiB; give JSON lines, CSV or Parquet, or several files."
        )
    if base["size"] < HEAD:
        data = path.read_bytes()
        if packed_format(data) is None:
            decoded_text(as_utf8(data), path)  # an empty or binary file is told of now
    return InputFile(**base, kind="whole"), [Cut(0, base["size"], 0, 0, 0)]


def _examine_lines(
    base: dict[str, Any], path: Path, options: ReadingOptions, shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    with path.open("rb") as stream:
        return InputFile(**base, kind="lines"), _cuts(_line_marks(stream, base["size"]), _Mark(0, 0), shard_rows)


def _line_marks(stream: BinaryIO, size: int) -> Iterator[_Mark]:
    for number, (line, offset) in enumerate(raw_lines(stream, size), start=1):
        if line is None or not line.isspace():
            yield _Mark(offset, number)


def _examine_table(
    base: dict[str, Any], path: Path, options: ReadingOptions, shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    encoding = encoding_of(path)
    with path.open("rb") as stream:
        start = len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0
        stream.seek(start)
        text = codecs.getincrementaldecoder(encoding)().decode(stream.read(HEAD))
        head = table_head(text, path)
        table_records(Table(head.columns, []), path, options)  # raises where there is no column for the words
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


def _examine_parquet(
    base: dict[str, Any], path: Path, options: ReadingOptions, shard_rows: int
) -> tuple[InputFile, list[Cut]]:
    shape = parquet_shape(path)
    if shape.flat:
        rows = map(text_cells, parquet_rows(path, 0, shape.rows))
        if are_messages(shape.columns, rows, path, options):
            return _examine_whole(base, path, options, shard_rows)
        table_records(Table(shape.columns, []), path, options)
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


_Examiner = Callable[[dict[str, Any], Path, ReadingOptions, int], tuple[InputFile, list[Cut]]]
_EXAMINERS: dict[Kind, _Examiner] = {
    "lines": _examine_lines,
    "table": _examine_table,
    "parquet": _examine_parquet,
    "whole": _examine_whole,
}
