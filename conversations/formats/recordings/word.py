"""Reads Word documents (.docx), in which Teams and Google Meet give their transcripts: their text, read as plain text is.

Paragraphs and tables come in their order, a paragraph a line, and of a table a row: "time: name: words". What was deleted
in tracked changes is no text; pictures, comments and notes are left out. Of the file only the document itself is unpacked,
piece by piece, at most MOST_BYTES of it: what is made to burst a reader is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from conversations.formats.kinds import PackedFormat, Placed
from conversations.formats.limits import Limit
from conversations.formats.notices import left_out, notice
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings.plain_text import plain_text_records
from foundations.errors import InputError
from foundations.long_work import check_deadline

MOST_BYTES = 64_000_000  # of the document's XML; 18 hours of talk have a quarter of it
_ZIP = b"PK\x03\x04"
_DOCUMENT = re.compile(r"word/document\d{0,3}\.xml")
_PIECE = 1 << 16
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NO_TEXT = frozenset(
    ("pPr", "rPr", "del", "moveFrom", "Fallback")
)  # properties, what was deleted, what stands there twice
_TIME = re.compile(r"[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?")
_HEADINGS = frozenset("speaker name who time timestamp start end text transcript words content utterance".split())
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
)


def is_word(data: bytes) -> bool:
    """Whether bytes are a ZIP with a Word document in it."""
    return data.startswith(_ZIP) and any(_DOCUMENT.fullmatch(name) for name in _names(data))


def word_text(data: bytes, path: Path) -> str:
    """The text of a Word document. Raises InputError for a damaged one, and for one without a word or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = next(name for name in archive.namelist() if _DOCUMENT.fullmatch(name))
            text = "\n".join(_lines(_pieces(archive, name, path)))
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is a Word document, and damaged; open it, and save it anew or as text.") from error
    if not text.strip():
        raise InputError(f"{path} is a Word document without a word; it should hold a transcript or a note.")
    return text


def _records(data: bytes, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    options.refuse_columns(path, "a Word document")
    names = _names(data)
    left_out("pictures", sum(name.startswith("word/media/") for name in names))
    if "word/comments.xml" in names:
        notice(path, "the comments on the document are left out.")
    return plain_text_records(word_text(data, path), path)


def _names(data: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return []


def _pieces(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[bytes]:
    unpacked = 0
    with archive.open(name) as document:
        while piece := document.read(_PIECE):
            check_deadline()
            unpacked += len(piece)
            if unpacked > MOST_BYTES or b"<!DOCTYPE" in piece or b"<!ENTITY" in piece:
                raise InputError(
                    f"{path} is a Word document of more than {MOST_BYTES:,} bytes, or one that Word did not write; save its "
                    "text as .txt."
                )
            yield piece


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """A line a paragraph, and a line a row of a table."""
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    written = _Written()
    for piece in pieces:
        parser.feed(piece)
        for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
            tag = element.tag.rpartition("}")[2]
            if event == "start":
                written.begins(tag)
            elif (line := written.ends(tag, element.text or "")) is not None:
                yield line
            if event == "end" and tag in ("p", "tr"):
                element.clear()
    parser.close()


class _Written:
    """What of a document was read and is not yet a line: a paragraph's pieces, the cells of the rows that are open."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._rows: list[list[str]] = []
        self._cells: list[list[str]] = []
        self._unread = 0  # how deep inside of what is no text

    def begins(self, tag: str) -> None:
        if self._unread or tag in _NO_TEXT:
            self._unread += 1
        elif tag == "tr":
            self._rows.append([])
        elif tag == "tc":
            self._cells.append([])

    def ends(self, tag: str, text: str) -> str | None:
        """The line that ends with this element, outside of any table."""
        if self._unread:
            self._unread -= 1
        elif tag == "t" or tag in _SIGNS:
            self._pieces.append(_SIGNS.get(tag, text))
        elif tag == "p":
            line = "".join(self._pieces)
            self._pieces = []
            return self._placed(line)
        elif tag == "tc" and self._rows:
            self._rows[-1].append(" ".join(" ".join(self._cells.pop()).split()))
        elif tag == "tr":
            return self._placed(_row(self._rows.pop()))
        return None

    def _placed(self, line: str) -> str | None:
        if not self._cells:
            return line
        self._cells[-1].append(line)
        return None


def _row(cells: Sequence[str]) -> str:
    """A row as a line of a transcript, the time before the name; "" for a row that only names its columns."""
    filled = [cell for cell in cells if cell]
    if all(cell.casefold() in _HEADINGS for cell in filled):
        return ""
    times = [cell for cell in filled if _TIME.fullmatch(cell)]
    return " : ".join([*times[:1], *(cell for cell in filled if cell not in times[:1])])


FORMAT = PackedFormat("a Word document", is_word, _records)
