"""What is no text is told for what it is, with the way on, whatever it is called, by the command line and by uploads."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from conversations.reading.files import parse_conversations
from conversations.reading.uploads import uploaded_records, uploaded_transcript
from foundations.errors import InputError


def packed(*names: str) -> bytes:
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return inside.getvalue()


def old_office(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le") + bytes(50)


KINDS = {
    "PNG": (b"\x89PNG\r\n\x1a\n\x00", "a picture, PNG"),
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a picture, JPEG"),
    "a phone's picture": (b"\x00\x00\x00\x20ftypheic\x00", "a picture, HEIC or AVIF"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF; save it as text (.txt) or Word document (.docx)"),
    "RTF": (b"{\\rtf1\\ansi Hello}", "Rich Text (RTF); open it, and save it as"),
    "gzip": (b"\x1f\x8b\x08\x00", "an archive, gzip; unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00", "an archive, 7z; unpack it"),
    "ZIP": (packed("a.vtt", "b.vtt"), "an archive, ZIP; unpack it"),
    "empty ZIP": (packed(), "an archive, ZIP; unpack it"),
    "damaged ZIP": (b"PK\x03\x04\x14\x00\x06\x00", "an Office file or ZIP archive, and damaged"),
    "presentation": (packed("[Content_Types].xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
    "OpenDocument": (packed("mimetype", "content.xml"), "an OpenDocument file; save a text as .docx"),
    "Outlook message": (old_office("__substg1.0_0037001F"), "an Outlook message (.msg); open it in Outlook, and save"),
    "old Word": (old_office("WordDocument"), "an old Word document (.doc); open it, and save it as .docx"),
    "with a password": (old_office("EncryptedPackage"), "an Office file with a password; save it without"),
    "unknown old Office": (old_office("Other"), "an old Office file; open it, and save it as .docx"),
    "SQLite": (b"SQLite format 3\x00", "a SQLite database; export"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["file", "file.txt", "file.json", "file.csv"])
def test_what_is_no_text_is_told_for_what_it_is(kind: str, name: str) -> None:
    data, told = KINDS[kind]
    for read in (lambda: parse_conversations(data, Path(name)), lambda: uploaded_transcript(data, name)):
        with pytest.raises(InputError) as caught:
            read()
        assert str(caught.value).startswith(f"{name} is {told}") and str(caught.value).endswith(".")
    with pytest.raises(InputError):
        uploaded_records(data, name)


@pytest.mark.parametrize(
    "text", ["ID3 badge, PDF and RIFF came up.", "GIF8 and PAR1", "RIFFLE", "BZ meeting", "Rar! they said", "PK sells"]
)
def test_words_that_begin_alike_are_text(text: str) -> None:
    assert uploaded_transcript(text.encode(), "note.txt")[0].transcript == text


def test_utf_16_is_no_recording() -> None:
    assert uploaded_transcript("\ufeffMP3 and AAC.".encode("utf-16-le"), "note.txt")[0].transcript == "MP3 and AAC."
