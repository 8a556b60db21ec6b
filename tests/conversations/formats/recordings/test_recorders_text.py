"""What recorders and meeting tools give as plain text, each in its shape: the talk, and nothing of what stands around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversations.formats.notices import gathered_notices
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import uploaded_transcript

TALK = [
    ("Jane Doe", "Hello Raj, did it arrive?"),
    ("Raj Patel", "Yes."),
    ("Jane Doe", "Fine."),
    ("Raj Patel", "We sign."),
]
SHAPES = {
    "Otter": "{name}  0:0{n}  \n{words}\n\n|\nTranscribed by https://otter.ai\n",
    "Otter with a summary": "SUMMARY KEYWORDS\nquote, seats\n\nSPEAKERS\nJane Doe, Raj Patel\n\n"
    "|{name}  0:0{n}\n{words}\n\n|",
    "Fireflies": "Quote for Globex - Mar 14th, 2024, 10:30\nTranscript\n|00:0{n}\n{name}: {words}\n|",
    "Fireflies, with times in brackets": "Meeting Title: Quote\nDate: Mar 14\n\n|[00:0{n}] {name}: {words}\n|",
    "Google Meet": "Mar 14, 2024\nQuote - Transcript\nAttendees\nJane Doe, Raj Patel\nTranscript\n00:00:00\n \n"
    "|{name}: {words}\n"
    "|Meeting ended after 00:32:10 👋\n"
    "This editable transcript was computer generated and might contain errors. People can "
    "also change the text after it was created.\n",
    "Gemini's notes and a transcript": "📝 Notes\nMar 14, 2024\nInvited: Jane Doe, Raj Patel\nSummary\n"
    "Price: they agreed on it.\n"
    "Details\nTimeline: May.\nSuggested next steps\nJane Doe: send the contract.\n📖 Transcript\nMar 14, 2024\n"
    "Quote - Transcript\n00:00:00\n|{name}: {words}\n|Transcription ended after 00:32:10\n",
    "Teams, copied": "{name}\n0 minutes 0{n} seconds\n{words}\n|",
    "Teams, copied with the name twice": "{name}\n0:0{n}\n{name} 0 minutes {n} seconds\n{words}\n|",
    "Teams' Word document as text": "Quote\nMarch 14, 2024, 10:30AM\n32m 10s\n\n"
    "Jane Doe started transcription\n\n|{name}   0:0{n}\n"
    "{words}\n\n|Jane Doe stopped transcription\n",
    "Zoom's captions": "[{name}] 10:30:4{n}\n{words}\n\n|",
    "Zoom's chat": "10:02:1{n}\t From {name} to Everyone:\n\t{words}\n|",
    "Zoom's older chat": "10:02:1{n}\t From  {name} : {words}\n|",
    "Granola": "Meeting Title: Quote\nDate: Mar 14\nMeeting participants: Jane Doe, Raj Patel\n\nTranscript:\n"
    " \n|{name}: {words}  \n|",
    "Fathom, copied": "Quote for Globex - March 14\n"
    "VIEW RECORDING - 32 mins (No highlights): https://fathom.video/share/x\n\n---\n\n"
    "|0:0{n} - {name}\n  {words}\n\n"
    "|ACTION ITEM: Send the contract - WATCH: https://fathom.video/share/x?timestamp=9\n",
    "Read.ai": "Quote\nThu, Mar 14, 2024\n\n|{name}\n00:0{n}\n{words}\n\n|",
    "tl;dv": "Quote for Globex\nMarch 14, 2024\n\n|00:0{n} {name}: {words}\n\n"
    "|View the recording: https://tldv.io/app/x\n",
}


def written(shape: str) -> str:
    above, line, below = [*shape.split("|"), ""][:3] if shape.count("|") == 2 else ["", *shape.split("|")]
    return above + "".join(line.format(name=name, words=words, n=n) for n, (name, words) in enumerate(TALK, 1)) + below


@pytest.mark.parametrize("tool", SHAPES)
def test_the_talk_and_nothing_else_becomes_turns(tool: str) -> None:
    text = written(SHAPES[tool])
    with gathered_notices() as told:
        (call,) = parse_conversations(text.encode(), Path("call.txt"))
    assert [(turn.name, turn.text) for turn in call.turns or []] == TALK
    has_more = not SHAPES[tool].startswith(("{name}\n", "[{name}", "10:"))
    assert any("left out" in sentence for sentence in told) == has_more
    assert uploaded_transcript(text.encode(), "call.txt")[0].turns == call.turns


@pytest.mark.parametrize(
    "heading", ["Date: March 14", "March 14, 2024, 10:30AM", "14.03.2024", "Thu, Mar 14: call", "2024: plan"]
)
def test_dates_and_numbers_are_never_names(heading: str) -> None:
    text = f"{heading}\n{heading}\nJane: Hello.\nRaj: Yes.\nJane: Fine.\nRaj: We sign.\n{heading}\n"
    (call,) = parse_conversations(text.encode(), Path("call.txt"))
    assert {turn.name for turn in call.turns or []} <= {"Jane", "Raj", "Date"}


@pytest.mark.parametrize("name", ["upload", "call", "call.transcript", "call.txt"])
def test_a_file_that_begins_with_people_who_talk_is_no_table_and_no_list(name: str) -> None:
    for line in ("[00:0{n}] {name}: {words}\n", "[{name}] 10:30:4{n}\n{words}\n", "{name}: {words}\n"):
        text = "".join(line.format(name=name, words=words, n=n) for n, (name, words) in enumerate(TALK))
        (call,) = parse_conversations(text.encode(), Path(name))
        assert [(turn.name, turn.text) for turn in call.turns or []] == TALK


def test_fields_of_a_mail_are_never_names() -> None:
    text = "To: Raj\nSubject: a\nFrom: Jane\nTo: Raj\nSubject: b\nFrom: Jane\n"
    (note,) = parse_conversations(text.encode(), Path("note.txt"))
    assert note.turns is None and note.transcript == text.strip()
