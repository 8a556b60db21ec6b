"""Word documents: Teams' and Google Meet's transcripts, tables, tracked changes; what is damaged or made to burst a reader."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings import word
from conversations.formats.recordings.word import word_text
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import uploaded_records, uploaded_transcript
from foundations.errors import InputError

NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraph(text: str) -> str:
    """A paragraph; "\n" in it is a line break."""
    runs = "<w:br/>".join(f"<w:t>{escape(line)}</w:t>" for line in text.split("\n"))
    return f"<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:rPr><w:b/></w:rPr>{runs}</w:r></w:p>"


def table(*rows: list[str]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def document(*blocks: str, more: dict[str, bytes] | None = None) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(
            "word/document.xml", f"<w:document {NAMESPACE}><w:body>{''.join(blocks)}</w:body></w:document>"
        )
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return written.getvalue()


def read(data: bytes, name: str = "call.docx") -> tuple[Conversation, list[str]]:
    with gathered_notices() as told:
        (found,) = parse_conversations(data, Path(name))
    return found, told


def said(conversation: Conversation) -> list[tuple[str | None, str, float | None]]:
    return [(turn.name, turn.text, turn.start) for turn in conversation.turns or []]


TEAMS = document(
    *map(
        paragraph,
        [
            "Quote for Globex-20240314_103000-Meeting Recording",
            "March 14, 2024, 10:30AM",
            "32m 10s",
            "\nJane Doe started transcription",
            "\nJane Doe   0:03\nHello Raj, did the quote arrive?",
            "\nPatel, Raj   0:09\nYes. It's 10:30, I have\nten minutes.",
            "\nJane Doe   0:15\nFine.",
            "\nPatel, Raj   0:19\nWe sign.",
            "\nJane Doe stopped transcription",
        ],
    ),
    more={"word/media/image1.png": b"x", "word/media/image2.png": b"x"},
)
MEET = document(
    *map(
        paragraph,
        [
            "Mar 14, 2024",
            "Quote for Globex - Transcript",
            "Attendees",
            "Jane Doe, Raj Patel, Raj Patel's Presentation",
            "Transcript",
            "00:00:00",
            " ",
            "Jane Doe: Hello Raj, did the quote arrive?",
            "Raj Patel: Yes, it did.",
            "Jane Doe: Fine.",
            "00:05:00",
            " ",
            "Raj Patel: We sign.",
            "Meeting ended after 00:32:10 👋",
            "This editable transcript was computer generated and might contain errors. People can also change the text "
            "after it was created.",
        ],
    )
)


def test_the_transcript_of_teams() -> None:
    call, told = read(TEAMS)
    assert said(call) == [
        ("Jane Doe", "Hello Raj, did the quote arrive?", 3.0),
        ("Patel, Raj", "Yes. It's 10:30, I have ten minutes.", 9.0),
        ("Jane Doe", "Fine.", 15.0),
        ("Patel, Raj", "We sign.", 19.0),
    ]
    assert call.conversation_id == "call"
    assert "call.docx: left out: 2 lines that the recorder added, 2 pictures." in told


def test_the_transcript_of_google_meet() -> None:
    call, _ = read(MEET)
    assert [(name, words) for name, words, _ in said(call)] == [
        ("Jane Doe", "Hello Raj, did the quote arrive?"),
        ("Raj Patel", "Yes, it did."),
        ("Jane Doe", "Fine."),
        ("Raj Patel", "We sign."),
    ]


def test_a_page_gets_what_the_command_line_gets() -> None:
    for data in (TEAMS, MEET):
        for reading in (uploaded_transcript, uploaded_records):
            assert reading(data, "call.docx")[0].turns == read(data)[0].turns


@pytest.mark.parametrize(
    "rows",
    [
        [["Jane", "0:03", "Hello"], ["Raj", "0:05", "Yes"], ["Jane", "0:07", "Fine"], ["Raj", "0:09", "Bye"]],
        [["0:03", "Jane", "Hello"], ["0:05", "Raj", "Yes"], ["0:07", "Jane", "Fine"], ["0:09", "Raj", "Bye"]],
        [["Jane\n0:03", "Hello"], ["Raj\n0:05", "Yes"], ["Jane\n0:07", "Fine"], ["Raj\n0:09", "Bye"]],
    ],
)
def test_a_table_is_a_transcript_whatever_its_columns(rows: list[list[str]]) -> None:
    call, _ = read(document(table(["Speaker", "Time", "Text"], *rows)))
    assert said(call) == [("Jane", "Hello", 3.0), ("Raj", "Yes", 5.0), ("Jane", "Fine", 7.0), ("Raj", "Bye", 9.0)]


def test_a_note_stays_a_note_with_its_tables_in_order() -> None:
    note, _ = read(document(paragraph("Met Raj."), table(["Budget", "50k"], ["Start", "May"]), paragraph("He signs.")))
    assert note.transcript == "Met Raj.\nBudget : 50k\nStart : May\nHe signs."
    assert note.turns is None


def test_words_put_in_are_text_and_words_struck_out_are_not() -> None:
    changed = (
        "<w:p><w:r><w:t>We </w:t></w:r><w:ins><w:r><w:t>sign</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>wait</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>then</w:t></w:r></w:moveFrom></w:p>"
    )
    control = f"<w:sdt><w:sdtContent>{paragraph('in May')}</w:sdtContent></w:sdt>"
    assert word_text(document(changed, control), Path("a")) == "We sign\nin May"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (document(), "without a word"),
        (document(paragraph(" ")), "without a word"),
        (document("<w:p>"), "damaged; open it, and save it anew"),
        (document(more={"word/document.xml": b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}), "that Word did not write"),
        (TEAMS[:300] + bytes(40) + TEAMS[340:], "damaged"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_cannot_be_read_is_told_in_a_sentence(data: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        parse_conversations(data, Path("call.docx"))
    assert str(caught.value).startswith("call.docx is a Word document") and "\n" not in str(caught.value)


def test_a_document_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word, "MOST_BYTES", 1_000_000)
    data = document(paragraph(" " * 2_000_000))
    assert len(data) < 20_000
    with pytest.raises(InputError, match="of more than 1,000,000 bytes"):
        parse_conversations(data, Path("call.docx"))


def test_no_damage_makes_more_than_a_sentence() -> None:
    drawn = random.Random(0)
    for _ in range(300):
        data = bytearray(MEET)
        for _ in range(drawn.randint(1, 8)):
            data[drawn.randrange(4, len(data))] = drawn.randrange(256)
        try:
            parse_conversations(bytes(data), Path("call.docx"))
        except InputError:
            continue


def test_columns_have_no_place_in_a_document() -> None:
    with pytest.raises(InputError, match="call.docx is a Word document, which has no columns to name"):
        parse_conversations(MEET, Path("call.docx"), ReadingOptions({"transcript": "Notes"}))
