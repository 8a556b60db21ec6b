"""What the APIs of CRMs answer: rows in JSON that go the way of a table's rows."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.limits import Limit
from conversations.formats.options import ReadingOptions
from conversations.reading.files import parse_conversations, read_conversations
from conversations.reading.uploads import uploaded_transcript
from foundations.errors import InputError
from tests.conversations.formats.damage import WRONG, damaged

DATA = Path(__file__).parents[3] / "data"
ANSWERS = ["salesforce_answer", "hubspot_answer", "pipedrive_answer"]


def sample(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def read(folder: Path, content: Any, **columns: str) -> list[Conversation]:
    path = folder / "answer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_conversations(path, ReadingOptions(columns))


def extra(conversation: Conversation, name: str) -> Any:
    return (conversation.model_extra or {}).get(name)


def test_salesforce_tasks_with_what_is_known_of_their_opportunities(caplog: pytest.LogCaptureFixture) -> None:
    won, lost, still_open = read_conversations(DATA / "salesforce_answer.json")
    assert (won.outcome, lost.outcome, still_open.outcome) == ("successful", "failed", None)
    assert (won.conversation_id, won.group, won.deal_id, extra(won, "date")) == ("00T1", "001A1", "006A1", "2024-03-14")
    assert won.transcript == "They loved the demo and asked for the contract."
    assert won.conversation_context.industry == "Manufacturing"
    assert "1 of 4 rows have no text in 'Description' and are left out (the first is record 4)" in caplog.text


def test_a_finished_task_says_nothing_of_its_opportunity(tmp_path: Path) -> None:
    (task, *_) = sample("salesforce_answer")["records"]
    task["Opportunity"] = {**task["Opportunity"], "StageName": "Proposal", "IsWon": False, "IsClosed": False}
    assert read(tmp_path, [task])[0].outcome is None
    assert read(tmp_path, [{**task, "Opportunity": None}])[0].outcome is None


def test_activities_below_an_opportunity_and_the_command_line_s_answer(tmp_path: Path) -> None:
    attributes = {"type": "Task", "url": "/t"}
    tasks = [
        {"attributes": attributes, "Id": f"00T{n}", "Description": text} for n, text in enumerate(["Hi.", "Signed."])
    ]
    opportunity = {
        "attributes": {"type": "Opportunity", "url": "/o"},
        "Id": "006A1",
        "StageName": "Closed Won",
        "Description": None,
        "Tasks": {"totalSize": 2, "done": True, "records": tasks},
    }
    answer = {"status": 0, "result": {"totalSize": 1, "done": True, "records": [opportunity]}}
    calls = read(tmp_path, answer)
    assert [(call.conversation_id, call.transcript, call.outcome, call.deal_id) for call in calls] == [
        ("00T0", "Hi.", "successful", "006A1"),
        ("00T1", "Signed.", "successful", "006A1"),
    ]


def test_a_what_that_is_an_opportunity(tmp_path: Path) -> None:
    what = {"attributes": {"type": "Opportunity", "url": "/o"}, "StageName": "Closed Lost"}
    event = {
        "attributes": {"type": "Event", "url": "/e"},
        "Id": "00U1",
        "Description": "No.",
        "WhatId": "006A2",
        "What": what,
    }
    (call,) = read(tmp_path, {"totalSize": 1, "done": True, "records": [event]})
    assert (call.outcome, call.deal_id) == ("failed", "006A2")


def test_hubspot_calls_with_their_companies_and_deals(caplog: pytest.LogCaptureFixture) -> None:
    first, second = read_conversations(DATA / "hubspot_answer.json")
    assert first.transcript == "They loved it & asked for a quote."
    assert (first.conversation_id, first.group, first.deal_id) == ("1001", "5501", "901")
    assert extra(second, "date") == "2024-03-15T10:30:00Z"
    assert "1 of 3 rows have no text in 'hs_call_body'" in caplog.text


def test_an_empty_rich_text_field_is_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answer = sample("hubspot_answer")
    answer["results"][1]["properties"]["hs_call_body"] = "<div><p>&nbsp;</p></div>"
    assert [one.conversation_id for one in read(tmp_path, answer)] == ["1001"]
    assert "2 of 3 rows have no text in 'hs_call_body'" in caplog.text


def test_hubspot_deals_one_object_and_a_list_of_pages(tmp_path: Path) -> None:
    deals = [
        {
            "id": str(n),
            "properties": {"dealname": "Acme", "dealstage": stage, "description": f"Note {n}."},
            "archived": False,
        }
        for n, stage in enumerate(["closedwon", "closedlost", "contractsent"], start=1)
    ]
    read_deals = read(tmp_path, {"results": deals})
    assert [(deal.outcome, deal.deal_id) for deal in read_deals] == [("successful", "1"), ("failed", "2"), (None, "3")]
    assert read(tmp_path, deals[0])[0].outcome == "successful"
    assert len(read(tmp_path, [{"results": deals}, {"results": deals[:1]}])) == 4


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("salesforce_answer", {"done": False, "nextRecordsUrl": "/services/data/v60.0/query/01g-2000"}),
        ("hubspot_answer", {"paging": {"next": {"after": "3", "link": "x"}}}),
        ("pipedrive_answer", {"additional_data": {"pagination": {"more_items_in_collection": True}}}),
    ],
)
def test_a_page_that_others_follow_is_told_of(
    tmp_path: Path, name: str, more: Any, caplog: pytest.LogCaptureFixture
) -> None:
    read(tmp_path, sample(name))
    assert "one page" not in caplog.text
    read(tmp_path, {**sample(name), **more})
    assert "this is one page of an answer; the rows of the next ones are not in it." in caplog.text


def test_columns_of_an_answer_can_be_named(tmp_path: Path) -> None:
    answer = sample("salesforce_answer")
    calls = read(tmp_path, answer, transcript="Subject", group="account.name")
    assert [(call.transcript, call.group) for call in calls][:2] == [("Call", "Acme"), ("Call", "Globex")]


def test_pipedrive_notes_and_deals(tmp_path: Path) -> None:
    notes = read(tmp_path, sample("pipedrive_answer"))
    assert [(note.transcript, note.deal_id, note.group) for note in notes] == [
        ("They asked for the contract.", "91", "41"),
        ("Too expensive.", "92", "42"),
    ]
    deals = [
        {"id": n, "title": "Acme", "status": status, "note": "Hi."} for n, status in enumerate(["won", "lost", "open"])
    ]
    outcomes = [deal.outcome for deal in read(tmp_path, {"success": True, "data": deals})]
    assert outcomes == ["successful", "failed", None]


def test_zoho_and_close_answer_with_rows_too(tmp_path: Path) -> None:
    zoho = {
        "data": [{"id": "z1", "Description": "Hi.", "Stage": "Closed Won"}],
        "info": {"more_records": False, "count": 1},
    }
    assert [(deal.conversation_id, deal.outcome) for deal in read(tmp_path, zoho)] == [("z1", "successful")]
    close = {"has_more": False, "data": [{"_type": "Call", "id": "acti_1", "note": "Hi."}], "total_results": 1}
    assert [call.conversation_id for call in read(tmp_path, close, transcript="note")] == ["acti_1"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"totalSize": 0, "done": True, "records": []}, "holds no conversation"),
        (
            [*sample("salesforce_answer")["records"], {"a": 1}],
            r"item 5: \(an object of 1\) stands among a CRM's answers",
        ),
        ({"results": [{"id": "1", "properties": {"dealstage": "closedwon"}}]}, "no column 'transcript'"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path: Path, content: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        read(tmp_path, content)


def test_our_own_records_may_have_fields_of_those_names(tmp_path: Path) -> None:
    records = [
        {"transcript": "Hi", "attributes": {"type": "x"}},
        {"transcript": "Ho", "id": "1", "properties": {"a": "b"}},
    ]
    assert [call.transcript for call in read(tmp_path, records)] == ["Hi", "Ho"]


def test_the_rows_of_an_upload_are_counted() -> None:
    data = (DATA / "salesforce_answer.json").read_bytes()
    with pytest.raises(InputError, match="more than 3 conversations"):
        parse_conversations(data, Path("answer.json"), limit=Limit(3))
    assert len(uploaded_transcript(data, "answer.json")) == 3


@pytest.mark.parametrize("name", ANSWERS)
def test_a_damaged_answer_is_conversations_or_one_sentence(name: str, tmp_path: Path) -> None:
    for wrong in WRONG:
        for content in damaged(sample(name), wrong):
            with contextlib.suppress(InputError):
                assert all(call.turns or call.transcript for call in read(tmp_path, content))
