"""Reads one shard in pieces, through the same importers as a whole file, with every bad row told by file and line.

A piece has at most PIECE_ROWS rows and about PIECE_BYTES, whichever comes first, so memory does not grow with the file.
A conversation without an id is named after its row: row-17, or calls-2.jsonl:row-17 where there are several files.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from conversations.conversation import Conversation
from conversations.formats.options import ReadingOptions
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import Table, broken_csv, filled, table_of
from conversations.formats.tables.parquet import parquet_rows, text_cells
from conversations.formats.tables.silence import NoWordsError
from conversations.reading.files import parse_conversations, parse_json
from conversations.reading.recognise import json_records
from conversations.reading.record import conversation_from_record, row_id
from foundations.errors import InputError
from scoring.cutting import Cut
from scoring.inputs import LONGEST_LINE, InputFile, TableRows, raw_lines

PIECE_ROWS = 256
PIECE_BYTES = 4 * 2**20

Placed = tuple[str, Any]
_ToRecords = Callable[[Sequence[Placed]], list[Placed]]


class ChangedInputError(InputError):
    """A file is not the one that the job was planned with."""


@dataclass
class Piece:
    """Some neighbouring rows of a shard."""

    rows: int = 0  # of the file, bad ones included
    conversations: list[Conversation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # a sentence a row that can't be read, with its file and line


class _Row(NamedTuple):
    where: str  # "/data/calls.jsonl, line 7"
    content: Any  # as `_ToRecords` wants it, or the InputError that says why it can't be read
    size: int  # bytes, roughly


def read_pieces(file: InputFile, cut: Cut, options: ReadingOptions, name: str = "") -> Iterator[Piece]:
    """The rows of a shard in their order. `name` comes before the number in the id of a row that has none.

    Raises InputError where the shard can't be read, ChangedInputError where its file is another one by now.
    """
    path = Path(file.path)
    try:
        _check_unchanged(file)
        if file.kind == "whole":
            yield from _whole_pieces(path, options, name)
            return
        number = cut.row
        for rows in _batches(_READERS[file.kind](file, cut)):
            yield _piece(rows, _importer(file, path, options), number, name)
            number += len(rows)
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror or error}).") from error


def _check_unchanged(file: InputFile) -> None:
    stat = os.stat(file.path)
    if stat.st_size != file.size or stat.st_mtime_ns // 10**9 != file.modified // 10**9:  # some network disks round it
        raise ChangedInputError(
            f"{file.path} was changed since this job was begun; leave the input as it is until all is scored, or start "
            "again with another --output."
        )


def _batches(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += row.size
        if len(batch) == PIECE_ROWS or size >= PIECE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _piece(rows: Sequence[_Row], to_records: _ToRecords, before: int, name: str) -> Piece:
    piece = Piece(len(rows))
    placed = []
    for row in rows:
        if isinstance(row.content, InputError):
            piece.problems.append(str(row.content))
        else:
            placed.append((row.where, row.content))
    numbers = {row.where: before + n for n, row in enumerate(rows, start=1)}
    for where, record in _imported(placed, to_records, piece.problems):
        try:
            conversation = conversation_from_record(record, where)
        except InputError as error:
            piece.problems.append(str(error))
            continue
        if not conversation.conversation_id:
            conversation.conversation_id = name + row_id(numbers.get(where, where))
        piece.conversations.append(conversation)
    return piece


def _imported(placed: list[Placed], to_records: _ToRecords, problems: list[str]) -> list[Placed]:
    """All at once where that works; else row by row, so that a bad one stops no other."""
    try:
        return to_records(placed)
    except NoWordsError:  # in none of these rows; others have some
        return []
    except InputError:
        records: list[Placed] = []
        for one in placed:
            try:
                records += to_records([one])
            except NoWordsError:
                continue
            except InputError as error:
                problems.append(str(error))
        return records


def _importer(file: InputFile, path: Path, options: ReadingOptions) -> _ToRecords:
    if file.kind == "table":
        return lambda placed: table_records(table_of(file.columns, placed), path, options)
    if file.columns:  # Parquet without lists and structures: a table too
        return lambda placed: table_records(Table(file.columns, list(placed)), path, options)
    return lambda placed: json_records(placed, path, options)


def _json_rows(file: InputFile, cut: Cut) -> Iterator[_Row]:
    path = Path(file.path)
    with path.open("rb") as stream:
        stream.seek(cut.start)
        for number, (line, _) in enumerate(raw_lines(stream, cut.end), start=cut.lines + 1):
            if line is None or not line.isspace():
                yield _Row(f"{path}, line {number}", _json_of(line, path, number), len(line or b""))


def _json_of(line: bytes | None, path: Path, number: int) -> Any:
    if line is None:
        return InputError(
            f"{path}, line {number}: longer than {LONGEST_LINE / 2**20:.0f} MiB, too long for a conversation."
        )
    try:
        return parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"), path, first_line=number)
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return InputError(f"{path}, line {number}: not UTF-8 text (byte {error.start} of the line is {byte:#04x}).")
    except InputError as error:
        return error


def _table_rows(file: InputFile, cut: Cut) -> Iterator[_Row]:
    path = Path(file.path)
    with path.open("rb") as stream:
        stream.seek(cut.start)
        rows = TableRows(stream, file, cut.end, cut.lines)
        for row in rows:
            where = f"{path}, line {rows.first_line}"
            if isinstance(row, csv.Error):
                yield _Row(where, broken_csv(path, rows.first_line, row), 0)
            elif filled(row):
                yield _Row(where, row, sum(map(len, row)))


def _parquet_rows(file: InputFile, cut: Cut) -> Iterator[_Row]:
    path = Path(file.path)
    for number, row in enumerate(parquet_rows(path, cut.start, cut.end), start=cut.start + 1):
        content = text_cells(row) if file.columns else row
        yield _Row(f"{path}, row {number}", content, sum(len(str(cell)) for cell in row.values()))


def _whole_pieces(path: Path, options: ReadingOptions, name: str) -> Iterator[Piece]:
    conversations = parse_conversations(path.read_bytes(), path, options)
    for start in range(0, len(conversations), PIECE_ROWS):
        piece = conversations[start : start + PIECE_ROWS]
        for number, conversation in enumerate(piece, start=start + 1):
            if conversation.conversation_id == row_id(number):
                conversation.conversation_id = name + conversation.conversation_id
        yield Piece(len(piece), piece)


_READERS: dict[str, Callable[[InputFile, Cut], Iterator[_Row]]] = {
    "lines": _json_rows,
    "table": _table_rows,
    "parquet": _parquet_rows,
}
