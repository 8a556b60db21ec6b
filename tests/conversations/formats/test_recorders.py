"""What recorders of meetings give as JSON: who spoke, on which side, when, and nothing but what was said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.reading.files import read_conversations
from foundations.errors import InputError

DATA = Path(__file__).parents[2] / "data"


def read(folder: Path, content: Any) -> list[Conversation]:
    path = folder / "call.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_conversations(path)


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


def extra(conversation: Conversation, name: str) -> Any:
    return (conversation.model_extra or {}).get(name)


# --------------------------------------------------------------------------------------------------------- Fireflies


def fireflies(attendees: list[Any], *names: str, **more: Any) -> dict[str, Any]:
    sentences = [{"speaker_name": name, "text": f"words {n}", "start_time": n} for n, name in enumerate(names)]
    return {"data": {"transcript": {"id": "f", "meeting_attendees": attendees, "sentences": sentences, **more}}}


NAMELESS = [
    {"displayName": None, "email": "j.doe@seller.example"},
    {"displayName": None, "email": "ana@globex.example"},
]


def test_fireflies_attendees_without_names_are_found_by_their_addresses(tmp_path: Path) -> None:
    meeting = fireflies(NAMELESS, "Jane Doe", "Ana Ruiz", organizer_email="J.Doe@seller.example")
    (call,) = read(tmp_path, meeting)
    assert [speaker for speaker, _ in said_by(call)] == ["seller", "customer"]
    assert call.group == "globex.example"
    assert [turn.name for turn in call.turns or []] == ["Jane Doe", "Ana Ruiz"]


def test_a_voice_and_an_address_that_are_left_over_are_one_person(tmp_path: Path) -> None:
    (call,) = read(tmp_path, fireflies(NAMELESS, "Jane Doe", "Conference room", organizer_email="j.doe@seller.example"))
    assert [speaker for speaker, _ in said_by(call)] == ["seller", "customer"]
    (call,) = read(tmp_path, fireflies(NAMELESS, "Room 1", "Room 2", organizer_email="j.doe@seller.example"))
    assert [speaker for speaker, _ in said_by(call)] == ["room 1", "room 2"]


def test_fireflies_participants_are_addresses_alone_and_the_recording_user_sells(tmp_path: Path) -> None:
    meeting = fireflies(
        [],
        "Jane Doe",
        "Ana Ruiz",
        participants=["jane@seller.example,ana.ruiz@globex.example"],
        organizer_email="ana.ruiz@globex.example",
        user={"email": "jane@seller.example"},
    )
    (call,) = read(tmp_path, meeting)
    assert ([speaker for speaker, _ in said_by(call)], call.group) == (["seller", "customer"], "globex.example")


# -------------------------------------------------------------------------------------------------------------- Gong


def gong_call(*speakers: str | None) -> dict[str, Any]:
    sentences = [
        {"speakerId": one, "sentences": [{"start": 1000 * n, "end": 1000 * n + 900, "text": f"words {n}"}]}
        for n, one in enumerate(speakers)
    ]
    return {"callId": "7", "transcript": sentences}


PARTIES = [
    {"name": "Silent Sue", "affiliation": "External", "emailAddress": "sue@acme.example"},
    {"speakerId": None, "name": "Silent Sam", "affiliation": "External"},
    {"speakerId": "1", "name": "Jane", "affiliation": "Internal"},
]


def gong_deal(timing: str | None, **fields: Any) -> dict[str, Any]:
    named = [{"name": name, "value": value} for name, value in fields.items()]
    kind = "Deal" if "dealstage" in fields else "Opportunity"
    return {"objectType": kind, "objectId": "006A", "fields": named} | ({"timing": timing} if timing else {})


def with_deals(*deals: dict[str, Any]) -> dict[str, Any]:
    detail = {"metaData": {"id": "7"}, "parties": PARTIES, "context": [{"system": "CRM", "objects": list(deals)}]}
    return {"callTranscripts": [gong_call("1")], "calls": [detail]}


@pytest.mark.parametrize("nobody", [None, ""])
def test_a_monologue_that_gong_knows_no_speaker_of_takes_nobody_s_role(tmp_path: Path, nobody: str | None) -> None:
    (call,) = read(
        tmp_path,
        {"callTranscripts": [gong_call("1", nobody)], "calls": [{"metaData": {"id": "7"}, "parties": PARTIES}]},
    )
    assert [speaker for speaker, _ in said_by(call)] == ["seller", ""]


@pytest.mark.parametrize("turned", [False, True])
def test_the_stage_of_now_wins_over_that_at_the_time_of_the_call(tmp_path: Path, turned: bool) -> None:
    deals = [gong_deal("TimeOfCall", StageName="Closed Lost"), gong_deal("Now", StageName="Closed Won")]
    (call,) = read(tmp_path, with_deals(*(reversed(deals) if turned else deals)))
    assert (call.outcome, call.deal_id) == ("successful", "006A")
    (call,) = read(
        tmp_path, with_deals(gong_deal("TimeOfCall", StageName="Closed Won"), gong_deal("Now", StageName="Proposal"))
    )
    assert call.outcome is None


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"dealstage": "closedwon"}, "successful"),
        ({"dealstage": "closedlost"}, "failed"),
        ({"StageName": "Abgeschlossen", "IsWon": False, "IsClosed": True}, "failed"),
        ({"IsWon": True}, None),
        ({"dealstage": "1334521"}, None),
    ],
)
def test_hubspot_deals_and_flags_in_gong(
    tmp_path: Path, fields: dict[str, Any], outcome: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    (call,) = read(tmp_path, with_deals(gong_deal("Now", **fields)))
    assert call.outcome == outcome
    assert ("'1334521' is an internal number" in caplog.text) == (fields.get("dealstage") == "1334521")


def test_one_gong_call_by_itself_and_a_list_of_them(tmp_path: Path) -> None:
    (call,) = read(tmp_path, {**gong_call("1", "2"), "parties": PARTIES})
    assert (call.conversation_id, [speaker for speaker, _ in said_by(call)]) == ("7", ["seller", "2"])
    assert (call.turns or [])[1].start == 1.0
    assert len(read(tmp_path, [gong_call("1"), {**gong_call("2"), "callId": "8"}])) == 2


@pytest.mark.parametrize(
    "content", [{"calls": [{"metaData": {"id": "7"}, "parties": PARTIES}]}, {"metaData": {"id": "7"}, "context": []}]
)
def test_gong_s_extensive_answer_alone_is_told_for_what_it_is(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match=r"/v2/calls/extensive, which holds no words; ask /v2/calls/transcript"):
        read(tmp_path, content)
