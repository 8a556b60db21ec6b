"""The leak guard on exports of CRMs: what was said from the day on which the opportunity was closed is not learned from."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversations.formats.options import ReadingOptions
from conversations.reading.folder import read_data
from deals.grouping import before_close, deals_of

SALESFORCE = {
    "Task.csv": """Id,WhatId,AccountId,Description,ActivityDate
00T1,006A00000000001,001A,Raj was keen on the pilot.,2024-03-01
00T2,006A00000000001,001A,They signed today.,2024-04-01
00T3,006B00000000002,001B,They found it too dear.,2024-03-02
""",
    "Opportunity.csv": """Id,AccountId,Name,StageName,IsWon,IsClosed,CloseDate
006A00000000001,001A,Acme,Closed Won,true,true,2024-04-01
006B00000000002,001B,Globex,Closed Lost,false,true,2024-04-02
""",
}
HUBSPOT = {
    "calls.csv": """Record ID,Call notes,Activity date,Associated Deal IDs,Associated Company IDs
00T1,They loved the demo.,2024-03-01 10:00,901,5501
00T2,Thanked them for the order.,2024-04-01 09:00,901,5501
00T3,No reply since the price came up.,2024-03-02 11:00,902,5502
""",
    "deals.csv": """Record ID,Deal Name,Deal Stage,Is Closed Won,Is closed lost,Close Date,Associated Company IDs
901,Acme,Closed won,true,false,2024-03-31 17:00,5501
902,Globex,Closed lost,false,true,2024-04-02 12:00,5502
""",
}


@pytest.mark.parametrize("export", [SALESFORCE, HUBSPOT], ids=["Salesforce", "HubSpot"])
def test_a_call_from_the_close_date_on_is_left_out_of_training(tmp_path: Path, export: dict[str, str]) -> None:
    for name, content in export.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    conversations = read_data(tmp_path, ReadingOptions())
    closes = {one.conversation_id: (one.model_extra or {}).get("close_date") for one in conversations}
    assert all(closes.values()), closes
    deals = before_close(deals_of(conversations))
    assert sorted(one.conversation_id for deal in deals.deals for one in deal.conversations) == ["00T1", "00T3"]
    assert [sentence for sentence in deals.notices if sentence.startswith("1 conversations of 1 deals are left out")]


def test_a_call_of_two_deals_counts_as_closed_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(
        "Record ID,Call notes,Activity date,Associated Deal IDs\n1,Spoke of both.,2024-03-05,901;902\n",
        encoding="utf-8",
    )
    (tmp_path / "deals.csv").write_text(
        "Record ID,Deal Stage,Is Closed Won,Close Date\n901,Closed won,true,2024-04-01\n902,Closed won,true,2024-03-04\n",
        encoding="utf-8",
    )
    (call,) = read_data(tmp_path, ReadingOptions())
    assert (call.outcome, (call.model_extra or {})["close_date"]) == ("successful", "2024-03-04")
