"""Exports of CRMs: which columns feed which field, which ids are a row's own, and cells that only seem to hold words."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_records
from foundations.errors import InputError

DATA = Path(__file__).parents[3] / "data"


def read(folder: Path, content: str | bytes) -> list[Conversation]:
    path = folder / "export.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_conversations(path)


@pytest.mark.parametrize(
    ("name", "ids", "groups"),
    [
        ("pipedrive_deals.csv", ["11", "12", "13"], ["Acme", "Globex", "Initech"]),
        ("zoho_deals.csv", ["zcrm_501", "zcrm_502", "zcrm_503"], ["zcrm_90", "zcrm_90", "zcrm_91"]),
        ("close_opportunities.csv", ["oppo_1", "oppo_2", "oppo_3"], ["lead_1", "lead_2", "lead_3"]),
        ("dynamics_opportunities.csv", ["5f0a-1", "5f0a-2", "5f0a-3"], ["Acme", "Globex", "Initech"]),
    ],
)
def test_a_crm_s_deals(name: str, ids: list[str], groups: list[str]) -> None:
    deals = read_conversations(DATA / name)
    assert [deal.outcome for deal in deals] == ["successful", "failed", None]
    assert [deal.conversation_id for deal in deals] == [deal.deal_id for deal in deals] == ids
    assert [deal.group for deal in deals] == groups
    assert [deal.transcript for deal in deals] == [
        "They signed after the demo.",
        "Went with a cheaper vendor.",
        "Legal is reading the contract.",
    ]
    assert (deals[0].model_extra or {})["date"] == ("2024-03-01" if "close" in name else "2024-03-14")


def test_hubspot_deals_by_stage_name_by_flags_and_by_both(tmp_path: Path) -> None:
    flags = '"Is Closed Won","Is closed lost","Is Deal Closed?"'
    head = f'"Record ID","Deal Name","Deal Stage",{flags},"Close Date","Deal Description"\n'
    rows = [
        '"1","A","Closed Won (Sales Pipeline)","","","","2024-03-14","Hi"',
        '"2","B","1334521","true","false","true","2024-03-14","Hi"',
        '"3","C","1334522","No","Yes","Yes","2024-03-14","Hi"',
        '"4","D","Contract Sent","false","false","false","2024-03-14","Hi"',
    ]
    deals = read(tmp_path, head + "\n".join(rows))
    assert [deal.outcome for deal in deals] == ["successful", "successful", "failed", None]
    assert [deal.deal_id for deal in deals] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("header", "row", "identifier"),
    [
        ("Account Name.id,Record Id", "a,r", "r"),
        ("Call ID,Record ID", "c,r", "r"),
        ("call_id,id", "c,i", "i"),
        ("Id,conversation_id", "i,c", "c"),
        ("Ticket ID", "t", "t"),
        ("session_id", "s", "s"),
        ("dialogue_id", "d", "d"),
        ("Owner.Id", "o", "row-1"),
    ],
)
def test_a_row_s_own_id(tmp_path: Path, header: str, row: str, identifier: str) -> None:
    (found,) = read(tmp_path, f"{header},Description\n{row},Hi\n")
    assert found.conversation_id == identifier


@pytest.mark.parametrize(
    ("header", "row", "deal"),
    [
        ("Id,OpportunityId,AccountId", "t1,o1,a1", "o1"),
        ("Record ID,Associated Deal IDs", "1,77", "77"),
        ("Record ID,Associated Deal IDs", "1,77;78", None),
        ("Id,Opportunity.Id", "t1,o1", "o1"),
        ("Id,AccountId,StageName,CloseDate", "o1,a1,Closed Won,2024-03-14", "o1"),
        ("Id,WhatId,StageName,CloseDate", "t1,w1,Closed Won,2024-03-14", None),
        ("Id,AccountId", "t1,a1", None),
    ],
)
def test_the_deal_that_a_row_is_a_part_of(tmp_path: Path, header: str, row: str, deal: str | None) -> None:
    (found,) = read(tmp_path, f"{header},Description\n{row},Hi\n")
    assert found.deal_id == deal
    assert found.group == ("a1" if "AccountId" in header else found.group)


def test_a_task_s_status_says_nothing_of_its_deal(tmp_path: Path) -> None:
    table = "Description,Status,StageName\nHi,Completed,Closed Won\nHo,Not Started,Closed Lost\n"
    assert [one.outcome for one in read(tmp_path, table)] == ["successful", "failed"]


@pytest.mark.parametrize("nothing", ["#N/A", "N/A", "NULL", "None", "nan", "-", "—"])
def test_cells_that_hold_no_words(tmp_path: Path, nothing: str) -> None:
    with gathered_notices() as told:
        (deal,) = read(tmp_path, f"Id,Description\n1,{nothing}\n2,None of them came.\n")
    assert deal.conversation_id == "2"
    assert told[0].endswith("1 of 2 rows have no text in 'Description' and are left out (the first is line 2).")
    with pytest.raises(InputError, match="each .2 rows have no text in 'Description'"):
        uploaded_records(f"Description\n{nothing}\n{nothing}\n".encode(), "deals.csv")


def test_stray_zero_bytes_are_left_out_and_told(tmp_path: Path) -> None:
    words = b"Id,Description\n1," + "Der Müller will es. ".encode("cp1252") * 20
    with gathered_notices() as told:
        (deal,) = read(tmp_path, words + b"\x00\n")
    assert (deal.transcript or "").startswith("Der Müller") and "\x00" not in (deal.transcript or "")
    assert "1 zero bytes" in told[0]
    with pytest.raises(InputError, match="is binary, not text .byte 15 is 0x00, as are 21 of"):
        read(tmp_path, words.replace(b" will", b"\x00will").replace(b"1,", b"\x00,"))


def test_ids_that_come_again_are_told(tmp_path: Path) -> None:
    with gathered_notices() as told:
        assert len(read(tmp_path, "Id,Description\n1,Hi\n2,Ho\n1,Ha\n")) == 3
    assert any("1 ids come more than once (the first is '1', 2 times)" in one for one in told)
