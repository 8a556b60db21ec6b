"""Finds the table in a file of any kind, for those who want its rows and no conversations: how deals ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings.webvtt import is_subtitles
from conversations.formats.tables.delimited import Table, table_below, table_head
from conversations.formats.tables.joined import EndingTable, is_deals
from conversations.formats.tables.parquet import is_parquet, parquet_table
from conversations.formats.tables.unpacked import is_workbook
from conversations.formats.tables.workbook import workbook_table
from conversations.reading.files import as_utf8, decoded_text, read_bytes
from conversations.reading.recognise import TEXT_ENDINGS
from foundations.errors import InputError

_START = 4096  # bytes that tell JSON from other text


def endings_in(path: Path, options: ReadingOptions) -> EndingTable:
    """The table of a file that says how deals ended. Raises InputError where it is none."""
    return EndingTable(_table(read_bytes(path), path, _check_has_columns), path, options)


def deals_in(path: Path, options: ReadingOptions) -> EndingTable | None:
    """The same of a table of deals, as CRMs export it: with an id and columns that are known to say how a deal ended."""

    def judge(columns: Sequence[str]) -> None:
        if not is_deals(columns, path, options):
            raise InputError(f"{path} is no table of deals.")

    try:
        data = read_bytes(path)
        if data[:_START].lstrip()[:1] in (b"[", b"{"):
            return None
        with gathered_notices():  # who reads it as conversations tells of it
            return EndingTable(_table(data, path, judge), path, options)
    except InputError:  # whatever it is, who reads it as conversations says what is wrong with it
        return None


def _table(data: bytes, path: Path, judge: Callable[[Sequence[str]], None]) -> Table:
    """The table of the content whose columns `judge` lets pass. Raises InputError as it does, and for what is no table."""
    if is_workbook(data):
        return workbook_table(data, path, judge)
    if is_parquet(data):
        table = parquet_table(data, path)
        judge(table.columns)
        return table
    text = decoded_text(as_utf8(data), path)
    if path.suffix.lower() in TEXT_ENDINGS or text.lstrip()[:1] in ("[", "{") or is_subtitles(text):
        raise InputError(f"{path} is no table; how deals ended is read from CSV, an Excel workbook or Parquet.")
    head = table_head(text, path)
    judge(head.columns)
    return table_below(head, text, path)


def _check_has_columns(columns: Sequence[str]) -> None:
    if len(list(filter(None, columns))) < 2:
        raise InputError(
            f"A table that says how deals ended has a column of names and one of outcomes, not {columns!r}."
        )
