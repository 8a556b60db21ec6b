"""`--mode feedback`: tables of outcomes as people and CRMs have them, and what is wrong with others, a sentence each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from foundations.settings import load_settings
from main import main
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import feedback, predictions
from tests.prediction_log.test_store import record

NAMED = ("--column", "deal_id=Ref", "--column", "outcome=Result", "--won", "signed")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    """Four predictions: two of deal d-1, one of d-2, one of a conversation without a deal."""
    store = PredictionStore(load_settings(artifacts=tmp_path).database)
    of = [("d-1", "c-1"), ("d-1", "c-2"), ("d-2", "c-3"), (None, "c-4")]
    store.write(
        [
            record(
                prediction_id=f"{number:032x}",
                created_at=datetime.now(UTC),
                deal_id=deal,
                conversation_id=conversation,
                conversation_day="2026-03-10",
            )
            for number, (deal, conversation) in enumerate(of, start=1)
        ]
    )
    return store


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Writes a table and takes it in; gives the exit code and all that was said."""

    def taken_in(table: str, *options: str) -> tuple[int, str]:
        path = tmp_path / "outcomes.csv"
        path.write_text(table, encoding="utf-8")
        code = main(["--mode", "feedback", "--data", str(path), "--artifacts", str(tmp_path), *options])
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return taken_in


def stored(store: PredictionStore) -> dict[str, tuple[str, str | None]]:
    rows = store.rows(select(predictions.c.conversation_id, feedback).join(feedback))
    return {row.conversation_id: (row.actual_outcome, row.closed_at) for row in rows}


@pytest.mark.parametrize(
    ("table", "options", "expected"),
    [
        ("deal_id,outcome\nd-1,won\nd-2,lost\n", (), {"c-1": "successful", "c-2": "successful", "c-3": "failed"}),
        ("conversation_id;outcome\nc-4;failed\nc-3;successful\n", (), {"c-4": "failed", "c-3": "successful"}),
        (f"prediction_id,outcome\n{4:032x},1\n", (), {"c-4": "successful"}),
        ("Opportunity ID,Stage\nd-2,Closed Lost\nd-1,Negotiation\n", (), {"c-3": "failed"}),
        ("Id,Opportunity Name,StageName,CloseDate\nd-2,Big one,Closed Won,2026-04-01\n", (), {"c-3": "successful"}),
        ("Ref,Result\nd-2,signed\n", NAMED, {"c-3": "successful"}),
        ("deal_id,conversation_id,outcome\n,c-4,lost\nd-2,c-3,won\n", (), {"c-4": "failed", "c-3": "successful"}),
    ],
)  # fmt: skip
def test_tables_as_people_have_them(
    store: PredictionStore, run: Run, table: str, options: tuple[str, ...], expected: dict[str, str]
) -> None:
    code, said = run(table, *options)
    assert code == 0, said
    assert {name: outcome for name, (outcome, _) in stored(store).items()} == expected
    assert f"outcomes stored with {len(expected)} predictions" in said


def test_the_day_of_the_close_is_kept(store: PredictionStore, run: Run) -> None:
    code, said = run("deal_id,outcome,close_date\nd-1,won,2026-04-01T10:00\nd-2,lost,\n")
    assert code == 0, said
    assert stored(store) == {
        "c-1": ("successful", "2026-04-01"),
        "c-2": ("successful", "2026-04-01"),
        "c-3": ("failed", None),
    }


def test_rows_that_nothing_is_stored_of_and_open_ones_are_told(store: PredictionStore, run: Run) -> None:
    code, said = run("deal_id,outcome\nd-9,won\nd-2,lost\nd-1,open\n,lost\n")
    assert code == 0
    assert "1 outcomes stored with 1 predictions" in said
    assert "Warning: of 1 no prediction is stored (the first: deal 'd-9')" in said
    assert "2 rows are open, or have no id, and were left out" in said


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("deal_id,outcome\nd-1,won\nd-1,lost\n", "deal 'd-1' ended 'failed'"),
        ("deal_id,outcome\nd-8,won\nd-9,lost\n", "No prediction is stored of any of the 2 outcomes of"),
        ("deal_id,outcome\nd-1,perhaps\nd-2,won\n", "the outcome 'perhaps' is not known"),
        (
            "deal_id,outcome,close_date\nd-2,won,2026-03-20\nd-1,won,2026-03-01\n",
            "dated 2026-03-01, before its first conversation",
        ),
        ("deal_id,outcome,close_date\nd-1,won,3/4/26\n", "the close_date '3/4/26' is no date; write it as 2026-03-31."),
        ("Colour,outcome\nred,won\n", "has no column of ids (found: 'Colour', 'outcome')"),
        ("deal_id,Colour\nd-1,red\n", "could say how deals ended"),
    ],
)
def test_a_bad_table_is_one_sentence_and_stores_nothing(
    store: PredictionStore, run: Run, table: str, sentence: str
) -> None:
    code, said = run(table)
    assert code == 2 and sentence in said, said
    assert stored(store) == {}


def test_what_is_missing_is_said(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run("deal_id,outcome\nd-1,won\n")
    assert code == 2 and "There is no prediction database" in said
    assert main(["--mode", "feedback", "--artifacts", str(tmp_path)]) == 2
    assert "--mode feedback needs --data FILE" in " ".join(capsys.readouterr().err.split())
