"""JSON like our own: turns and ids under the names that others give them, and records that say nothing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_records
from foundations.errors import InputError


def read(folder: Path, content: Any) -> list[Conversation]:
    path = folder / "export.json"
    path.write_text(json.dumps(content))
    return read_conversations(path)


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


@pytest.mark.parametrize("speaker", ["speaker", "sender", "role", "author", "from", "speaker_name", "user", "name"])
@pytest.mark.parametrize("words", ["text", "content", "message", "words", "body", "utterance", "value"])
def test_the_fields_of_a_turn(tmp_path: Path, speaker: str, words: str) -> None:
    (call,) = read(tmp_path, {"turns": [{speaker: "Agent", words: "Hi"}, {speaker: "Raj", words: "Ho"}]})
    assert said_by(call) == [("seller", "Hi"), ("raj", "Ho")]


@pytest.mark.parametrize("name", ["messages", "conversation", "dialogue", "utterances", "transcript", "conversations"])
def test_the_list_of_turns(tmp_path: Path, name: str) -> None:
    turns = [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Ho"}]
    for content in ({name: turns}, [{name: turns, "id": 1}, {name: turns, "id": 2}]):
        for call in read(tmp_path, content):
            assert said_by(call) == [("assistant", "Hi"), ("user", "Ho")]


def test_instructions_to_a_program_are_not_said_and_parts_are_joined(tmp_path: Path) -> None:
    said = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]
    with gathered_notices() as told:
        (call,) = read(
            tmp_path, {"messages": [{"role": "system", "content": "Sell!"}, {"role": "user", "content": said}]}
        )
    assert said_by(call) == [("user", "Hi there")]
    assert "1 instructions to a program" in told[0]


def test_a_speaker_s_object_a_role_beside_a_name_and_times(tmp_path: Path) -> None:
    turns = [
        {"author": {"id": 4, "name": "Jane (Sales)"}, "body": "Hi", "start_time": 1.5},
        {"role": "customer", "name": "Raj", "message": "Ho", "timestamp": "0:04"},
    ]
    (call,) = read(tmp_path, {"messages": turns})
    assert [(turn.speaker, turn.name, turn.start) for turn in call.turns or []] == [
        ("seller", "Jane (Sales)", 1.5),
        ("customer", "Raj", 4.0),
    ]


@pytest.mark.parametrize(
    "name", ["id", "dialogue_id", "transcript_id", "session_id", "ticket id", "Record Id", "callId"]
)
def test_ids(tmp_path: Path, name: str) -> None:
    (call,) = read(tmp_path, {name: 12, "transcript": "Hi", "Account.id": "a", "opportunity_id": "o-1"})
    assert (call.conversation_id, call.deal_id) == ("12", "o-1")


def test_where_nobody_is_found_to_speak(tmp_path: Path) -> None:
    with gathered_notices() as told:
        read(tmp_path, [{"turns": [{"text": "Hi"}, {"text": "Ho"}]}, {"turns": [{"who": "Ann", "text": "Hi"}]}])
    assert "in 2 of 2 conversations with turns nobody is found to speak" in told[0] and "sender, role" in told[0]


def test_one_empty_text_does_not_stop_a_list(tmp_path: Path) -> None:
    records = [
        {"transcript": "Hi"},
        {"transcript": " "},
        {"turns": [{"speaker": "a", "text": ""}]},
        {"transcript": None},
    ]
    with gathered_notices() as told:
        assert [one.transcript for one in read(tmp_path, records)] == ["Hi"]
    assert "3 of 4 records have no words and are left out (the first is item 2)" in told[0]
    with pytest.raises(InputError, match="^deals.json holds no conversation: the transcript is empty in each"):
        uploaded_records(json.dumps(records[1:]).encode(), "deals.json")


@pytest.mark.parametrize("odd", [["x"], {"a": []}, 3, None, True])
@pytest.mark.parametrize("field", ["role", "sender", "content", "name", "start", "id"])
def test_fields_of_another_kind_are_conversations_or_a_sentence(tmp_path: Path, field: str, odd: Any) -> None:
    with contextlib.suppress(InputError):
        (call,) = read(tmp_path, {"id": odd, "messages": [{"role": "user", "content": "Hi", field: odd}]})
        assert call.turns
