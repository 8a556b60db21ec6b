"""Subtitles of recorders that write names elsewhere than Zoom and Teams do, and SRT; text files that are no table."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.formats.options import ReadingOptions
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_transcript
from foundations.errors import InputError

SAID = [("jane doe", "Did you see the quote?"), ("raj patel", "Yes: it is fine."), ("jane doe", "Good.")]
TIMES = [f"00:00:0{n}.000 --> 00:00:0{n + 1}.500" for n in range(3)]


def subtitles(identifier: str, payload: str, comma: bool = False) -> str:
    cues = []
    for n, (name, words) in enumerate(SAID):
        parts = {"n": n + 1, "name": name.title(), "words": words}
        time = TIMES[n].replace(".", ",") if comma else TIMES[n]
        cues.append("\n".join(filter(None, [identifier.format(**parts), time, payload.format(**parts)])))
    return "\n\n".join(cues)


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


def read(folder: Path, name: str, text: str) -> list[Conversation]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_conversations(folder / name)


@pytest.mark.parametrize(
    ("identifier", "payload"),
    [
        ('{n} "{name}" (31415)', "{words}"),
        ("{name}", "{words}"),
        ("", "({name})\n{words}"),
        ("{n}", "[{name}] {words}"),
        ("7f3a-{n}", "[{name}]: {words}"),
        ("{n}", "{name}: {words}"),
    ],
)
def test_names_are_found_wherever_a_recorder_writes_them(tmp_path: Path, identifier: str, payload: str) -> None:
    (call,) = read(tmp_path, "call.vtt", f"WEBVTT\n\n{subtitles(identifier, payload)}\n")
    assert said_by(call) == SAID


def test_srt_is_webvtt_with_a_comma(tmp_path: Path) -> None:
    text = subtitles("{n}", "{name}: {words}", comma=True)
    (from_srt,) = read(tmp_path, "call.srt", text)
    assert said_by(from_srt) == SAID
    (uploaded,) = uploaded_transcript(text.replace("\n", "\r\n").encode(), "call.srt")
    assert said_by(uploaded) == SAID


def test_numbers_and_keys_as_identifiers_name_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (call,) = read(tmp_path, "call.vtt", f"WEBVTT\n\n{subtitles('{n}', '{words}')}")
    assert said_by(call) == [("", " ".join(words for _, words in SAID))]
    assert "nobody is named as speaking" in caplog.text


def test_a_text_file_is_never_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (talk,) = read(tmp_path, "call.txt", "Transcript\nJane: Hello.\nRaj: Hi.\nJane: So, shall we?\nRaj: Yes, we shall.")
    assert [speaker for speaker, _ in said_by(talk)] == ["jane", "raj", "jane", "raj"]
    assert "1 lines above the first speaker are left out (the first is 'Transcript')" in caplog.text
    (note,) = read(tmp_path, "note.md", "transcript,outcome\nThey want it,\nby May")
    assert note.turns is None and note.transcript == "transcript,outcome\nThey want it,\nby May"


def test_a_text_file_is_a_table_where_its_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "deals.txt"
    path.write_text("Notes;Result\nThey want it;won\nThey don't;lost")
    table = read_conversations(path, ReadingOptions({"transcript": "Notes", "outcome": "Result"}))
    assert [conversation.outcome for conversation in table] == ["successful", "failed"]
    path.write_text(f"WEBVTT\n\n{TIMES[0]}\nHello")
    with pytest.raises(InputError, match="is a transcript .*, which has no columns to name"):
        read_conversations(path, ReadingOptions({"transcript": "Notes"}))


def test_an_uploaded_text_has_turns_where_people_are_named() -> None:
    text = "[00:01] AE (Sales): Hello.\n[00:03] Kim: Hi.\n[00:05] AE (Sales): Price?\n[00:07] Kim: Fine."
    (call,) = uploaded_transcript(text.encode(), "")
    assert said_by(call)[:2] == [("seller", "Hello."), ("kim", "Hi.")]
    (note,) = uploaded_transcript(b"Budget: 50k\nTimeline: May", "note.txt")
    assert note.turns is None
