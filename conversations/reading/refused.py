"""Says of bytes that are no text what they are, by their first bytes, and what to do instead: one sentence each.

It reads nothing of them but what tells them apart. Costs a search through the bytes at most.
"""

from __future__ import annotations

import io
import zipfile

from conversations.hearing.containers import container_of

_RECORDING = "a recording, {}; make a transcript of it first: python main.py --mode transcribe --data FILE"
_PICTURE = "a picture, {}; give the text as text, for example the recorder's transcript or export"
_ARCHIVE = "an archive, {}; unpack it, and give the files that it holds"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD = "an old Office file; open it, and save it as .docx, or a table as CSV"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF; save it as text (.txt) or Word document (.docx), or export the transcript as text"),
    (b"{\\rtf", "Rich Text (RTF); open it, and save it as Word document (.docx) or text (.txt)"),
    (b"\x89PNG", _PICTURE.format("PNG")),
    (b"\xff\xd8\xff", _PICTURE.format("JPEG")),
    (b"GIF87a", _PICTURE.format("GIF")),
    (b"GIF89a", _PICTURE.format("GIF")),
    (b"II*\x00", _PICTURE.format("TIFF")),
    (b"MM\x00*", _PICTURE.format("TIFF")),
    (b"\x1f\x8b", _ARCHIVE.format("gzip")),
    (b"BZh9", _ARCHIVE.format("bzip2")),
    (b"\xfd7zXZ\x00", _ARCHIVE.format("xz")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("7z")),
    (b"Rar!\x1a\x07", _ARCHIVE.format("RAR")),
    (b"SQLite format 3\x00", "a SQLite database; export the table with the conversations as CSV"),
    (b"PAR1\x15", "a Parquet table; save it as CSV"),
    (b"!BDN", "an Outlook data file (.pst); save the mails as .eml, or export the folder as .mbox"),
)
# What lies in an old Office file, by the names of its streams, which are UTF-16.
_STREAMS = (
    ("EncryptedPackage", "an Office file with a password; save it without"),
    ("__nameid_version1.0", "an Outlook message (.msg); open it in Outlook, and save it as .eml or text"),
    ("__substg1.0_", "an Outlook message (.msg); open it in Outlook, and save it as .eml or text"),
    ("WordDocument", "an old Word document (.doc); open it, and save it as .docx or text"),
    ("Workbook", "an old Excel workbook (.xls); open it, and save it as .xlsx or the sheet as CSV"),
    ("Book", "an old Excel workbook (.xls); open it, and save it as .xlsx or the sheet as CSV"),
    ("PowerPoint Document", "a PowerPoint presentation; give the conversation as text"),
)
_INSIDE = (
    ("word/", "a Word document that can't be read; open it, and save it anew as .docx or text"),
    ("xl/", "an Excel workbook; save the sheet with the conversations as CSV"),
    ("ppt/", "a PowerPoint presentation; give the conversation as text"),
    ("content.xml", "an OpenDocument file; save a text as .docx or .txt, a table as CSV"),
)


def what_it_is(data: bytes) -> str | None:
    """What bytes are that hold no text, and the way on: "a PDF; save it as …"; None for what may be text.

    Recordings are among them, for who wants a table, or many rows: where conversations are read they are heard.
    """
    if data.startswith(_ZIP):
        return _packed(data)
    if data.startswith(_OLD_OFFICE[:4]):
        return next((told for name, told in _STREAMS if name.encode("utf-16-le") in data), _OLD)
    if recording := container_of(data):
        return _RECORDING.format(recording.title)
    if data.startswith(b"RIFF"):
        return _PICTURE.format("WebP") if data[8:12] == b"WEBP" else None
    if data[4:8] == b"ftyp":
        return _PICTURE.format("HEIC or AVIF")
    return next((told for beginning, told in _BEGINNINGS if data.startswith(beginning)), None)


def _packed(data: bytes) -> str:
    """What a ZIP holds, which Office files are too."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "an Office file or ZIP archive, and damaged; save it anew, as text or CSV"
    known = (told for part, told in _INSIDE if any(name.startswith(part) for name in names))
    return next(known, _ARCHIVE.format("ZIP"))
