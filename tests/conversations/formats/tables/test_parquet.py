"""Parquet is read as the table or the records that it holds, in training and scoring as in bulk."""

from __future__ import annotations

import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conversations.conversation import Conversation
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.formats.tables import parquet
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import MOST_CONVERSATIONS, uploaded_records
from foundations.errors import InputError

HERE = Path("deals.parquet")


def content(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def read(data: bytes, *columns: str) -> list[Conversation]:
    with gathered_notices():
        return parse_conversations(data, HERE, ReadingOptions.given(columns))


def test_columns_of_plain_values_are_a_table() -> None:
    rows: list[dict[str, Any]] = [
        {"Id": 17, "Description": "They signed.", "StageName": "Closed Won", "CloseDate": date(2024, 3, 14)},
        {"Id": 18, "Description": None, "StageName": "Closed Lost", "CloseDate": None},
        {"Id": 19, "Description": "Too dear.", "StageName": "Closed Lost", "CloseDate": None},
    ]
    won, lost = read(content(rows))
    assert (won.conversation_id, won.transcript, won.outcome) == ("17", "They signed.", "successful")
    assert (won.model_extra or {})["date"] == "2024-03-14"
    assert lost.outcome == "failed"


def test_a_moment_keeps_its_zone() -> None:
    (found,) = read(content([{"transcript": "Hello.", "date": datetime(2024, 3, 14, tzinfo=UTC)}]))
    assert (found.model_extra or {})["date"] == "2024-03-14T00:00:00+00:00"


def test_lists_and_structures_are_records_as_json_has_them() -> None:
    turns = [{"speaker": "Agent", "text": "Hello"}, {"speaker": "client", "text": "Too dear."}]
    (found,) = read(content([{"conversation_id": "c-1", "turns": turns, "Result": "lost"}]), "outcome=Result")
    assert [turn.speaker for turn in found.turns or []] == ["seller", "customer"]
    assert found.outcome == "failed"


def test_an_upload_of_too_many_rows_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = content([{"transcript": f"Call {n}."} for n in range(MOST_CONVERSATIONS + 1)])
    with pytest.raises(InputError, match=r"^deals.parquet holds more than 1,000 conversations"):
        uploaded_records(data, "deals.parquet")
    monkeypatch.setattr(parquet, "LARGEST_UPLOAD", 1000)
    with pytest.raises(InputError, match="at most 0 MiB are taken at once"):
        uploaded_records(data, "deals.parquet")


def test_a_damaged_file_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="^Cannot read 'deals.parquet' as Parquet"):
        read(content([{"transcript": "Hello."}])[:-20])


def test_without_pyarrow_the_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = content([{"transcript": "Hello."}])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install -r requirements/scale.txt"):
        read(data)
