"""One message a row, in CSV and JSON lines: grouped by an id that repeats, in order of time, each word in its turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.reading.files import read_conversations
from conversations.reading.uploads import MOST_CONVERSATIONS, uploaded_records
from foundations.errors import InputError
from scoring.cutting import examine
from scoring.reading import read_pieces

DATA = Path(__file__).parents[3] / "data"


def read(folder: Path, content: str, options: ReadingOptions | None = None) -> list[Conversation]:
    path = folder / "export"
    path.write_text(content)
    return read_conversations(path, options or ReadingOptions())


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


def test_csv_in_order_of_time_with_roles_names_and_outcome() -> None:
    with gathered_notices() as told:
        won, lost = read_conversations(DATA / "messages.csv")
    assert said_by(won) == [
        ("seller", "Did you see the quote?"),
        ("customer", "Yes, finance signed it off."),
        ("seller", "Wonderful."),
    ]
    assert [(turn.name, turn.start) for turn in won.turns or []] == [
        ("Jane Doe", 0),
        ("Raj Patel", 60),
        ("Jane Doe", 150),
    ]
    assert [(one.conversation_id, one.outcome) for one in (won, lost)] == [("c-7", "successful"), ("c-8", "failed")]
    assert (won.model_extra or {})["date"] == "2024-03-14T10:00:00+00:00"
    assert (won.model_extra or {})["account"] == "Globex" and "message_id" not in (won.model_extra or {})
    assert told == [
        f"{DATA / 'messages.csv'}: 5 rows are read as the messages of 2 conversations, by 'conversation_id'."
    ]


def test_json_lines_by_a_number_in_order_of_seconds() -> None:
    first, second = read_conversations(DATA / "messages.jsonl")
    assert said_by(first) == [
        ("seller", "Did you see the quote? Wonderful."),
        ("raj patel", "Yes, finance signed it off."),
    ]
    assert (first.conversation_id, second.conversation_id) == ("7", "8")


def test_rows_stay_as_they_stand_where_a_time_is_not_understood(tmp_path: Path) -> None:
    (call,) = read(tmp_path, "id,speaker,text,time\n1,A,first,3/4/2024\n1,B,second,1/1/2024\n")
    assert said_by(call) == [("a", "first"), ("b", "second")]


@pytest.mark.parametrize(
    ("header", "seller", "customer"),
    [("is_agent", "1", "0"), ("from_customer", "false", "true"), ("direction", "outbound", "inbound")],
)
def test_flags_and_directions_say_who_sells(tmp_path: Path, header: str, seller: str, customer: str) -> None:
    (call,) = read(tmp_path, f"ticket id,{header},text\n1,{seller},Hi\n1,{customer},Ho\n")
    assert said_by(call) == [("seller", "Hi"), ("customer", "Ho")]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    named = ["conversation_id=Gespräch", "speaker=Wer", "transcript=Was", "time=Wann"]
    table = "Gespräch,Wann,Wer,Was\n1,0:07,B,second\n1,0:01,A,first\n"
    (call,) = read(tmp_path, table, ReadingOptions.given(named))
    assert said_by(call) == [("a", "first"), ("b", "second")]
    lines = [
        {"Gespräch": 1, "Wann": 7, "Wer": "B", "Was": "second"},
        {"Gespräch": 1, "Wann": 1, "Wer": "A", "Was": "first"},
    ]
    (call,) = read(tmp_path, "\n".join(map(json.dumps, lines)), ReadingOptions.given(named))
    assert said_by(call) == [("a", "first"), ("b", "second")]


def test_outcomes_that_contradict_each_other(tmp_path: Path) -> None:
    table = "id,speaker,text,outcome\n1,A,Hi,won\n1,B,Ho,lost\n2,A,Hi,\n2,B,Ho,lost\n"
    with pytest.raises(InputError, match="conversation '1' is won in line 2 and lost in line 3"):
        read(tmp_path, table)
    assert [one.outcome for one in read(tmp_path, table, ReadingOptions().for_scoring())] == [None, "failed"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    table = "id,speaker,text\n1,A,Hi\n1,B,\n,C,lost words\n2,A,Hello\n3,A,\n"
    with gathered_notices() as told:
        found = read(tmp_path, table)
    assert [one.conversation_id for one in found] == ["1", "2"]
    assert "1 of 5 rows have nothing in 'id'" in told[0] and "2 of 5 messages have no words" in told[1]
    assert "1 of 3 conversations have no words" in told[-1]


@pytest.mark.parametrize(
    "table",
    ["id,speaker,transcript\n1,Jane,Hi\n2,Jane,Ho\n", "conversation_id,agent,transcript\n1,Jane,Hi\n1,Jane,Ho\n"],
)
def test_one_conversation_a_row_stays_one(tmp_path: Path, table: str) -> None:
    assert [one.transcript for one in read(tmp_path, table)] == ["Hi", "Ho"]


def test_an_upload_may_hold_more_messages_than_conversations() -> None:
    rows = "".join(f"{n // 3},{'AB'[n % 2]},words\n" for n in range(3 * MOST_CONVERSATIONS))
    assert len(uploaded_records(f"id,speaker,text\n{rows}".encode(), "chats.csv")) == MOST_CONVERSATIONS
    lines = "".join(json.dumps({"id": n // 3, "speaker": "AB"[n % 2], "text": "words"}) + "\n" for n in range(300))
    assert len(uploaded_records(lines.encode(), "chats.jsonl")) == 100
    with pytest.raises(InputError, match="more than 1,000 conversations"):
        uploaded_records(f"id,speaker,text\n{rows}x,A,words\nx,B,words\n".encode(), "chats.csv")


@pytest.mark.parametrize("name", ["messages.csv", "messages.jsonl"])
def test_bulk_scoring_cuts_no_conversation(name: str) -> None:
    options = ReadingOptions().for_scoring()
    file, cuts = examine(DATA / name, options, shard_rows=2)
    found = [one for cut in cuts for piece in read_pieces(file, cut, options) for one in piece.conversations]
    assert found == read_conversations(DATA / name)
