"""How data were understood, in figures: formats, columns, speakers, outcomes, dates, and what was left out."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from conversations.formats.options import ReadingOptions
from conversations.reading.folder import read_data
from conversations.reading.understood import Reading, understood
from tests.conversations.formats.tables.workbooks import Cell, workbook

DATA = Path(__file__).parents[2] / "data"


def reading(path: Path, *columns: str) -> Reading:
    return understood(lambda: read_data(path, ReadingOptions.given(columns).for_scoring()))


def formats(found: Reading) -> dict[str, str]:
    return {one.path.name: one.tool for one in found.findings}


def test_a_table_says_which_column_feeds_which_field() -> None:
    found = reading(DATA / "salesforce_opportunities.csv")
    (finding,) = found.findings
    assert finding.tool == "a table"
    assert finding.columns["transcript"] == "DESCRIPTION"
    assert finding.columns["outcome"] == "ISWON, ISCLOSED, STAGENAME"
    assert finding.columns["group"] == "ACCOUNTID"


def test_each_format_is_called_what_it_is(tmp_path: Path) -> None:
    assert formats(reading(DATA / "gong.json")) == {"gong.json": "Gong"}
    assert formats(reading(DATA / "fireflies.json")) == {"fireflies.json": "Fireflies"}
    assert formats(reading(DATA / "fireflies_download.json")) == {"fireflies_download.json": "Fireflies"}
    assert formats(reading(DATA / "zoom.vtt")) == {"zoom.vtt": "a transcript with times (WebVTT or SRT)"}
    assert formats(reading(DATA / "convokit")) == {"utterances.jsonl": "ConvoKit"}
    assert formats(reading(DATA / "persuasion_for_good")) == {"full_dialog.csv": "PersuasionForGood"}
    for name, content, tool in [
        ("note.txt", "They liked it.", "a note in plain text"),
        ("call.txt", "Jane: Hi.\nBob: Hi.\nJane: Bye.\nBob: Bye.\n", "a transcript in plain text"),
        ("own.json", '[{"transcript": "They liked it."}]', "JSON records of ours"),
        ("deals.csv", "transcript\nThey liked it.\n", "a table"),
    ]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert formats(reading(tmp_path / name)) == {name: tool}
    (tmp_path / "deals.xlsx").write_bytes(workbook({"Q1": [["Description"], ["They liked it."]]}))
    assert formats(reading(tmp_path / "deals.xlsx")) == {"deals.xlsx": "an Excel workbook, its sheet 'Q1'"}


def test_the_figures_are_those_of_the_conversations(tmp_path: Path) -> None:
    path = tmp_path / "deals.jsonl"
    turns = [
        {"speaker": "seller", "name": "Jane Doe", "text": "Shall I send the contract?"},
        {"speaker": "customer", "text": "Please do."},
        {"speaker": "Tom", "text": "Yes."},
    ]
    records = [
        {
            "conversation_id": "c-1",
            "turns": turns,
            "outcome": "successful",
            "group": "acme",
            "date": "2024-03-14",
            "deal_id": "d",
        },
        {
            "conversation_id": "c-2",
            "turns": turns[:1],
            "outcome": "failed",
            "group": "acme",
            "date": "2024-01-02T10:00:00Z",
        },
        {"conversation_id": "c-3", "transcript": "An open deal.", "date": "3/4/2024"},
        {"conversation_id": "c-4", "transcript": "Another."},
    ]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    found = reading(path)
    assert found.outcomes == {"won": 1, "lost": 1, "open": 2}
    assert (found.dates.first, found.dates.last) == ("2024-01-02T10:00:00+00:00", "2024-03-14T00:00:00+00:00")
    assert (found.dates.missing, found.dates.unreadable) == (1, 1)
    assert (found.groups, found.deals) == (1, 1)
    speakers = [(one.name, one.sells, one.turns, one.words) for one in found.speakers]
    assert speakers == [("Jane Doe", True, 2, 10), ("customer", False, 1, 2), ("Tom", None, 1, 1)]
    assert found.example[0] == {"speaker": "Jane Doe", "text": "Shall I send the contract?"}
    written = json.loads(json.dumps(found.as_json()))
    assert written["ids"] == ["c-1", "c-2", "c-3", "c-4"]
    assert written["groups"] == {"different": 1, "missing": 2}


def test_what_is_left_out_is_among_the_notices_and_in_no_log(tmp_path: Path, caplog: object) -> None:
    rows: list[list[Cell]] = [
        ["Description", "Outcome", "Date"],
        ["They signed.", "Lieferung", date(2024, 3, 1)],
        [None, "won", None],
    ]
    path = tmp_path / "deals.xlsx"
    path.write_bytes(workbook({"S": rows}))
    found = reading(path)
    assert found.outcomes == {"won": 0, "lost": 0, "open": 1}
    assert ["no text" in one for one in found.notices].count(True) == 1
    assert any("'Lieferung' (1)" in one for one in found.notices)
    assert caplog.records == []  # type: ignore[attr-defined]
