"""The store on SQLite and on a real PostgreSQL: migrations, queries, the report; and the writer when it is away."""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
import pkgutil
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect, text

from benchmarks.postgresql_server import PostgresqlServer
from conversations.conversation import Outcome
from foundations.database import RefusedRecordError, StoreAwayError
from foundations.settings import load_settings
from modelling.names import MODEL_NAMES
from prediction_log import tables
from prediction_log import writer as prediction_writer
from prediction_log.actors import Actor
from prediction_log.audit import AuditFilter, audit_page
from prediction_log.entries import LogFilter, log_csv, log_page, logged_prediction
from prediction_log.outcomes.recording import GivenOutcome, UnknownSubjectError, record_outcomes
from prediction_log.performance import performance
from prediction_log.schemas import Resources
from prediction_log.store import MIGRATIONS, SCHEMA_VERSION, PredictionStore
from prediction_log.tables.predictions import predictions
from prediction_log.tables.rows import Record, metadata, new_prediction_id, stored_conversation_id
from prediction_log.waiting import RequestCounts, WaitingRecords
from prediction_log.writer import PredictionWriter, Waiting
from probability.drift import CONTEXT_FIELDS, stability_index

ROOT = Path(__file__).parents[2]
RESOURCES = Resources(workers=1, cpu_percent=0, cpu_seconds=0, memory_bytes=0, uptime_seconds=0)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return load_settings(state=tmp_path).database
    return load_settings(database_url=request.getfixturevalue("postgresql").new_database()).database


@pytest.fixture
def store(url: str) -> Iterator[PredictionStore]:
    store = PredictionStore(url)
    yield store
    store.close()


OLD_SCHEMA_VERSION = "0001"
NOBODY = Actor("nobody", "127.0.0.1", "r")


def record(**changed: Any) -> Record:
    values: Record = {
        "prediction_id": new_prediction_id(),
        "request_id": "r",
        "created_at": datetime.now(UTC),
        "caller": "127.0.0.1",
        "model": "few_shot",
        "model_version": "abc",
        "outcome": "successful",
        "probability": 0.75,
        "latency_ms": 10.0,
        "batch_size": 1,
        "context": {"industry": "Retail"},
        "transcript": "Hello",
        "conversation_id": None,
        "deal_id": None,
        "deal_group": None,
        "conversation_day": None,
    }
    return values | changed


def say(store: PredictionStore, prediction_id: str, outcome: Outcome) -> list[Any]:
    """Records how a predicted deal ended; the prediction's row."""
    (recorded,) = record_outcomes(store, [GivenOutcome("prediction", prediction_id, outcome)], NOBODY)
    return recorded.predictions


def until(true: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# The schema


def test_migrations_make_the_tables_of_the_code(store: PredictionStore, url: str) -> None:
    store.check()
    for module in pkgutil.iter_modules(tables.__path__):  # each puts its own into the metadata
        importlib.import_module(f"{tables.__name__}.{module.name}")
    with create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert inspect(connection).get_table_names()
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == SCHEMA_VERSION
    newest = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("*.py"))
    assert newest == SCHEMA_VERSION


def test_workers_that_start_together_migrate_once(url: str) -> None:
    code = f"from prediction_log.store import PredictionStore; PredictionStore({url!r}).check()"
    workers = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert PredictionStore(url).count() == 0


def test_a_database_of_the_first_schema_keeps_its_records(url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"  # the migrations as they were
    shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("000[2-9]_*", "001?_*", "__pycache__"))
    later = ("conversation_id", "deal_id", "deal_group", "conversation_day")
    columns = [name for name in record() if name not in later]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prediction_log.store.MIGRATIONS", copy)
        patch.setattr("prediction_log.store.SCHEMA_VERSION", OLD_SCHEMA_VERSION)
        old = PredictionStore(url)
        row = record(context="{}")
        names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        with old.connection(writing=True) as connection:
            row["created_at"] = row["created_at"] if "postgresql" in url else "2026-01-01 00:00:00.000000"
            connection.execute(text(f"INSERT INTO predictions ({names}) VALUES ({values})"), row)
        old.close()
    found = logged_prediction(PredictionStore(url), row["prediction_id"])
    assert found is not None
    assert (found.conversation_id, found.deal_id, found.transcript) == (None, None, "Hello")


def test_a_database_file_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """While the service runs: what it stores from then on must be in a file that somebody can read."""
    settings = load_settings(state=tmp_path)
    store = PredictionStore(settings.database)
    store.write([record()])
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(StoreAwayError):  # the writer keeps it and tries again
        store.write([record(prediction_id="after")])
    store.write([record(prediction_id="after")])
    other = PredictionStore(settings.database)
    assert [row.prediction_id for row in other.rows(predictions.select())] == ["after"]
    store.close()
    other.close()


def test_all_records_of_a_conversation_go_together(store: PredictionStore) -> None:
    long = "x" * 300
    rows = [record(conversation_id=stored_conversation_id(name)) for name in ("a", "a", "b", long, long + "y", None)]
    store.write(rows)
    say(store, rows[0]["prediction_id"], "failed")
    assert store.remove_conversation("a", NOBODY) == 2
    assert store.remove_conversation("a", NOBODY) == 0
    assert store.remove_conversation(long, NOBODY) == 1, "another id that begins alike is another conversation's"
    assert store.count() == 3
    assert store.rows(text("SELECT * FROM feedback")) == []  # type: ignore[arg-type]
    assert stored_conversation_id("") is None
    assert stored_conversation_id("\x00\ud800é") == "?é"
    assert len(stored_conversation_id(long) or "") == 200


def test_what_is_deleted_is_in_no_file_of_sqlites(tmp_path: Path) -> None:
    said = b"she is getting divorced"
    store = PredictionStore(load_settings(state=tmp_path).database)
    reader = PredictionStore(load_settings(state=tmp_path).database)
    reader.check()  # a connection that stays open, as the service's: else SQLite would remove the log by itself
    rows = [record(transcript=said.decode() * n, conversation_id=f"c{n}") for n in (1, 2, 500)]
    rows.append(record(transcript=said.decode(), created_at=datetime.now(UTC) - timedelta(days=9)))
    store.write(rows)
    assert said in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.remove(rows[0]["prediction_id"], NOBODY)
    store.remove_conversation("c2", NOBODY)
    store.remove_conversation("c500", NOBODY)
    store.purge(datetime.now(UTC) - timedelta(days=8))
    held = [path.name for path in tmp_path.iterdir() if said in path.read_bytes()]
    reader.close()
    store.close()
    assert held == []


def test_a_reader_in_the_way_of_emptying_the_log_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_log.store._TRIES", 1)
    store = PredictionStore(load_settings(state=tmp_path).database)
    row = record()
    store.write([row])
    with store.connection() as reading:
        reading.execute(text("SELECT count(*) FROM predictions"))
        assert store.remove(row["prediction_id"], NOBODY)
        assert not store.empty_the_log()
    assert store.empty_the_log()
    store.close()


def test_what_waits_of_a_conversation_is_deleted(tmp_path: Path) -> None:
    waiting, of_another_worker = WaitingRecords(tmp_path), WaitingRecords(tmp_path)
    waiting.append([record(conversation_id="c1"), record(conversation_id="c2"), record()], [])
    waiting.release()
    of_another_worker.append([record(conversation_id="c1")])
    assert waiting.remove_conversation("c1") == 1, "a file that a worker writes to is left"
    of_another_worker.release()
    assert waiting.remove_conversation("c1") == 1
    left = [row["conversation_id"] for rows, _ in waiting.batches() for row in rows]
    assert left == ["c2", None]


def test_ids_sort_by_time() -> None:
    first = new_prediction_id()
    time.sleep(0.002)
    assert len(first) == 32
    assert first < new_prediction_id()


# Writing and reading


def test_what_is_written_comes_back(store: PredictionStore) -> None:
    row = record(context={"industry": "Ärzte 🩺", "previous_interactions": 3}, transcript='a "quote"\n🙂')
    store.write([row])
    store.write([row])  # again, as after a lost connection: still one
    found = logged_prediction(store, row["prediction_id"])
    assert found is not None
    assert found.model_dump(exclude={"actual_outcome"}) == {k: v for k, v in row.items() if k != "conversation_day"}
    assert store.count() == 1


def test_feedback_replaces_what_was_said_and_goes_with_its_prediction(store: PredictionStore) -> None:
    row = record()
    with pytest.raises(UnknownSubjectError, match="No prediction"):
        say(store, row["prediction_id"], "failed")
    store.write([row])
    endings: tuple[Outcome, ...] = ("failed", "successful")
    for actual in endings:
        (found,) = say(store, row["prediction_id"], actual)
        assert found.probability == 0.75
        logged = logged_prediction(store, row["prediction_id"])
        assert logged is not None
        assert logged.actual_outcome == actual
    assert store.remove(row["prediction_id"], NOBODY)
    assert not store.remove(row["prediction_id"], NOBODY)
    assert store.rows(text("SELECT * FROM feedback")) == []  # type: ignore[arg-type]


def test_purge_removes_what_is_older(store: PredictionStore) -> None:
    now = datetime.now(UTC)
    old, new = record(created_at=now - timedelta(days=91)), record(created_at=now - timedelta(days=89))
    minutes = [
        {"minute": row["created_at"], "worker": "w", "route": "/", "status": 200, "requests": 1} for row in (old, new)
    ]
    store.write([old, new], minutes)
    say(store, old["prediction_id"], "failed")
    assert store.purge(now - timedelta(days=90)) == 1
    assert logged_prediction(store, old["prediction_id"]) is None
    assert logged_prediction(store, new["prediction_id"]) is not None
    assert len(store.rows(text("SELECT * FROM request_counts"))) == 1  # type: ignore[arg-type]


def test_the_audit_log_outlives_what_was_done_and_is_purged_by_its_own_rule(store: PredictionStore) -> None:
    now = datetime.now(UTC)
    row = record(created_at=now - timedelta(days=91))
    store.write([row])
    say(store, row["prediction_id"], "failed")
    assert store.remove(row["prediction_id"], NOBODY)
    store.write([record(created_at=now - timedelta(days=91))])
    assert store.purge(now - timedelta(days=90), audit_before=now - timedelta(days=365)) == 1
    found = audit_page(store, AuditFilter()).entries
    assert [entry.action for entry in found] == ["purged", "prediction deleted", "feedback given"]
    assert found[0].detail == {"predictions": 1} and found[0].caller == "the command line"
    store.purge(now - timedelta(days=90), audit_before=datetime.now(UTC) + timedelta(seconds=1))
    assert audit_page(store, AuditFilter()).entries == []


def test_what_is_not_deleted_is_not_said_to_be(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    row = record()
    store.write([row])
    nothing: dict[str, Any] = {"entry_id": None, "detail": {}}
    for module in ("store", "outcomes.recording"):
        monkeypatch.setattr(f"prediction_log.{module}.audit_row", lambda *_, **__: nothing)
    with pytest.raises(StoreAwayError):  # the audit log takes nothing: then nothing is done
        store.remove(row["prediction_id"], NOBODY)
    with pytest.raises(StoreAwayError):
        say(store, row["prediction_id"], "failed")
    monkeypatch.undo()
    kept = logged_prediction(store, row["prediction_id"])
    assert kept is not None and kept.actual_outcome is None
    assert audit_page(store, AuditFilter()).entries == []


def test_a_purge_goes_in_batches_between_which_others_write(
    store: PredictionStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prediction_log.store.PURGE_BATCH", 10)
    now = datetime.now(UTC)
    old = [record(created_at=now - timedelta(days=91, seconds=n // 4)) for n in range(35)]
    minutes = [
        {"minute": row["created_at"], "worker": f"w{n}", "route": "/", "status": 200, "requests": 1}
        for n, row in enumerate(old)
    ]
    store.write(old, minutes)
    say(store, old[0]["prediction_id"], "failed")
    left: list[int] = []  # after each batch, what is written then included
    other = PredictionStore(url)  # as the service does meanwhile, and fails where the purge holds a lock

    def look(share: float) -> None:
        other.write([record()])
        left.append(other.count())

    assert store.purge(now - timedelta(days=90), look) == 35
    other.close()
    assert left == [35 - 12 + 1, 35 - 24 + 2, 3, 4][: len(left)] or len(left) >= 3, (
        "ten, and who shares the tenth's second"
    )
    assert store.count() == len(left)
    for table in ("feedback", "request_counts"):
        assert store.rows(text(f"SELECT * FROM {table}")) == []  # type: ignore[arg-type]


def test_who_writes_gets_in_while_a_purge_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_log.store.PURGE_BATCH", 20)
    url = load_settings(state=tmp_path).database
    store, other, now = PredictionStore(url), PredictionStore(url), datetime.now(UTC)
    store.write([record(created_at=now - timedelta(days=91, seconds=n)) for n in range(400)])
    purge = threading.Thread(target=store.purge, args=(now - timedelta(days=90),))
    purge.start()
    longest, writes = 0.0, 0
    while purge.is_alive():
        started = time.perf_counter()
        other.write([record()])
        longest, writes = max(longest, time.perf_counter() - started), writes + 1
    purge.join()
    assert other.count() == writes > 0
    assert longest < 2  # who asks every 0.1 s for a lock that is taken again at once waits 5 s, and is told it is away


def test_pages_follow_each_other_without_gap_or_repeat(store: PredictionStore) -> None:
    rows = [record(probability=n / 10, outcome="failed" if n < 5 else "successful") for n in range(10)]
    store.write(rows)
    wanted, seen, cursor = LogFilter(min_probability=0.1), [], None
    while True:
        page = log_page(store, wanted, 4, cursor)
        seen += [prediction.prediction_id for prediction in page.predictions]
        cursor = page.next_cursor
        if cursor is None:
            break
        store.write([record()])  # newer ones do not push the others along
    assert seen == sorted((row["prediction_id"] for row in rows[1:]), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (LogFilter(model="contrastive"), 1),
        (LogFilter(model_version="f00"), 1),
        (LogFilter(outcome="failed"), 1),
        (LogFilter(since=datetime.now(UTC) - timedelta(hours=1)), 2),
        (LogFilter(until=datetime.now(UTC) - timedelta(hours=1)), 1),
        (LogFilter(max_probability=0.5), 1),
        (LogFilter(request_id="mine"), 1),
        (LogFilter(conversation_id="deal 7"), 2),
        (LogFilter(conversation_id="deal"), 0),
        (LogFilter(feedback="given"), 1),
        (LogFilter(feedback="missing"), 2),
        (LogFilter(outcome="failed", model="contrastive"), 0),
    ],
)
def test_each_filter_filters(store: PredictionStore, wanted: LogFilter, count: int) -> None:
    rows = [
        record(outcome="failed", probability=0.2, conversation_id="deal 7"),
        record(model="contrastive", model_version="f00", conversation_id="deal 7"),
        record(created_at=datetime.now(UTC) - timedelta(days=1), request_id="mine"),
    ]
    store.write(rows)
    say(store, rows[0]["prediction_id"], "failed")
    assert len(log_page(store, wanted, 10, None).predictions) == count


def test_csv_holds_no_formula_and_every_row(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_log.entries.LONGEST_PAGE", 2)
    dangerous = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'plain, "quoted"\nline']
    store.write([record(transcript=words, request_id=f"r{n}") for n, words in enumerate(dangerous)])
    first = log_page(store, LogFilter(), 2, None)
    rows = list(csv.DictReader(io.StringIO("".join(log_csv(store, LogFilter(), first)))))
    found = {row["request_id"]: row["transcript"] for row in rows}
    assert found == {
        "r0": "'=1+1",
        "r1": "'+1",
        "r2": "'-1",
        "r3": "'@SUM(A1)",
        "r4": "'\tx",
        "r5": 'plain, "quoted"\nline',
    }
    assert json.loads(rows[0]["context"]) == {"industry": "Retail"}


# The report


def test_the_report_by_hand(store: PredictionStore) -> None:
    # Latencies 1 … 100 ms: by nearest rank p50 is the 50th, p95 the 95th, p99 the 99th.
    rows = [record(latency_ms=float(n), probability=0.8 if n % 2 else 0.3) for n in range(1, 101)]
    for row in rows:
        row["outcome"] = "successful" if row["probability"] > 0.5 else "failed"
    elsewhere = [
        record(model="contrastive", latency_ms=500.0),
        record(created_at=datetime.now(UTC) - timedelta(hours=30)),
        record(batch_size=20, latency_ms=9000.0),
    ]
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    counts = [
        {"minute": minute, "worker": worker, "route": "/predict", "status": status, "requests": number}
        for worker, status, number in (("a", 200, 90), ("b", 200, 13), ("a", 422, 4), ("b", 503, 2))
    ]
    store.write([*rows, *elsewhere], counts)
    # Two of 0.8, one came true; one of 0.3 failed. Accuracy 2/3, Brier ((0.2)² + (0.8)² + (0.3)²) / 3.
    say(store, rows[0]["prediction_id"], "successful")
    for row in (rows[2], rows[1]):
        say(store, row["prediction_id"], "failed")
    reference = {
        "score_edges": [0.5],
        "score_counts": [10, 10],
        "context": {"industry": {"retail": 20}, "urgency": {"": 10, "high": 10}},
    }
    report = performance(store, 24, {"few_shot": ("abc", reference)}, RESOURCES)
    assert (report.requests, report.errors, report.server_errors) == (109, 6, 2)
    assert report.statuses == {"200": 103, "422": 4, "503": 2}
    assert report.predictions == 102
    assert report.outcomes == {"successful": 52, "failed": 50}
    few_shot = next(model for model in report.models if model.model == "few_shot")
    assert few_shot.latency.model_dump() == {"predictions": 100, "p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}
    assert report.latency.predictions == 101
    assert few_shot.live.feedback == report.live.feedback == 3
    assert few_shot.live.accuracy == pytest.approx(2 / 3)
    assert few_shot.live.brier == pytest.approx((0.04 + 0.64 + 0.09) / 3)
    assert [point.conversations for point in few_shot.live.calibration] == [1, 2]
    assert few_shot.drift_of is not None
    assert few_shot.drift_of.predictions == 101  # of the served version, in the window
    assert report.since <= few_shot.drift_of.first_prediction_at <= few_shot.drift_of.last_prediction_at <= report.until
    assert few_shot.score_drift is not None
    assert few_shot.score_drift.level == "stable"  # 50 : 51 against 10 : 10
    assert few_shot.context_drift["industry"].psi == pytest.approx(0.0)
    assert few_shot.context_drift["urgency"].level == "large"  # half were high, none is
    assert report.first_prediction_at is not None
    assert report.since <= report.first_prediction_at <= report.until


def test_the_report_counts_as_python_does(store: PredictionStore) -> None:
    chance = random.Random(5)
    industries = ["Retail", " retail", "RETAIL", "Bank", "ä" * 90, None]
    rows = [
        record(
            model=chance.choice(["few_shot", "starter"]),
            model_version=chance.choice(["abc", "old"]),
            probability=(p := chance.choice([0.1, 0.25, 0.5, 0.8])),
            outcome="successful" if p > 0.5 else "failed",
            latency_ms=chance.uniform(1, 3),
            batch_size=chance.choice([1, 1, 7]),
            context={"industry": value} if (value := chance.choice(industries)) else {"urgency": 3},
            created_at=datetime.now(UTC) - timedelta(minutes=chance.randint(0, 90)),
        )
        for _ in range(400)
    ]
    store.write(rows)
    reference: dict[str, Any] = {
        "score_edges": [0.25, 0.5],
        "score_counts": [5, 5, 5],
        "context": {"industry": {"retail": 9, "": 3}},
    }
    report = performance(store, 1, {"few_shot": ("abc", reference), "starter": ("", {})}, RESOURCES)
    inside = [row for row in rows if row["created_at"] >= report.since]
    assert report.predictions == len(inside)
    assert report.first_prediction_at == min(row["created_at"] for row in inside)
    assert report.last_prediction_at == max(row["created_at"] for row in inside)
    for model in report.models:
        of_model = [row for row in inside if row["model"] == model.model]
        assert model.outcomes == Counter(row["outcome"] for row in of_model)
        single = sorted(row["latency_ms"] for row in of_model if row["batch_size"] == 1)
        assert model.latency.predictions == len(single)
        assert model.latency.p50_ms == pytest.approx(single[math.ceil(len(single) / 2) - 1], abs=0.051)
    few_shot = report.models[0]
    served = [row for row in inside if (row["model"], row["model_version"]) == ("few_shot", "abc")]
    assert few_shot.drift_of is not None
    assert few_shot.score_drift is not None
    assert few_shot.drift_of.predictions == len(served)
    bins = Counter(sum(row["probability"] >= edge for edge in reference["score_edges"]) for row in served)
    assert few_shot.score_drift.psi == pytest.approx(stability_index({0: 5, 1: 5, 2: 5}, bins).psi)
    values = Counter(row["context"].get("industry", "").strip().lower()[:80] for row in served)
    expected = stability_index({"retail": 9, "": 3}, values).psi
    assert few_shot.context_drift["industry"].psi == pytest.approx(expected)
    assert (report.models[1].drift_of, report.models[1].context_drift) == (None, {})


def test_the_report_goes_through_the_predictions_as_often_for_many_models_as_for_one(store: PredictionStore) -> None:
    """Once to count and once for outcomes; each time more is a second more where there are many."""
    reference = {"score_edges": [0.5], "score_counts": [5, 5], "context": {name: {"": 9} for name in CONTEXT_FIELDS}}
    for models in (["few_shot"], list(MODEL_NAMES)):
        store.write([record(model=model) for model in models])
        statements: list[str] = []

        def counted(*given: Any, into: list[str] = statements) -> None:
            into.append(given[2])

        event.listen(Engine, "before_cursor_execute", counted)
        try:
            report = performance(store, 1, dict.fromkeys(models, ("abc", reference)), RESOURCES)
        finally:
            event.remove(Engine, "before_cursor_execute", counted)
        assert len(report.models) == len(models)
        assert sum(statement.count("FROM predictions") for statement in statements) == 2


def test_the_report_of_an_empty_window(store: PredictionStore) -> None:
    report = performance(store, 1, {}, RESOURCES)
    assert (report.requests, report.predictions, report.models) == (0, 0, [])
    assert (report.first_prediction_at, report.last_prediction_at) == (None, None)
    assert report.latency.p99_ms is None
    assert report.live.accuracy is None


# The writer


@pytest.fixture
def writing(url: str, tmp_path: Path) -> Iterator[Callable[[], PredictionWriter]]:
    """Starts writers to one database and one folder for what waits, and stops them."""
    writers: list[PredictionWriter] = []

    def start() -> PredictionWriter:
        writers.append(PredictionWriter(PredictionStore(url), WaitingRecords(tmp_path / "waiting")))
        writers[-1].start()
        return writers[-1]

    yield start
    for writer in writers:
        writer.stop(5)


def test_stop_stores_what_is_queued(store: PredictionStore, writing: Callable[[], PredictionWriter]) -> None:
    writer = writing()
    for _ in range(1200):
        writer.put(Waiting(lambda with_transcript: record()))
    writer.count("/predict", 200)
    writer.stop(10)
    assert store.count() == 1200
    assert len(store.rows(text("SELECT * FROM request_counts"))) == 1  # type: ignore[arg-type]


def test_a_record_that_is_refused_does_not_hold_up_the_others_and_is_not_acknowledged(
    store: PredictionStore, writing: Callable[[], PredictionWriter]
) -> None:
    writer = writing()
    rows = [record(), record(model=None), record(), record(caller="\ud800"), record()]  # no null, no half a character
    waiting = [Waiting(lambda with_transcript, row=row: row, urgent=True) for row in rows]  # type: ignore[misc]
    for prediction in waiting:
        writer.put(prediction)
    for prediction in waiting[::2]:
        prediction.stored.result(10)
    for prediction in waiting[1::2]:
        with pytest.raises(RefusedRecordError, match="did not take this record"):
            prediction.stored.result(10)
    assert store.count() == 3
    assert writer.problem is None
    assert writer.dropped == 2


def test_a_revision_that_the_program_does_not_know_counts_as_a_database_away(
    store: PredictionStore, url: str, writing: Callable[[], PredictionWriter]
) -> None:
    store.write([record()])
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreAwayError) as caught:
        PredictionStore(url).check()
    assert "revision '9999', which this program does not know" in caught.value.reason
    writer = writing()  # as after a return to an older image: it starts, and keeps what is predicted
    assert writer.problem
    kept = Waiting(lambda with_transcript: record(), urgent=True)
    writer.put(kept)
    kept.stored.result(10)
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": SCHEMA_VERSION})
    until(lambda: writer.problem is None and store.count() == 2)


def test_the_writer_and_the_probe_survive_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PredictionStore(load_settings(state=tmp_path).database)
    check = store.check
    mistakes = iter([KeyError("first"), KeyError("second")])

    def failing_check() -> None:
        for mistake in mistakes:
            raise mistake
        check()

    def no_record(with_transcript: bool) -> Record:
        raise KeyError("a mistake")

    def no_drain() -> None:
        monkeypatch.undo()
        raise KeyError("a mistake")

    monkeypatch.setattr("prediction_log.writer.RETRY_SECONDS", 0.05)
    writer = PredictionWriter(store, WaitingRecords(tmp_path / "waiting"))
    monkeypatch.setattr(store, "check", failing_check)
    monkeypatch.setattr(writer, "_drain_files", no_drain)
    writer.start()
    bad, good = Waiting(no_record, urgent=True), Waiting(lambda with_transcript: record(), urgent=True)
    writer.put(bad)
    writer.put(good)
    with pytest.raises(StoreAwayError):
        bad.stored.result(10)
    good.stored.result(10)
    until(lambda: writer.problem is None and store.count() == 1)
    writer.stop(5)


def test_where_neither_database_nor_disk_takes_it_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_writer, "LONGEST_QUEUE", 20)
    (tmp_path / "file").write_text("no folder")
    nowhere = PredictionStore(f"sqlite:///{tmp_path / 'file' / 'predictions.db'}")
    writer = PredictionWriter(nowhere, WaitingRecords(tmp_path / "file"))
    writer.start()
    for _ in range(50):
        writer.put(Waiting(lambda with_transcript: record()))
    urgent = Waiting(lambda with_transcript: record(), urgent=True)
    writer.put(urgent)
    with pytest.raises(StoreAwayError):
        urgent.stored.result(10)
    assert writer.queued <= 20
    assert writer.dropped >= 31
    assert writer.problem
    writer.stop(5)


def test_what_is_acknowledged_after_the_disk_was_full_is_not_lost(tmp_path: Path) -> None:
    waiting = WaitingRecords(tmp_path / "waiting")
    first, refused, later = record(), [record(transcript="x" * 300) for _ in range(100)], record()
    waiting.append([first])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # as a full disk: a part of it can still be written
    try:
        with pytest.raises(OSError, match="File too large"):
            waiting.append(refused)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    waiting.append([later])
    waiting.release()
    found = [row["prediction_id"] for rows, _ in waiting.batches() for row in rows]
    assert found == [first["prediction_id"], later["prediction_id"]]
    assert not waiting.any()


def test_long_transcripts_in_a_full_queue_are_left_out_not_the_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_writer, "LARGEST_QUEUE", 100)
    store = PredictionStore(load_settings(state=tmp_path).database)
    writer = PredictionWriter(store, WaitingRecords(tmp_path))  # not started: nothing leaves the queue
    for _ in range(3):
        writer.put(Waiting(lambda kept: record(transcript="x" * 60 if kept else None), characters=60))
    writer.start()
    until(lambda: store.count() == 3)
    lengths = sorted(len(row.transcript or "") for row in store.rows(predictions.select()))
    writer.stop(5)
    assert lengths == [0, 0, 60]


def test_postgresql_away_and_back(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    url = load_settings(database_url=postgresql.new_database()).database
    store, waiting = PredictionStore(url), WaitingRecords(tmp_path)
    writer = PredictionWriter(store, waiting)
    writer.start()
    assert writer.problem is None

    def put() -> Waiting:
        prediction = Waiting(lambda with_transcript: record(), urgent=True)
        writer.put(prediction)
        return prediction

    put().stored.result(10)
    postgresql.stop()
    try:
        for _ in range(20):
            put().stored.result(10)  # on disk
        assert writer.problem
        assert waiting.any()
    finally:
        postgresql.start()
    until(lambda: writer.problem is None and not waiting.any())
    put().stored.result(10)
    assert store.count() == 22
    writer.stop(5)


WRITE_UNTIL_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from prediction_log.store import PredictionStore
from prediction_log.writer import PredictionWriter, Waiting
from probability.drift import CONTEXT_FIELDS, stability_index
from prediction_log.tables.rows import new_prediction_id
from prediction_log.waiting import WaitingRecords

row = {"request_id": "r", "created_at": datetime.now(UTC), "caller": "c", "model": "m", "model_version": "v",
       "outcome": "failed", "probability": 0.1, "latency_ms": 1.0, "batch_size": 1, "context": {}, "transcript": None}
writer = PredictionWriter(PredictionStore(sys.argv[1], durable=True), WaitingRecords(Path(sys.argv[2])))
writer.start()
while True:
    identifier = new_prediction_id()
    prediction = Waiting(lambda with_transcript: {**row, "prediction_id": identifier}, urgent=True)
    writer.put(prediction)
    prediction.stored.result()
    print(identifier, flush=True)
"""


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    url = load_settings(state=tmp_path).database
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, url, str(tmp_path)]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    acknowledged = [worker.stdout.readline().strip() for _ in range(100)]
    worker.kill()
    acknowledged += worker.stdout.read().split("\n")[:-1]  # the last line may be cut off
    worker.wait()
    store = PredictionStore(url)
    assert len(acknowledged) >= 100
    assert set(acknowledged) <= {row.prediction_id for row in store.rows(predictions.select())}


def test_what_a_killed_worker_left_on_disk_is_stored_by_the_next(
    store: PredictionStore, writing: Callable[[], PredictionWriter], tmp_path: Path
) -> None:
    left, cut = record(), record()
    lines = [json.dumps({"prediction": row}, default=str) for row in (left, cut)]
    (tmp_path / "waiting").mkdir()
    (tmp_path / "waiting" / "waiting-1-1.jsonl").write_text(f"{lines[0]}\n{lines[1][:40]}")
    writing()
    until(lambda: not list((tmp_path / "waiting").iterdir()))
    assert [row.prediction_id for row in store.rows(predictions.select())] == [left["prediction_id"]]


def test_what_another_version_left_on_disk_is_stored(
    store: PredictionStore, writing: Callable[[], PredictionWriter], tmp_path: Path
) -> None:
    older, newer = record(), record() | {"mood": "good"}
    del older["conversation_id"]
    (tmp_path / "waiting").mkdir()
    lines = [json.dumps({"prediction": row}, default=str) for row in (newer, older)]
    (tmp_path / "waiting" / "waiting-1-1.jsonl").write_text("".join(f"{line}\n" for line in lines))
    writer = writing()
    until(lambda: store.count() == 2)
    assert (writer.problem, writer.dropped) == (None, 0)


def test_request_counts_add_up_by_minute_route_and_status() -> None:
    counts = RequestCounts()
    assert not counts
    for route, status in (("/a", 200), ("/a", 200), ("/a", 422), ("/b", 200)):
        counts.add(route, status)
    assert counts
    found = {(row["route"], row["status"]): row["requests"] for row in counts.take()}
    assert found == {("/a", 200): 2, ("/a", 422): 1, ("/b", 200): 1}
    assert not counts
    counts.add("/a", 200)
    assert counts.take()[0]["requests"] in (3, 1)  # the whole minute's count; 1 where a new minute began
