"""Scores that cross a line, on SQLite and on a real PostgreSQL: which are queued, and that one worker at a time has each."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from foundations.settings import load_settings
from prediction_log.actors import Actor
from prediction_log.crossings.finding import crossed, queueing
from prediction_log.crossings.queue import CrossingQueue
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import crossings
from prediction_log.tables.rows import Record
from tests.prediction_log.test_store import record

ROOT = Path(__file__).parents[2]
LINES = (0.3, 0.7)
BEGAN = datetime(2026, 11, 30, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = datetime.now(UTC) + timedelta(days=365)  # everything is due


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return load_settings(state=tmp_path).database
    return load_settings(database_url=request.getfixturevalue("postgresql").new_database()).database


@pytest.fixture
def store(url: str) -> Iterator[PredictionStore]:
    store = PredictionStore(url, after_write=queueing(LINES))
    yield store
    store.close()


def prediction(number: int, probability: float, **more: Any) -> Record:
    """The `number`th in order of time, of deal d-1 unless told otherwise."""
    found = {"prediction_id": f"{number:032x}", "created_at": BEGAN + number * MINUTE, "probability": probability}
    return record(**{**found, "deal_id": "d-1", **more})


def queued(store: PredictionStore) -> list[tuple[int, float, list[float]]]:
    rows = store.rows(select(crossings).order_by(crossings.c.prediction_id))
    return [(int(row.prediction_id, 16), row.before, row.lines) for row in rows]


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (0.29, 0.3, [0.3]),  # on the line is above it
        (0.3, 0.69, []),
        (0.69, 0.7, [0.7]),
        (0.7, 0.69, [0.7]),
        (0.1, 0.9, [0.3, 0.7]),
        (0.9, 0.29, [0.3, 0.7]),
        (0.5, 0.5, []),
    ],
)
def test_lines_between(before: float, now: float, lines: list[float]) -> None:
    assert crossed(LINES, before, now) == lines


def test_a_deals_newest_score_against_the_one_before(store: PredictionStore) -> None:
    for number, probability in enumerate([0.2, 0.25, 0.5, 0.8, 0.1]):
        store.write([prediction(number, probability)])
    assert queued(store) == [(2, 0.25, [0.3]), (3, 0.5, [0.7]), (4, 0.8, [0.3, 0.7])]


def test_one_batch_is_compared_with_itself_and_with_what_was_there(store: PredictionStore) -> None:
    store.write([prediction(0, 0.2), prediction(1, 0.8), prediction(2, 0.9)])
    assert queued(store) == [(1, 0.2, [0.3, 0.7])], "the first of a deal crosses nothing"
    store.write([prediction(3, 0.5), prediction(4, 0.9, deal_id="d-2"), prediction(5, 0.1, deal_id="d-2")])
    assert queued(store)[1:] == [(3, 0.9, [0.7]), (5, 0.9, [0.3, 0.7])]


def test_a_conversation_counts_by_its_own_id_where_it_is_of_no_deal(store: PredictionStore) -> None:
    store.write([prediction(0, 0.1, deal_id=None, conversation_id="c-1"), prediction(1, 0.1, conversation_id="c-1")])
    store.write([prediction(2, 0.9, deal_id=None, conversation_id="c-1")])
    assert queued(store) == [(2, 0.1, [0.3, 0.7])], "the deal's prediction is none of the conversation's"
    store.write([prediction(3, 0.9, conversation_id="c-9")])
    assert queued(store)[1:] == [(3, 0.1, [0.3, 0.7])], "another conversation of the same deal"
    store.write([prediction(4, 0.1, deal_id=None), prediction(5, 0.9, deal_id=None)])
    assert len(queued(store)) == 2, "without any id nothing is known to be the same"


def test_what_is_stored_late_or_twice_is_not_told_again(store: PredictionStore) -> None:
    store.write([prediction(0, 0.1)])
    store.write([prediction(2, 0.9)])
    store.write([prediction(1, 0.8)])  # waited on disk until now
    store.write([prediction(2, 0.9)])
    assert queued(store) == [(2, 0.1, [0.3, 0.7])]
    queue = CrossingQueue(store)
    claimed = queue.claim(LATER, LATER + MINUTE)
    assert claimed is not None
    queue.end(claimed, "sent")
    store.write([prediction(2, 0.9)])
    assert queue.claim(LATER, LATER) is None
    assert queue.waiting() == 0


def test_without_lines_nothing_is_queued_and_what_is_deleted_is_told_no_more(url: str, store: PredictionStore) -> None:
    plain = PredictionStore(url)
    plain.write([prediction(0, 0.1), prediction(1, 0.9)])
    plain.close()
    assert queued(store) == []
    store.write([prediction(2, 0.1, conversation_id="c-1")])
    assert CrossingQueue(store).waiting() == 1
    assert store.remove_conversation("c-1", Actor("a", "", "")) == 1
    assert (CrossingQueue(store).waiting(), queued(store)) == (0, [])
    store.write([prediction(3, 0.1), prediction(4, 0.9)])
    store.purge(BEGAN + 10 * MINUTE)
    assert queued(store) == []


def test_predictions_and_their_crossings_are_stored_together_or_not_at_all(url: str, store: PredictionStore) -> None:
    """What fails after the predictions were written takes them with it, so that a second try finds the same."""

    def failing(*_: Any) -> None:
        raise RuntimeError

    broken = PredictionStore(url, after_write=failing)
    store.write([prediction(0, 0.1)])
    with pytest.raises(RuntimeError):
        broken.write([prediction(1, 0.9)])
    broken.close()
    assert store.count() == 1
    store.write([prediction(1, 0.9)])
    assert queued(store) == [(1, 0.1, [0.3, 0.7])]


def test_one_worker_has_each_however_many_ask_at_once(url: str, store: PredictionStore) -> None:
    store.write([prediction(n, 0.1 if n % 2 else 0.9, deal_id=f"d-{n // 2}") for n in range(60)])
    stores = [PredictionStore(url) for _ in range(4)]

    def take(own: PredictionStore) -> list[str]:
        queue, taken = CrossingQueue(own), []
        while (claimed := queue.claim(LATER, LATER + MINUTE)) is not None:
            taken.append(claimed.prediction_id)
        return taken

    with ThreadPoolExecutor(4) as threads:
        taken = [one for found in threads.map(take, stores) for one in found]
    for own in stores:
        own.close()
    assert len(taken) == 30
    assert len(set(taken)) == 30


def test_who_dies_with_a_crossing_loses_it_to_another(url: str, store: PredictionStore) -> None:
    store.write([prediction(0, 0.1, conversation_id="c-0"), prediction(1, 0.9, conversation_id="c-1")])
    code = (
        "import sys; from datetime import datetime\n"
        "from prediction_log.store import PredictionStore\nfrom prediction_log.crossings.queue import CrossingQueue\n"
        "now, until = map(datetime.fromisoformat, sys.argv[2:])\n"
        "print(CrossingQueue(PredictionStore(sys.argv[1])).claim(now, until).tries, flush=True)\nsys.stdin.read()"
    )
    arguments = [url, LATER.isoformat(), (LATER + MINUTE).isoformat()]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "1\n"
        worker.send_signal(signal.SIGKILL)
    queue = CrossingQueue(store)
    assert queue.claim(LATER + MINUTE / 2, LATER + MINUTE) is None, "it may still be on its way"
    found = queue.claim(LATER + MINUTE, LATER + 2 * MINUTE)
    assert found is not None
    assert (found.tries, found.deal_id, found.conversation_id) == (2, "d-1", "c-1")
    assert (found.before, found.probability, list(found.lines)) == (0.1, 0.9, [0.3, 0.7])
    assert found.predicted_at == BEGAN + MINUTE


def test_who_was_too_slow_changes_nothing(store: PredictionStore) -> None:
    store.write([prediction(0, 0.1), prediction(1, 0.9)])
    queue = CrossingQueue(store)
    slow = queue.claim(LATER, LATER + MINUTE)
    quick = queue.claim(LATER + MINUTE, LATER + 2 * MINUTE)
    assert slow is not None and quick is not None
    queue.end(slow, "given up")
    assert queue.waiting() == 1
    queue.put_off(quick, LATER + 5 * MINUTE)
    assert queue.claim(LATER + 4 * MINUTE, LATER) is None
    again = queue.claim(LATER + 5 * MINUTE, LATER + 6 * MINUTE)
    assert again is not None and again.tries == 3
    queue.end(again, "sent")
    (row,) = store.rows(select(crossings))
    assert (row.ended, row.due_at) == ("sent", None)


def test_the_longest_due_comes_first(store: PredictionStore) -> None:
    store.write([prediction(n, 0.1 if n % 2 else 0.9, deal_id=f"d-{n // 2}") for n in range(6)])
    with store.connection(writing=True) as connection:
        for number, minutes in ((1, 3), (3, 1), (5, 2)):
            row = crossings.c.prediction_id == f"{number:032x}"
            connection.execute(update(crossings).where(row).values(due_at=BEGAN + minutes * MINUTE))
    queue = CrossingQueue(store)
    taken = [queue.claim(BEGAN + 4 * MINUTE, LATER) for _ in range(3)]
    assert [int(one.prediction_id, 16) for one in taken if one] == [3, 5, 1]
