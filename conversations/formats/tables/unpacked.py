"""Unpacks an Excel workbook so far that reading it can't take a machine's memory, whatever it claims to hold.

A workbook is a zip of XML. What lets a small one take all memory is told of here, before its reader sees it: parts that
unpack to gigabytes, and sheets whose last cell lies so far out that the rectangle up to it, which the reader builds, is
huge. Costs two to three seconds for a million cells.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path
from xml.parsers import expat

from foundations.errors import InputError
from foundations.long_work import check_deadline

LARGEST_UNPACKED = 2**28  # bytes
MOST_CELLS = 2**24  # of the rectangle around a sheet's cells; each takes 32 bytes
_WORKBOOK = "xl/workbook.xml"
_LETTERS = re.compile(r"[A-Z]{1,3}")  # of a column
_NUMBER = re.compile(r"[1-9][0-9]{0,6}")  # of a row
_CHUNK = 2**20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are a workbook as Excel writes it since 2007 (.xlsx, .xlsm)."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return _WORKBOOK in packed.namelist()
    except _BROKEN:
        return False


def unpacked_workbook(data: bytes, path: Path, largest: int = LARGEST_UNPACKED, most_cells: int = MOST_CELLS) -> bytes:
    """The workbook anew, as a zip that packs nothing, with its sheets, texts and formats alone.

    largest: the most bytes that it may unpack to; most_cells: of the rectangle from A1 to a sheet's last cell. Raises
    InputError where it is more, and where the workbook is damaged.
    """
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as plain:
            left = largest
            for name in filter(_is_read, dict.fromkeys(packed.namelist())):
                part = _unpacked(packed, name, left, path, largest)
                left -= len(part)
                _check_reach(part, name, path, most_cells)
                plain.writestr(name, part)
    except _BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is a damaged Excel workbook ({error}); save it anew, or save the sheet as CSV."
        ) from error
    return made.getvalue()


def _is_read(name: str) -> bool:
    return name.endswith((".xml", ".rels")) and name.startswith(("xl/", "_rels/", "[Content_Types]"))


def _unpacked(packed: zipfile.ZipFile, name: str, left: int, path: Path, largest: int) -> bytes:
    with packed.open(name) as stream:
        part = stream.read(left + 1)
    if len(part) > left:
        raise InputError(
            f"{path} unpacks to more than {largest / 2**20:,.0f} MiB, too much for a table of conversations; save the "
            "sheet as CSV."
        )
    return part


def _check_reach(part: bytes, name: str, path: Path, most_cells: int) -> None:
    reach = _Reach(path, most_cells)
    try:
        for start in range(0, len(part), _CHUNK):
            check_deadline()
            reach.parser.Parse(part[start : start + _CHUNK])
        reach.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise InputError(
            f"{path} is a damaged Excel workbook ({name}: {error}); save it anew, or save the sheet as CSV."
        ) from error


class _Reach:
    """How far the cells of a sheet reach that hold something; raises InputError at the cell that is too far."""

    def __init__(self, path: Path, most_cells: int) -> None:
        self._path, self._most = path, most_cells
        self._row = self._column = self._last_row = self._last_column = 0
        self._row_number = ""
        self._columns: dict[str, int] = {}  # by their letters
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._starts
        self.parser.StartDoctypeDeclHandler = self._refuse_definitions

    def _starts(self, element: str, attributes: dict[str, str]) -> None:
        local = element.rpartition(":")[2] if ":" in element else element
        if local == "c":
            self._starts_cell(attributes.get("r"))
        elif local in ("v", "is"):
            self._holds_something()
        elif local == "row":
            self._starts_row(attributes.get("r", str(self._row + 1)))

    def _starts_cell(self, reference: str | None) -> None:
        """ "B7", or where it is absent the next place in the row."""
        if reference is None:
            self._column += 1
            return
        letters = reference.rstrip("0123456789")
        number = reference[len(letters) :]
        if letters not in self._columns:
            if _LETTERS.fullmatch(letters) is None:
                raise self._is_no_place("cell", reference)
            self._columns[letters] = _column_number(letters)
        self._column = self._columns[letters]
        if number != self._row_number:
            self._starts_row(number)
            self._column = self._columns[letters]

    def _starts_row(self, number: str) -> None:
        if _NUMBER.fullmatch(number) is None:
            raise self._is_no_place("row", number)
        self._row_number, self._row, self._column = number, int(number), 0

    def _is_no_place(self, what: str, reference: str) -> InputError:
        """The reader would take what is none for any other."""
        return InputError(
            f"{self._path} is a damaged Excel workbook: a {what} has the place {reference[:20]!r}, which is none; save it "
            "anew, or save the sheet as CSV."
        )

    def _holds_something(self) -> None:
        if self._row <= self._last_row and self._column <= self._last_column:
            return
        self._last_row, self._last_column = max(self._last_row, self._row), max(self._last_column, self._column)
        if self._last_row * self._last_column > self._most:
            raise InputError(
                f"{self._path} has a cell in row {self._row:,}, column {self._column:,}; with all cells before it that is "
                f"more than {self._most:,}, too much for a table of conversations: delete what lies apart, or save the "
                "sheet as CSV."
            )

    def _refuse_definitions(self, *_: object) -> None:
        raise InputError(f"{self._path} is no Excel workbook: its XML defines entities; save the sheet as CSV.")


def _column_number(letters: str) -> int:
    """1 of "A", 27 of "AA"."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
