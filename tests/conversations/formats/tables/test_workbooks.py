"""Excel workbooks are read as the table that they hold, and none takes a machine's memory, whatever it claims."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.formats.tables.unpacked import unpacked_workbook
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import MOST_CONVERSATIONS, uploaded_records, uploaded_transcript
from foundations.errors import InputError
from tests.conversations.formats.tables.workbooks import Cell, packed, workbook

HERE = Path("deals.xlsx")
DEALS: list[list[Cell]] = [
    ["Id", "Description", "StageName", "AccountId", "ActivityDate", "Employees", "Amount"],
    ["006A1", "Raj was keen,\nthe demo convinced the team.", "Closed Won", "001A1", date(2024, 3, 14), 250, 1200.5],
    ["006A2", "Too dear for them.", "Closed Lost", "001A2", datetime(2024, 3, 20, 15, 30), None, "#N/A"],
    ["006A3", None, "Negotiation", "001A3", None, None, None],
]


def read(data: bytes, *columns: str) -> list[Conversation]:
    return parse_conversations(data, HERE, ReadingOptions.given(columns))


def refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def extra(conversation: Conversation, name: str) -> object:
    return (conversation.model_extra or {}).get(name)


def test_a_workbook_is_read_as_a_table() -> None:
    with gathered_notices() as notices:
        won, lost = read(workbook({"Deals": DEALS}))
    assert won.conversation_id == "006A1"
    assert won.transcript == "Raj was keen,\nthe demo convinced the team."
    assert (won.outcome, lost.outcome) == ("successful", "failed")
    assert (won.group, won.conversation_context.company_size) == ("001A1", "250")
    assert [extra(one, "date") for one in (won, lost)] == ["2024-03-14", "2024-03-20T15:30:00"]
    assert (extra(won, "Amount"), extra(lost, "Amount")) == ("1200.5", None)
    assert notices == [
        "deals.xlsx: 1 of 3 rows have no text in 'Description' and are left out (the first is sheet 'Deals', row 4)."
    ]


def test_the_first_sheet_with_a_column_of_words_is_read_and_told() -> None:
    notes: list[list[Cell]] = [["What", "Who"], ["Prepare the list", "Jane"]]
    with gathered_notices() as notices:
        found = read(workbook({"To do": notes, "Empty": [], "Deals": DEALS, "Old": DEALS[:2]}))
    assert len(found) == 2
    assert notices[0] == "deals.xlsx: the sheet 'Deals' is read, not 'To do', 'Old'."


def test_a_hidden_sheet_comes_after_those_that_are_seen() -> None:
    hidden: list[list[Cell]] = [["Description"], ["A list that nobody sees."]]
    (found, *_) = read(workbook({"Lists": hidden, "Deals": DEALS}, hidden=["Lists"]))
    assert found.conversation_id == "006A1"


def test_titles_above_a_header_and_a_reports_footer_are_left_out() -> None:
    above: list[list[Cell]] = [["Closed deals"], [], [None, "As of", date(2024, 4, 1)]]
    below: list[list[Cell]] = [[], ["Confidential Information - Do Not Distribute"]]
    with gathered_notices() as notices:
        found = read(workbook({"Report": [*above, *DEALS[:3], *below]}))
    assert [one.conversation_id for one in found] == ["006A1", "006A2"]
    assert notices == ["deals.xlsx: 2 rows above the header of the sheet 'Report' are left out."]


def test_columns_can_be_named() -> None:
    rows: list[list[Cell]] = [["Client", "What was said", "Result", "Won"], ["Acme", "They signed.", "won", True]]
    (found,) = read(workbook({"S": rows}), "transcript=What was said", "outcome=Result", "group=Client")
    assert (found.transcript, found.outcome, found.group, extra(found, "Won")) == (
        "They signed.",
        "successful",
        "Acme",
        "true",
    )


def test_one_message_a_row_is_read_as_conversations() -> None:
    rows: list[list[Cell]] = [
        ["Ticket ID", "Sender", "Message", "Sent at"],
        [17, "Raj", "Hello?", datetime(2024, 3, 14, 10, 1)],
        [17, "Jane", "Hello.", datetime(2024, 3, 14, 10, 0)],
        [18, "Bob", "Goodbye.", datetime(2024, 3, 15, 9, 0)],
    ]
    with gathered_notices():
        first, second = read(workbook({"S": rows}))
    assert [(turn.name, turn.text) for turn in first.turns or []] == [("Jane", "Hello."), ("Raj", "Hello?")]
    assert (first.conversation_id, second.conversation_id) == ("17", "18")


def test_what_has_no_column_of_words_is_refused_with_its_columns() -> None:
    assert "no column 'transcript' (found: 'Name', 'Sum')" in refused(workbook({"S": [["Name", "Sum"], ["Acme", 17]]}))
    assert "without a filled cell" in refused(workbook({"S": []}))


def test_an_upload_is_read_as_a_file_and_limited_as_one() -> None:
    data = workbook({"S": [["Description"], *([f"Call {n}."] for n in range(MOST_CONVERSATIONS))]})
    assert (
        len(uploaded_records(data, "deals.xlsx")) == len(uploaded_transcript(data, "deals.xlsx")) == MOST_CONVERSATIONS
    )
    more = workbook({"S": [["Description"], *([f"Call {n}."] for n in range(MOST_CONVERSATIONS + 1))]})
    with pytest.raises(InputError, match=r"^deals.xlsx holds more than 1,000 conversations"):
        uploaded_records(more, "deals.xlsx")


# --------------------------------------------------------------------------------------------------- harm and damage


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c><v>1</v></c><c r="XFD1048576"><is><t>a</t></is></c></row>',
        '<x:row xmlns:x="urn:x" r="1000000"><x:c r="ZZ1000000"><x:v>1</x:v></x:c></x:row>',
    ],
)
def test_a_cell_far_out_is_refused_before_the_rectangle_up_to_it_is_made(rows: str) -> None:
    assert "too much for a table of conversations" in refused(packed({"S": rows}))


def test_a_cell_far_out_that_is_only_coloured_does_no_harm() -> None:
    rows = '<row r="1"><c r="A1" t="inlineStr"><is><t>Description</t></is></c></row>'
    rows += '<row r="2"><c r="A2" t="inlineStr"><is><t>They signed.</t></is></c></row>'
    (found,) = read(packed({"S": rows + '<row r="1048576"><c r="XFD1048576" s="1"/></row>'}))
    assert found.transcript == "They signed."


@pytest.mark.parametrize("place", ["A99999999999", "AAAAAAAAAA1", "1A", "A0", "a1", "", "17"])
def test_a_place_that_is_none_is_refused(place: str) -> None:
    said = refused(packed({"S": f'<row r="1"><c r="{place}"><v>1</v></c></row>'}))
    assert "damaged Excel workbook" in said and "which is none" in said


@pytest.mark.parametrize("place", ["0", "A1", "-1", "99999999999"])
def test_a_row_that_is_none_is_refused(place: str) -> None:
    assert "a row has the place" in refused(packed({"S": f'<row r="{place}"><c><v>1</v></c></row>'}))


def test_what_unpacks_to_gigabytes_is_refused_at_its_limit() -> None:
    data = packed({"S": '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "a" * 3_000_000 + "</t></is></c></row>"})
    assert len(data) < 10_000
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        unpacked_workbook(data, HERE, largest=2**20)


def test_a_size_that_is_a_lie_unpacks_nothing_more() -> None:
    """Who believes the directory of the zip reads as much as it says."""
    data = bytearray(
        packed({"S": '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "a" * 3_000_000 + "</t></is></c></row>"})
    )
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        entry = zipped.getinfo("xl/worksheets/sheet1.xml")
    told = entry.file_size.to_bytes(4, "little")
    while (place := bytes(data).rfind(told)) >= 0:
        data[place : place + 4] = (100).to_bytes(4, "little")
    with pytest.raises(InputError, match="damaged Excel workbook"):
        unpacked_workbook(bytes(data), HERE, largest=2**20)


def test_entities_are_not_expanded() -> None:
    evil = packed({"S": ""})
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(evil)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            start = b'<!DOCTYPE a [<!ENTITY b "c">]>' if name.endswith("sheet1.xml") else b""
            new.writestr(name, start + old.read(name))
    assert "defines entities" in refused(made.getvalue())


DAMAGED = workbook({"Deals": DEALS})


@given(place=st.integers(0, len(DAMAGED) - 1), put=st.binary(min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_damaged_workbook_is_read_or_refused_in_words(place: int, put: bytes) -> None:
    check_answer(DAMAGED[:place] + put + DAMAGED[place + len(put) :])


@given(length=st.integers(4, len(DAMAGED) - 1))
@settings(max_examples=30, deadline=None)
def test_a_workbook_that_ends_early_is_refused_in_words(length: int) -> None:
    check_answer(DAMAGED[:length])


PIECES = ["<row>", '<row r="2">', "</row>", "<c>", '<c r="B3">', '<c r="A1" t="s">', '<c t="inlineStr">', '<c t="b">', "</c>",
          "<v>", "1", "a", "1e999", "-1", "</v>", "<is>", "<t>", "</t>", "</is>", "<f>1+1</f>", '<c s="2">', '<c t="d">',
          "2024-13-45", '<c t="e">', "&lt;", "9" * 400]  # fmt: skip


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_sheet_of_any_elements_is_read_or_refused_in_words(pieces: Sequence[str]) -> None:
    check_answer(packed({"S": "".join(pieces)}, {"Description": 0}))


def check_answer(data: bytes) -> None:
    """Anything but an InputError fails."""
    with gathered_notices(), contextlib.suppress(InputError):
        assert parse_conversations(data, HERE)
