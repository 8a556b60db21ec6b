"""Intercom, Zendesk, Front, Help Scout, Freshdesk and Slack: who wrote what, when, on which side, and what is left out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.messages.slack import slack_records
from conversations.formats.notices import gathered_notices
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_records, uploaded_transcript
from foundations.errors import InputError

DATA = Path(__file__).parents[3] / "data"


def read(name: str) -> tuple[list[Conversation], list[str]]:
    with gathered_notices() as told:
        return read_conversations(DATA / name), [sentence.removeprefix(f"{DATA / name}: ") for sentence in told]


def turns(conversation: Conversation) -> list[tuple[str, str | None, str, float | None]]:
    return [(turn.speaker, turn.name, turn.text, turn.start) for turn in conversation.turns or []]


def date(conversation: Conversation) -> Any:
    return (conversation.model_extra or {}).get("date")


def test_intercom() -> None:
    (talk,), told = read("intercom.json")
    assert turns(talk) == [
        ("customer", "Ana Ruiz", "Hi, what does the team plan cost?", 0.0),
        ("seller", "Jane Doe", "40 a seat & month.", 60.0),
        ("customer", "Ana Ruiz", "Then we take ten.", 120.0),
    ]
    assert (talk.conversation_id, talk.group, date(talk)) == ("147", "globex.example", "2024-03-14T10:30:00+00:00")
    assert told == ["left out: 1 internal notes."]


def test_one_conversation_and_a_list_of_intercom_are_read_alike() -> None:
    single = json.loads((DATA / "intercom.json").read_text())["conversations"][0]
    whole = read("intercom.json")[0]
    for given in (single, [single]):
        assert uploaded_records(json.dumps(given).encode(), "x.json")[0] == whole[0]


def test_zendesk_tickets() -> None:
    (first, second), told = read("zendesk_tickets.jsonl")
    assert turns(first) == [
        ("customer", "Raj Patel", "Please quote 25 seats.", 0.0),
        ("seller", "Jane Doe", "1,000 a month.", 900.0),
    ]
    assert (first.conversation_id, first.group, date(first)) == ("35436", "509974", "2024-03-14T10:30:00+00:00")
    assert turns(second) == [("customer", "210", "Cancel the trial.", 0.0)]
    assert told == ["left out: 1 internal comments."]


def test_zendesk_comments_with_their_users() -> None:
    comments = [
        {"id": 1, "author_id": 7, "plain_body": "Offer?", "public": True, "created_at": "2024-03-14T10:30:00Z"},
        {"id": 2, "author_id": 8, "plain_body": "Here.", "public": True, "created_at": "2024-03-14T10:31:00Z"},
    ]
    users = [{"id": 7, "name": "Raj", "role": "end-user"}, {"id": 8, "name": "Jane", "role": "agent"}]
    (talk,) = uploaded_records(json.dumps({"comments": comments, "users": users}).encode(), "c.json")
    assert [(speaker, name) for speaker, name, _, _ in turns(talk)] == [("customer", "Raj"), ("seller", "Jane")]


def test_zendesk_chats() -> None:
    (talk,), told = read("zendesk_chats.json")
    assert turns(talk) == [
        ("customer", "Visitor 714", "Do you ship to Spain?", 0.0),
        ("seller", "Jane Doe", "We do, in two days.", 15.0),
    ]
    assert (talk.conversation_id, talk.group, told) == ("2403.10532472", "globex.example", [])


def test_a_message_left_while_nobody_was_there() -> None:
    chat = {
        "id": "1",
        "type": "offline_msg",
        "visitor": {"name": "John"},
        "message": "Call me.",
        "timestamp": "2024-03-14",
    }
    (talk,) = uploaded_records(json.dumps(chat).encode(), "chat.json")
    assert turns(talk) == [("customer", "John", "Call me.", 0.0)]


def test_front() -> None:
    (talk,), told = read("front.json")
    assert [turn[:3] for turn in turns(talk)] == [
        ("customer", "Raj Patel", "Is it available?"),
        ("seller", "Jane Doe", "Yes, from May."),
    ]
    assert (talk.group, told) == ("globex.example", ["left out: 1 drafts."])


def test_help_scout() -> None:
    (talk,), told = read("help_scout.json")
    assert turns(talk) == [
        ("customer", "Raj Patel", "Can I buy three seats?", 0.0),
        ("seller", "Jane Doe", "Ten is our smallest plan.", 900.0),
    ]
    assert (talk.conversation_id, talk.group, told) == ("291938", "globex.example", ["left out: 1 internal notes."])


def test_freshdesk() -> None:
    (talk,), told = read("freshdesk.json")
    assert turns(talk) == [
        ("customer", "Raj Patel", "Can we pay yearly?", 0.0),
        ("seller", "jane@seller.example", "Yes, with 10 % off.", 300.0),
        ("customer", "Raj Patel", "Agreed.", 600.0),
    ]
    assert (talk.conversation_id, told) == ("20", ["left out: 1 internal notes."])


def test_slack_threads_and_days_are_conversations_of_one_group() -> None:
    talks, told = read("slack_channel.json")
    assert [turns(talk) for talk in talks] == [
        [
            ("jane doe", "Jane Doe", "Morning Raj Patel, the quote is at this page. 25 seats & support.", 0.0),
            ("raj patel", "Raj Patel", "Looks fair. Can we start in May?", pytest.approx(100.0, abs=0.01)),
            ("jane doe", "Jane Doe", "Yes.", pytest.approx(120.0, abs=0.01)),
        ],
        [
            ("raj patel", "Raj Patel", "By the way, lunch on Friday?", 0.0),
            ("jane doe", "Jane Doe", "Friday is fine.", pytest.approx(140.0, abs=0.01)),
        ],
        [("raj patel", "Raj Patel", "Legal has signed.", 0.0)],
    ]
    assert {talk.group for talk in talks} == {"slack_channel"}
    assert len({talk.conversation_id for talk in talks}) == 3
    assert told == ["left out: 2 messages of programs, and about who comes and leaves."]


def test_the_answer_of_slacks_interface_is_read_as_the_export() -> None:
    messages = json.loads((DATA / "slack_channel.json").read_text())
    answer = {"ok": True, "messages": messages[::-1], "has_more": False}
    found = uploaded_transcript(json.dumps(answer).encode(), "slack_channel.json")
    assert [turns(talk) for talk in found] == [turns(talk) for talk in read("slack_channel.json")[0]]


def test_a_file_that_is_named_after_its_day_gives_no_group() -> None:
    messages = json.loads((DATA / "slack_channel.json").read_text())
    assert {record.get("group") for _, record in slack_records(messages, "2024-03-14", "here")} == {None}


@pytest.mark.parametrize(
    "record",
    [
        {"type": "conversation", "turns": [{"speaker": "seller", "text": "Hi"}], "source": {"a": 1}},
        {"transcript": "Hi there", "comments": ["good"], "visitor": "x"},
        {"transcript": "Hi there", "conversations": [], "_results": [], "_embedded": {}},
    ],
)
def test_records_of_our_own_are_not_taken_for_a_help_desks(record: dict[str, Any]) -> None:
    (found,) = uploaded_records(json.dumps(record).encode(), "own.json")
    assert found.turns or found.transcript == "Hi there"


@pytest.mark.parametrize("value", [None, 5, 10**400, "x", [], {}, [1], [[]], [{}], [{"id": 5}]])
@pytest.mark.parametrize(
    "name", ["intercom.json", "zendesk_chats.json", "front.json", "help_scout.json", "freshdesk.json"]
)
def test_a_field_of_another_kind_is_no_error(name: str, value: Any) -> None:
    """Each field in turn, at every depth: nothing but a sentence may come of it."""
    document = json.loads((DATA / name).read_text())
    for changed in variants(document, value):
        with contextlib.suppress(InputError):
            uploaded_records(json.dumps(changed).encode(), name)


def variants(value: Any, other: Any) -> list[Any]:
    """The value with one part of it exchanged, in each way."""
    if isinstance(value, dict):
        return [{**value, key: new} for key, part in value.items() for new in (other, *variants(part, other))]
    if isinstance(value, list):
        return [
            [*value[:n], new, *value[n + 1 :]]
            for n, part in enumerate(value)
            for new in (other, *variants(part, other))
        ]
    return []
