"""A folder of recordings, a table that says how they ended, and a CRM's activities beside its deals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.reading.folder import files_of, read_data
from foundations.errors import InputError
from tests.conversations.formats.tables.workbooks import Cell, workbook

DATA = Path(__file__).parents[2] / "data"
VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nJane Doe: Shall I send the contract?\n\n"
VTT += "00:00:05.000 --> 00:00:09.000\nRaj Patel: Please do, legal signs on Friday.\n"
AS_IT_IS = ReadingOptions()


def folder_with(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(
    data: Path, outcomes: Path | None = None, options: ReadingOptions = AS_IT_IS
) -> tuple[dict[str, Conversation], list[str]]:
    """The conversations by id, and what was told."""
    with gathered_notices() as notices:
        found = read_data(data, options, outcomes)
    by_id = {one.conversation_id: one for one in found}
    assert len(by_id) == len(found)
    return by_id, [sentence.replace(f"{data}/", "").replace(f"{data.parent}/", "") for sentence in notices]


def refused(data: Path, outcomes: Path | None = None, options: ReadingOptions = AS_IT_IS) -> str:
    with pytest.raises(InputError) as caught, gathered_notices():
        read_data(data, options, outcomes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Three calls and a note, of different kinds, called by their files' names."""
    return folder_with(
        tmp_path / "calls",
        {
            "Acme intro.vtt": VTT,
            "globex.txt": "Jane: Hello.\nBob: Too dear.\nJane: I see.\nBob: Goodbye.\n",
            "initech.json": '{"transcript": "They asked for an offer."}',
            "umbrella.srt": "1\n00:00:01,000 --> 00:00:04,000\nJane: Hello.\n\n2\n00:00:05,000 --> 00:00:09,000\nTom: Hello.\n",
        },
    )


# ------------------------------------------------------------------------------------------------------------ folders


def test_every_file_of_a_folder_is_read_and_called_like_its_file(calls: Path) -> None:
    found, notices = read(calls)
    assert list(found) == ["Acme intro", "globex", "initech", "umbrella"]
    assert found["Acme intro"].turns and len(found["Acme intro"].turns) == 2
    assert notices == []


def test_a_pattern_names_files_too(calls: Path) -> None:
    assert list(read(calls / "*.vtt")[0]) == ["Acme intro"]
    assert list(read(calls.parent / "**" / "g*.txt")[0]) == ["globex"]
    assert "There is no file" in refused(calls / "*.docx")


def test_files_of_one_name_are_told_apart_by_their_endings(calls: Path) -> None:
    folder_with(calls, {"Acme intro.txt": "Jane: Hi.\nRaj: Hi.\nJane: Bye.\nRaj: Bye.\n"})
    assert list(read(calls)[0])[:2] == ["Acme intro.txt", "Acme intro.vtt"]


def test_several_conversations_of_a_file_are_called_by_file_and_row(calls: Path) -> None:
    folder_with(
        calls, {"notes.csv": "transcript\nOne.\nTwo.\n", "own.csv": "conversation_id,transcript\nc-1,One.\nc-2,Two.\n"}
    )
    assert {"notes.csv:row-1", "notes.csv:row-2", "c-1", "c-2"} <= read(calls)[0].keys()


def test_ids_that_come_in_several_files_are_told(tmp_path: Path) -> None:
    folder_with(tmp_path, {f"{name}.csv": "conversation_id,transcript\nc-1,One.\nc-2,Two.\n" for name in "ab"})
    with gathered_notices() as notices:
        assert len(read_data(tmp_path, AS_IT_IS)) == 4
    assert len(notices) == 1 and "2 ids come more than once (the first is 'c-1', 2 times)" in notices[0]


def test_a_file_that_is_no_conversation_is_told_and_stops_nothing(calls: Path) -> None:
    folder_with(calls, {"logo.png": b"\x89PNG\r\n\x1a\n\x00\x00", ".DS_Store": b"\x00", "~$deals.xlsx": b"\x00"})
    found, notices = read(calls)
    assert len(found) == 4
    assert len(notices) == 1 and "a file is left out: logo.png" in notices[0]


def test_a_file_that_may_not_be_read_stops_nothing(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def refusing(path: Path) -> bytes:
        if path.name == "globex.txt":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    found, notices = read(calls)
    assert len(found) == 3 and "Permission denied" in notices[0]


def test_of_many_files_that_are_none_the_first_are_told_and_the_others_counted(calls: Path) -> None:
    folder_with(calls, {f"{n}.png": b"\x89PNG\x00" for n in range(8)})
    found, notices = read(calls)
    assert (len(found), len(notices)) == (4, 6)
    assert notices[-1].endswith("3 more files are left out, as they can't be read.")


def test_where_no_file_is_left_the_reason_of_the_first_is_the_error(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "calls", {"a.png": b"\x89PNG\x00", "b.png": b"\x89PNG\x00"})
    said = refused(folder)
    assert said.startswith(f"None of the 2 files of {folder} can be read as conversations, the first since: ")
    assert str(folder / "a.png") in said


def test_a_corpus_in_a_folder_is_one_with_the_file_of_its_outcomes() -> None:
    found, notices = read(DATA / "convokit")
    assert found and notices == []
    assert any(one.outcome for one in found.values())


def test_what_is_to_be_left_out_is_no_input(calls: Path) -> None:
    assert len(files_of(calls, left_out=calls / "globex.txt")) == 3
    assert files_of(calls / "globex.txt", left_out=calls) == [calls / "globex.txt"]


# ----------------------------------------------------------------------------------- recordings here, outcomes there

OUTCOMES = """File,Result,Customer,deal_id,date
acme INTRO.VTT,won,Acme,d-1,2024-03-14
calls/globex,lost,Globex,d-2,
zorg.vtt,won,Zorg,d-3,
"""


def test_outcomes_of_another_file_are_matched_by_file_names_in_any_case_and_with_or_without_ending(calls: Path) -> None:
    outcomes = folder_with(calls.parent, {"deals.csv": OUTCOMES}) / "deals.csv"
    found, notices = read(calls, outcomes, ReadingOptions.given(["group=Customer"]))
    assert {name: one.outcome for name, one in found.items()} == {
        "Acme intro": "successful",
        "globex": "failed",
        "initech": None,
        "umbrella": None,
    }
    assert (found["Acme intro"].group, found["Acme intro"].deal_id) == ("Acme", "d-1")
    assert (found["Acme intro"].model_extra or {})["date"] == "2024-03-14"
    assert notices == [
        "deals.csv: its column 'File' names 2 of the 4 conversations of calls.",
        "calls: 2 conversations are not named in deals.csv and have no outcome from it (the first: 'initech').",
        "deals.csv: 1 of 3 rows name no conversation (the first: 'zorg.vtt').",
    ]


def test_the_table_of_outcomes_may_lie_in_the_folder_and_be_a_workbook(calls: Path) -> None:
    rows: list[list[Cell]] = [["Call", "Outcome", "Day"], ["globex", "won", date(2024, 3, 1)]]
    folder_with(calls, {"deals.xlsx": workbook({"S": rows})})
    found, _ = read(calls, calls / "deals.xlsx", ReadingOptions.given(["date=Day"]))
    assert len(found) == 4 and found["globex"].outcome == "successful"
    assert (found["globex"].model_extra or {})["date"] == "2024-03-01"


def test_outcomes_are_matched_by_ids_and_by_deals_of_one_file(tmp_path: Path) -> None:
    folder_with(
        tmp_path,
        {
            "calls.csv": "conversation_id,transcript,deal_id\nc-1,One.,d-1\nc-2,Two.,d-1\nc-3,Three.,d-2\n",
            "by_id.csv": "name;ended\nc-1;won\nc-3;lost\n",
            "by_deal.csv": "deal_id,outcome\nd-1,won\nd-2,lost\n",
        },
    )
    by_id, _ = read(tmp_path / "calls.csv", tmp_path / "by_id.csv")
    assert [one.outcome for one in by_id.values()] == ["successful", None, "failed"]
    by_deal, notices = read(tmp_path / "calls.csv", tmp_path / "by_deal.csv")
    assert [one.outcome for one in by_deal.values()] == ["successful", "successful", "failed"]
    assert "names 3 of the 3 conversations" in notices[0]


def test_words_of_outcomes_are_understood_as_the_person_says(calls: Path) -> None:
    outcomes = (
        folder_with(calls.parent, {"deals.csv": "file,outcome\nglobex,Lieferung\ninitech,Absage\n"}) / "deals.csv"
    )
    options = ReadingOptions.given([], won=["lieferung"], lost=["absage"])
    found, _ = read(calls, outcomes, options)
    assert (found["globex"].outcome, found["initech"].outcome) == ("successful", "failed")
    assert "'Lieferung'" in refused(calls, outcomes)
    unknown, notices = read(calls, outcomes, AS_IT_IS.for_scoring())
    assert unknown["globex"].outcome is None
    assert any("2 outcomes are not understood" in sentence for sentence in notices)


def test_where_nothing_fits_both_sides_are_shown(calls: Path) -> None:
    outcomes = folder_with(calls.parent, {"deals.csv": "File,Result\nzorg.vtt,won\n"}) / "deals.csv"
    said = refused(calls, outcomes)
    assert "names none of the 4 conversations" in said
    assert "'Acme intro' in 'Acme intro.vtt'" in said and "'File' with 'zorg.vtt'" in said


def test_a_table_without_outcomes_is_refused_with_its_columns(calls: Path) -> None:
    outcomes = folder_with(calls.parent, {"deals.csv": "File,Sum\nglobex,17\n"}) / "deals.csv"
    assert "no column that could say how deals ended (found: 'File', 'Sum')" in refused(calls, outcomes)
    two = folder_with(calls.parent, {"two.csv": "File,A,B\nglobex,won,lost\n"}) / "two.csv"
    assert "several columns" in refused(calls, two)
    assert read(calls, two, ReadingOptions.given(["outcome=B"]))[0]["globex"].outcome == "failed"


def test_outcomes_that_are_no_table_or_not_there_are_refused(calls: Path) -> None:
    assert "is no table" in refused(calls, calls / "initech.json")
    assert "There is no file" in refused(calls, calls / "deals.csv")


def test_rows_that_contradict_each_other_leave_the_deal_open(calls: Path) -> None:
    outcomes = (
        folder_with(calls.parent, {"deals.csv": "file,outcome\nglobex,won\nglobex.txt,lost\ninitech,won\n"})
        / "deals.csv"
    )
    found, notices = read(calls, outcomes)
    assert (found["globex"].outcome, found["initech"].outcome) == ("failed", "successful"), "the exact name comes first"
    outcomes.write_text("file,outcome\nglobex,won\nglobex,lost\ninitech,won\n", encoding="utf-8")
    found, notices = read(calls, outcomes)
    assert found["globex"].outcome is None
    assert (
        "ended differently, and stay open (the first: 'globex', by deals.csv, line 2 and deals.csv, line 3)"
        in notices[2]
    )


def test_the_table_comes_before_what_a_file_says_itself(tmp_path: Path) -> None:
    folder_with(
        tmp_path,
        {
            "calls.csv": "conversation_id,transcript,outcome,group\nc-1,One.,successful,own\nc-2,Two.,failed,own\n",
            "deals.csv": "id,outcome,group\nc-1,lost,Acme\nc-2,open,\n",
        },
    )
    found, notices = read(tmp_path / "calls.csv", tmp_path / "deals.csv")
    assert [(one.outcome, one.group) for one in found.values()] == [("failed", "Acme"), ("failed", "own")]
    assert any("1 conversations ended otherwise by their own file" in sentence for sentence in notices)


def test_a_number_that_is_equal_to_an_id_by_chance_names_nothing(tmp_path: Path) -> None:
    folder_with(
        tmp_path,
        {
            "calls.csv": "conversation_id,transcript\n1,One.\n2,Two.\n3,Three.\n",
            "deals.csv": "Employees,id,outcome\n1,2,won\n2,3,lost\n3,9,won\n",
        },
    )
    found, _ = read(tmp_path / "calls.csv", tmp_path / "deals.csv")
    assert [one.outcome for one in found.values()] == [None, "successful", "failed"]


# ------------------------------------------------------------------------------------------- activities beside deals

WON, LOST, OPEN, ALONE = (
    "0065g00000AbCdE",
    "0065g00000abcde",
    "0065g00000ABCDE",
    "0065g00000ZZZZZ",
)  # apart by case alone


def long_id(short: str) -> str:
    """The 18 signs that Data Loader writes: five signs' upper case is one of 32 letters, three times."""
    signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    parts = [short[n : n + 5] for n in (0, 5, 10)]
    return short + "".join(signs[sum(2**n for n, sign in enumerate(part) if sign.isupper())] for part in parts)


SALESFORCE = {
    "Task.csv": f"""Id,WhatId,AccountId,Subject,Description,ActivityDate,Status
00T1,{long_id(WON)},001A,Call,"Raj was keen, legal signs on Friday.",2024-03-01,Completed
00T2,{long_id(LOST)},001B,Call,They found it too dear.,2024-03-02,Completed
00T3,{long_id(OPEN)},001C,Call,,2024-03-03,Completed
00T4,001D00000000001AAA,001D,Call,A call about an invoice.,2024-03-04,Completed
""",
    "Event.csv": f"""Id,WhatId,Subject,Description,ActivityDate
00U1,{long_id(OPEN)},Demo,The demo went well and they asked for a quote.,2024-03-05
""",
    "EmailMessage.csv": f"""Id,RelatedToId,Subject,TextBody,MessageDate,Incoming
02s1,{long_id(WON)},Quote,"Hello Jane, please send the contract.",2024-03-06T10:00:00.000Z,true
""",
    "Opportunity.csv": f"""Id,AccountId,Name,Description,StageName,IsWon,IsClosed,CloseDate
{WON},001A,Acme,Signed in the end.,Closed Won,true,true,2024-04-01
{LOST},001B,Globex,,Closed Lost,false,true,2024-04-02
{OPEN},001C,Initech,,Negotiation,false,false,2024-05-03
{ALONE},001E,Umbrella,,Closed Won,true,true,2024-04-04
""",
}


def test_salesforce_activities_have_the_outcome_the_account_and_the_deal_of_their_opportunity(tmp_path: Path) -> None:
    found, notices = read(folder_with(tmp_path / "export", SALESFORCE))
    assert {name: (one.outcome, one.group, one.deal_id) for name, one in found.items()} == {
        "02s1": ("successful", "001A", WON),
        "00U1": (None, "001C", OPEN),
        "00T1": ("successful", "001A", WON),
        "00T2": ("failed", "001B", LOST),
        "00T4": (None, "001D", None),
    }
    assert (found["00T1"].model_extra or {})["date"] == "2024-03-01"
    assert found["02s1"].transcript == "Hello Jane, please send the contract."
    assert notices == [
        "Task.csv: 1 of 4 rows have no text in 'Description' and are left out (the first is line 4).",
        "Opportunity.csv: its column 'Id' names 4 of the 5 conversations of export.",
        "export: 1 conversations are not named in Opportunity.csv and have no outcome from it (the first: '00T4').",
        "Opportunity.csv: 1 of 4 rows name no conversation (the first: '0065g00000ZZZZZ').",
        "Opportunity.csv: what it says itself of its deals (1 texts in 'Description') is not read as conversations.",
    ]


def test_a_task_that_a_mail_repeats_is_left_out(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "export",
        {
            "Task.csv": "Id,Description\n00T1,Please send the contract.\n00T2,A call.\n",
            "EmailMessage.csv": "Id,ActivityId,TextBody\n02s1,00T1,Please send the contract.\n",
        },
    )
    found, notices = read(folder)
    assert found.keys() == {"00T2", "02s1"}
    assert notices == ["export: 1 activities are left out, as mails in another file say that they are the same."]


def test_hubspot_calls_have_the_outcome_of_their_deals(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "export",
        {
            "calls.csv": """Record ID,Call notes,Activity date,Call outcome,Associated Deal IDs,Associated Company IDs
1,<p>They <b>loved</b> it.</p>,2024-03-01 10:00,Connected,901,5501
2,No reply since the price came up.,2024-03-02 11:00,Connected,902,5502
3,Talked of both.,2024-03-03 11:00,Connected,901;902,5501
4,A call without a deal.,2024-03-04 11:00,Connected,,5503
""",
            "deals.csv": """Record ID,Deal Name,Deal Stage,Is Closed Won,Is closed lost,Close Date,Associated Company IDs
901,Acme,Closed won,true,false,2024-04-01,5501
902,Globex,Closed lost,false,true,2024-04-02,5502
""",
        },
    )
    found, notices = read(folder)
    assert {name: (one.outcome, one.deal_id) for name, one in found.items()} == {
        "1": ("successful", "901"),
        "2": ("failed", "902"),
        "3": (None, None),
        "4": (None, None),
    }
    assert found["1"].transcript == "They loved it."
    assert any("1 conversations have rows in deals.csv that ended differently" in sentence for sentence in notices)


def test_deals_that_nothing_belongs_to_are_conversations_themselves(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "export",
        {
            "Opportunity.csv": SALESFORCE["Opportunity.csv"],
            "call.vtt": VTT,
            "Task.csv": "Id,Description\n00T9,Hello.\n",
        },
    )
    found, _ = read(folder)
    assert found.keys() == {WON, "call", "00T9"}


def test_a_named_table_of_outcomes_is_the_only_one(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "export", {name: SALESFORCE[name] for name in ("Task.csv", "Event.csv")})
    outcomes = folder_with(tmp_path, {"Opportunity.csv": SALESFORCE["Opportunity.csv"]}) / "Opportunity.csv"
    found, _ = read(folder, outcomes)
    assert [found[name].outcome for name in ("00T1", "00T2", "00U1", "00T4")] == ["successful", "failed", None, None]
    assert found["00T1"].deal_id == WON
