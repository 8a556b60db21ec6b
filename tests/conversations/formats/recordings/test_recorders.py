"""What recorders of meetings give as JSON: who spoke, on which side, when, and nothing but what was said."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.recordings import listed
from conversations.formats.speech import whisper
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_transcript
from foundations.errors import InputError
from tests.conversations.formats.damage import WRONG, damaged

DATA = Path(__file__).parents[3] / "data"


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


def test_an_attendee_s_name_may_be_the_address_and_a_name_without_one_says_nothing(tmp_path: Path) -> None:
    attendees = [
        {"displayName": "Jane Doe", "email": None},
        {"displayName": "ana@globex.example", "email": "ana@globex.example"},
    ]
    meeting = fireflies(
        attendees, "Jane Doe", "Ana Ruiz", participants=["jane@seller.example"], organizer_email="jane@seller.example"
    )
    assert [speaker for speaker, _ in said_by(read(tmp_path, meeting)[0])] == ["seller", "customer"]


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
        ({"dealstage": "1334521"}, None),
        ({"StageName": "Closed"}, None),
    ],
)
def test_hubspot_deals_in_gong(
    tmp_path: Path, fields: dict[str, Any], outcome: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    (call,) = read(tmp_path, with_deals(gong_deal("Now", **fields)))
    assert call.outcome == outcome
    assert ("says neither won nor lost, so the call counts as open" in caplog.text) == (outcome is None)


def test_one_gong_call_by_itself_and_a_list_of_them(tmp_path: Path) -> None:
    (call,) = read(tmp_path, {**gong_call("1", "2"), "parties": PARTIES})
    assert (call.conversation_id, [speaker for speaker, _ in said_by(call)]) == ("7", ["seller", "2"])
    assert (call.turns or [])[1].start == 1.0
    won = gong_deal("Now", StageName="Closed Won")
    whole = {**gong_call("1", "2"), "metaData": {"id": "7"}, "parties": PARTIES, "context": [{"objects": [won]}]}
    (call,) = read(tmp_path, whole)
    assert (call.outcome, [speaker for speaker, _ in said_by(call)]) == ("successful", ["seller", "2"])
    assert len(read(tmp_path, [gong_call("1"), {**gong_call("2"), "callId": "8"}])) == 2


@pytest.mark.parametrize(
    "content", [{"calls": [{"metaData": {"id": "7"}, "parties": PARTIES}]}, {"metaData": {"id": "7"}, "context": []}]
)
def test_gong_s_extensive_answer_alone_is_told_for_what_it_is(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match=r"/v2/calls/extensive, which holds no words; ask /v2/calls/transcript"):
        read(tmp_path, content)


# --------------------------------------------------------------------------------------------------- other recorders


SAID = ["Shall we look at the dashboard?", "Please, my team needs it by May.", "Then I send the quote."]
SIDES, NAMES = ["seller", "customer", "seller"], ["jane doe", "ana ruiz", "jane doe"]
SAMPLES: dict[str, tuple[list[str], str, str | None]] = {  # who speaks, id, group
    "fathom": (SIDES, "123456789", "globex.example"),
    "read": (SIDES, "01HREAD", "globex.example"),
    "tldv": (NAMES, "65f2d6c0", None),
    "granola": (SIDES, "not_1d3tmYTlCICgjy", "globex.example"),
    "granola_entries": (["me", "them", "me"], "d-1", None),
    "otter": (NAMES, "conv_1", None),
    "teams_stream": (NAMES, "teams_stream", None),
    "zoom_timeline": (NAMES, "m1", None),
    "meet_entries": (["101", "202", "101"], "meet_entries", None),
    "recall": (NAMES, "recall", None),
    "avoma": (SIDES, "m-1", "globex.example"),
    "chorus": (SIDES, "C1", "globex.example"),
    "grain": (SIDES, "g-1", "globex.example"),
    "grain_transcript": (NAMES, "grain_transcript", None),
    "circleback": (SIDES, "cb-1", "globex.example"),
    "passages": (NAMES, "passages", None),
}
NO_TIME_OF_THE_FIRST = {
    "granola",
    "granola_entries",
    "read",
    "meet_entries",
}  # moments of the calendar: after the first


@pytest.mark.parametrize("name", SAMPLES)
def test_who_said_what_and_when(name: str) -> None:
    (call,) = read_conversations(DATA / "recorders" / f"{name}.json")
    speakers, identifier, group = SAMPLES[name]
    assert said_by(call) == list(zip(speakers, SAID, strict=True))
    assert (call.conversation_id, call.group, call.outcome) == (identifier, group, None)
    turns = call.turns or []
    first = 1.0 if name in NO_TIME_OF_THE_FIRST else 0.0
    assert [turn.start for turn in turns] == pytest.approx([1.0 - first, 4.0 - first, 9.0 - first])
    names = [turn.name for turn in turns]
    assert names[0] == names[2] and names[0] != names[1] and all(names)


def test_there_is_a_sample_of_every_recorder_and_all_can_be_uploaded() -> None:
    samples = sorted((DATA / "recorders").glob("*.json"))
    assert [path.stem for path in samples] == sorted(SAMPLES)
    for path in samples:
        assert len(uploaded_transcript(path.read_bytes(), path.name)) == 1


@pytest.mark.parametrize(
    "name", ["fathom", "read", "granola", "otter", "zoom_timeline", "chorus", "grain", "circleback"]
)
def test_when_a_meeting_took_place(name: str) -> None:
    (call,) = read_conversations(DATA / "recorders" / f"{name}.json")
    assert extra(call, "date") == "2024-03-14T10:30:00Z"


def test_the_deal_of_a_meeting_where_the_recorder_knows_it() -> None:
    deals = {
        name: read_conversations(DATA / "recorders" / f"{name}.json")[0].deal_id
        for name in ("fathom", "chorus", "read")
    }
    assert deals == {"fathom": "991", "chorus": "006A1", "read": None}


def sample(name: str) -> Any:
    return json.loads((DATA / "recorders" / f"{name}.json").read_text())


def test_a_page_that_others_follow_and_meetings_without_a_transcript_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = sample("fathom")
    silent = {**page["items"][0], "transcript": None}
    assert len(read(tmp_path, {**page, "next_cursor": "abc", "items": [page["items"][0], silent]})) == 1
    assert "one page of a list; the meetings of the next ones are not in it" in caplog.text
    assert "1 of 2 calls have no words and are left out (the first is meeting 2)" in caplog.text


def test_one_meeting_of_fathom_and_its_transcript_alone(tmp_path: Path) -> None:
    (meeting,) = sample("fathom")["items"]
    assert [speaker for speaker, _ in said_by(read(tmp_path, meeting)[0])] == SIDES
    (call,) = read(tmp_path, {"transcript": meeting["transcript"]})
    assert (call.conversation_id, [speaker for speaker, _ in said_by(call)]) == ("call", ["jane d.", "ana", "jane d."])


def test_what_somebody_added_to_a_meeting_is_kept(tmp_path: Path) -> None:
    (call,) = read(tmp_path, {**sample("read"), "outcome": "failed", "group": "acme"})
    assert (call.outcome, call.group) == ("failed", "acme")


def test_granola_s_voices_have_no_side_where_colleagues_listen_too(tmp_path: Path) -> None:
    note = sample("granola")
    note["attendees"].append({"name": "Tom", "email": "tom@seller.example"})
    (call,) = read(tmp_path, note)
    assert [speaker for speaker, _ in said_by(call)] == ["jane doe", "them", "jane doe"]


def test_grain_s_older_bots_and_recall_s_first_shape(tmp_path: Path) -> None:
    words = [{"text": "Hi", "start_timestamp": 1.5, "end_timestamp": 2.0}]
    (call,) = read(tmp_path, [{"speaker": "Jane", "speaker_id": 1, "language": "en", "words": words}])
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in call.turns or []] == [("jane", "Hi", 1.5, 2.0)]


def test_a_list_of_messages_of_several_conversations_is_no_meeting() -> None:
    for name in ("conversation_id", "id", "ref"):
        assert not listed.PARTS.knows({name: "1", "speaker": "a", "text": "b", "time": 1})
        assert not whisper.SEGMENTS.knows({name: "1", "speaker": "a", "text": "b", "start": 1, "end": 2})
    assert listed.PARTS.knows({"speaker": "a", "text": "b", "time": 1})


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("recall", "a part of Recall.ai's transcript has 'participant' and 'words', not 3"),
        ("grain_transcript", "a part of Grain's transcript has 'speaker', 'start' and 'text', not 3"),
        ("granola_entries", "an entry of Granola has 'source', 'text' and 'start_timestamp', not 3"),
        ("passages", "a passage has a speaker and words, not 3"),
    ],
)
def test_a_stray_element_of_a_list_is_told_of(tmp_path: Path, name: str, part: str) -> None:
    with pytest.raises(InputError, match=f"item 4: {part}"):
        read(tmp_path, [*sample(name), 3])


@pytest.mark.parametrize("name", SAMPLES)
def test_a_damaged_export_is_a_conversation_or_one_sentence(name: str, tmp_path: Path) -> None:
    for wrong in WRONG:
        for content in damaged(sample(name), wrong):
            with contextlib.suppress(InputError):
                assert all(call.turns or call.transcript for call in read(tmp_path, content))


@pytest.mark.parametrize("name", ["gong.json", "fireflies.json"])
def test_a_damaged_export_of_gong_or_fireflies_is_too(name: str, tmp_path: Path) -> None:
    content = json.loads((DATA / name).read_text())
    for wrong in WRONG:
        for changed in damaged(content, wrong):
            with contextlib.suppress(InputError):
                assert all(call.turns or call.transcript for call in read(tmp_path, changed))
