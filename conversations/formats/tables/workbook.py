"""Reads an Excel workbook as a table: the first sheet that has a column of words, below whatever stands above its header.

Cells are text as `cells.cell_text` says it; formulas count as the values that were saved with them. What the columns mean
`conversations.formats.tables.crm` says. Costs about ten microseconds a row of ten cells, besides `unpacked`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from conversations.formats.findings import found_format
from conversations.formats.kinds import PackedFormat, Placed
from conversations.formats.limits import Limit, counted
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.formats.tables.cells import cell_text
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import PlacedRow, Table, filled, table_of, without_footer
from conversations.formats.tables.names import may_be_messages
from conversations.formats.tables.unpacked import LARGEST_UNPACKED, MOST_CELLS, is_workbook, unpacked_workbook
from foundations.errors import InputError

_TITLE_ROWS = 20  # that may stand above a header
_OF_AN_UPLOAD = 4  # the part of what a file may unpack to


class _Sheet(NamedTuple):
    name: str
    rows: list[PlacedRow]  # that say something


def workbook_table(
    data: bytes, path: Path, judge: Callable[[Sequence[str]], None], limit: Limit | None = None
) -> Table:
    """The table below the first row that `judge` takes for a header; of which sheet is told where there are several.

    judge: raises InputError where the columns are not those that are looked for. limit: where there is one, no more than
    a quarter of what a file may unpack to is unpacked. Raises InputError for a damaged workbook and, with the reason of the
    first row, where no row is such a header.
    """
    sheets = [sheet for sheet in _sheets(data, path, limit) if sheet.rows]
    if not sheets:
        raise InputError(f"{path} is an Excel workbook without a filled cell; give one with a table of conversations.")
    refused: list[InputError] = []
    for sheet in sheets:
        for above, (_, cells) in enumerate(sheet.rows[:_TITLE_ROWS]):
            columns = [cell.strip() for cell in cells]
            try:
                judge(columns)
            except InputError as error:
                refused.append(error)
                continue
            found_format(path, f"an Excel workbook, its sheet {sheet.name!r}")
            _tell_sheet(sheet, sheets, above, path)
            rows = without_footer(sheet.rows[above + 1 :], len(columns))
            return table_of(columns, rows)
    raise refused[0]


def workbook_records(data: bytes, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    """The records of the first sheet with a column for words. Raises InputError as `workbook_table`, `table_records` do."""

    def judge(columns: Sequence[str]) -> None:
        if not may_be_messages(columns, path, options):
            table_records(Table(list(columns), []), path, options)

    table = workbook_table(data, path, judge, limit)
    are_utterances = may_be_messages(table.columns, path, options)
    return table_records(
        Table(table.columns, list(counted(table.rows, path, limit, are_utterances))), path, options, limit
    )


FORMAT = PackedFormat("an Excel workbook", is_workbook, workbook_records)


def _sheets(data: bytes, path: Path, limit: Limit | None) -> list[_Sheet]:
    """Those with cells, hidden ones last."""
    part = _OF_AN_UPLOAD if limit else 1
    plain = unpacked_workbook(data, path, LARGEST_UNPACKED // part, MOST_CELLS // part)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(plain)) as workbook:
            known = [one for one in workbook.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
            known.sort(key=lambda sheet: sheet.visible != SheetVisibleEnum.Visible)
            return [_Sheet(one.name, _rows(workbook.get_sheet_by_name(one.name), path)) for one in known]
    except CalamineError as error:
        raise InputError(
            f"{path} is a damaged Excel workbook ({error}); save it anew, or save the sheet as CSV."
        ) from error


def _rows(sheet: CalamineSheet, path: Path) -> list[PlacedRow]:
    first = sheet.start[0] + 1 if sheet.start else 1
    rows = enumerate(sheet.to_python(skip_empty_area=True), start=first)
    placed = (
        (f"{path}, sheet {sheet.name!r}, row {number}", [cell_text(cell) for cell in row]) for number, row in rows
    )
    return [row for row in placed if filled(row[1])]


def _tell_sheet(read: _Sheet, sheets: list[_Sheet], above: int, path: Path) -> None:
    others = [repr(sheet.name) for sheet in sheets if sheet is not read]
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        notice(path, f"the sheet {read.name!r} is read, not {', '.join(others[:5])}{more}.")
    if above:
        notice(path, f"{above} rows above the header of the sheet {read.name!r} are left out.")
