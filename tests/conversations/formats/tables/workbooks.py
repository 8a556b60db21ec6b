"""Makes Excel workbooks for tests: as Excel writes them, and as somebody might who means harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from xml.sax.saxutils import escape, quoteattr

Cell = str | int | float | bool | date | datetime | None

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="22"/></cellXfs></styleSheet>'
)
_DAY_ZERO = datetime(1899, 12, 30)


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], hidden: Sequence[str] = ()) -> bytes:
    """A workbook with these rows; texts are shared, as Excel keeps them, days and times are numbers with a format."""
    texts: dict[str, int] = {}
    return packed({name: _rows(rows, texts) for name, rows in sheets.items()}, texts, hidden)


def packed(sheets: Mapping[str, str], texts: Mapping[str, int] | None = None, hidden: Sequence[str] = ()) -> bytes:
    """A workbook whose sheets have this XML between <sheetData> and its end."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}"/></Types>',
        )
        zipped.writestr("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
        entries = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="rId{n}"{_state(name, hidden)}/>'
            for n, name in enumerate(sheets, start=1)
        )
        zipped.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{entries}</sheets></workbook>'
        )
        parts = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)]
        zipped.writestr(
            "xl/_rels/workbook.xml.rels",
            _relations([*parts, ("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")]),
        )
        zipped.writestr("xl/styles.xml", _STYLES)
        shared = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts or ())
        zipped.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_MAIN}">{shared}</sst>')
        for (_, name), rows in zip(parts, sheets.values(), strict=True):
            zipped.writestr(f"xl/{name}", f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>')
    return made.getvalue()


def _state(name: str, hidden: Sequence[str]) -> str:
    return ' state="hidden"' if name in hidden else ""


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'


def _rows(rows: Sequence[Sequence[Cell]], texts: dict[str, int]) -> str:
    return "".join(
        f'<row r="{n}">{"".join(_cell(f"{_letters(m)}{n}", cell, texts) for m, cell in enumerate(row))}</row>'
        for n, row in enumerate(rows, start=1)
    )


def _cell(place: str, cell: Cell, texts: dict[str, int]) -> str:
    if cell is None:
        return f'<c r="{place}" s="0"/>'
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        days = (moment - _DAY_ZERO).total_seconds() / 86400
        return f'<c r="{place}" s="{2 if isinstance(cell, datetime) else 1}"><v>{days!r}</v></c>'
    if isinstance(cell, str) and cell.startswith("#"):
        return f'<c r="{place}" t="e"><v>{cell}</v></c>'
    if isinstance(cell, str):
        return f'<c r="{place}" t="s"><v>{texts.setdefault(cell, len(texts))}</v></c>'
    return f'<c r="{place}"><v>{cell}</v></c>'


def _letters(column: int) -> str:
    return (chr(64 + column // 26) if column >= 26 else "") + chr(65 + column % 26)
