"""Proofs 5 and 6, and the loss of the default mode: what was acknowledged is stored, whoever is killed or away meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from benchmarks.clients import Answer, Load
from benchmarks.postgresql_server import PostgresqlServer
from benchmarks.reliability.figures import Figure, Progress, Sizes, of_all
from benchmarks.running_server import RunningServer, running_server, start_server, until
from foundations.settings import load_settings
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import predictions
from prediction_log.writer import FLUSH_SECONDS

WORKERS, CLIENTS = 2, 8
_RUN_SECONDS = (0.5, 6.0)  # between two kills
_ALL_AT_ONCE = 0.5  # share of the kills that take the whole service, not one worker
_LOSS_RUN_SECONDS = (1.0, 3.0)
_DRAIN_SECONDS = 60.0
_LONGEST_LOSS = 2 * FLUSH_SECONDS + 0.1  # seconds: a write that was under way, the next one, and what they take


def durable(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Durable mode on SQLite and on PostgreSQL: workers and the whole service are killed at random moments."""
    databases = {"SQLite": "", "PostgreSQL": ""}
    with contextlib.closing(PostgresqlServer(waits_for_disk=True)) as server:
        databases["PostgreSQL"] = server.new_database()
        for number, (name, url) in enumerate(databases.items()):
            acknowledged, kills, stored = _killed_at_random(artifacts, url, sizes.predictions, _half(progress, number))
            missing = acknowledged - stored
            yield Figure(f"{name}: processes killed", f"{kills[0]} workers, {kills[1]} times all of the service")
            yield Figure(
                f"{name}: acknowledged predictions that are not stored",
                of_all(len(missing), len(acknowledged)),
                "0",
                not missing and len(acknowledged) >= sizes.predictions,
            )


def _killed_at_random(
    artifacts: Path, url: str, wanted: int, progress: Progress
) -> tuple[set[str], tuple[int, int], set[str]]:
    """The acknowledged predictions, kills of workers and of everything, and the predictions stored."""
    chosen = random.Random(2)
    acknowledged: set[str] = set()
    workers = services = 0
    with tempfile.TemporaryDirectory() as state:
        settings = {"SALES_STATE": state, "SALES_DATABASE_URL": url, "SALES_LOG_MODE": "durable"}
        while len(acknowledged) < wanted:
            server = start_server(artifacts, WORKERS, Path(state) / "log", **settings)
            server.wait_until_ready(WORKERS)
            before = len(acknowledged)
            with server, Load(server, CLIENTS, stay=True) as load:
                while True:
                    time.sleep(chosen.uniform(*_RUN_SECONDS))
                    done = before + load.statuses[200]
                    progress(min(1.0, done / wanted))
                    if chosen.random() < _ALL_AT_ONCE or done >= wanted:
                        break
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chosen.choice(server.workers()), signal.SIGKILL)
                        workers += 1
                server.kill()
                services += 1
            acknowledged |= _acknowledged(load)
        _settle(artifacts, settings)
        return acknowledged, (workers, services), _stored(state, url)


def _half(progress: Progress, number: int) -> Progress:
    return lambda share: progress((number + share) / 2)


def away(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """PostgreSQL stopped under load and started again: no prediction fails, and in the end all are stored."""
    with contextlib.closing(PostgresqlServer()) as database, tempfile.TemporaryDirectory() as state:
        url = database.new_database()
        with (
            running_server(artifacts, WORKERS, SALES_STATE=state, SALES_DATABASE_URL=url) as server,
            Load(server, CLIENTS) as load,
        ):
            time.sleep(5)
            database.stop()
            stopped = time.monotonic()
            degraded = _degraded_after(server)
            while (passed := time.monotonic() - stopped) < sizes.away_seconds:
                progress(passed / sizes.away_seconds)
                time.sleep(0.5)
            database.start()
            back = time.monotonic()
            until(lambda: server.health().get("status") == "ok", _DRAIN_SECONDS)
            caught_up = time.monotonic() - back
            time.sleep(2)
        acknowledged, stored = _acknowledged(load), _stored(state, url)
        meanwhile = sum(stopped <= answer.at <= back for answer in load.answers)
    failed = len(load.lost) + sum(load.statuses.values()) - load.statuses[200]
    missing = len(acknowledged - stored)
    yield Figure("database away", f"{back - stopped:.0f} s, {meanwhile:,} predictions meanwhile")
    yield Figure("/health says so after", f"{degraded:.1f} s")
    yield Figure("failed predictions", of_all(failed, len(load.answers) + len(load.lost)), "0", failed == 0)
    yield Figure("predictions that are not stored afterwards", of_all(missing, len(acknowledged)), "0", missing == 0)
    yield Figure("stored and healthy again after", f"{caught_up:.1f} s")


def loss(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """The default mode, all of the service killed under load: what is missing, and how old that was."""
    chosen = random.Random(3)
    missing_each, ages, total = [], [0.0], 0
    for number in range(sizes.losses):
        progress(number / sizes.losses)
        with tempfile.TemporaryDirectory() as state:
            server = start_server(artifacts, WORKERS, Path(state) / "log", SALES_STATE=state)
            server.wait_until_ready(WORKERS)
            with server, Load(server, CLIENTS) as load:
                time.sleep(chosen.uniform(*_LOSS_RUN_SECONDS))
                killed = time.monotonic()
                server.kill()
            stored = _stored(state, "")
            missing = [answer for answer in _answered(load) if answer.prediction_id not in stored]
            total += len(_answered(load))
            missing_each.append(len(missing))
            ages += [killed - answer.at for answer in missing]
    yield Figure("kills of the whole service under load", f"{sizes.losses}, {total:,} predictions acknowledged")
    yield Figure(
        "lost by one kill", f"median {statistics.median(missing_each):.0f}, at most {max(missing_each)} predictions"
    )
    yield Figure(
        "oldest lost prediction, from its answer to the kill",
        f"{max(ages):.2f} s",
        f"≤ {_LONGEST_LOSS:g} s",
        max(ages) <= _LONGEST_LOSS,
    )


def _answered(load: Load) -> list[Answer]:
    return [answer for answer in load.answers if answer.status == 200]


def _acknowledged(load: Load) -> set[str]:
    return {answer.prediction_id for answer in _answered(load)}


def _stored(state: str, url: str) -> set[str]:
    store = PredictionStore(load_settings(state=Path(state), database_url=url).database)
    found = {row[0] for row in store.rows(select(predictions.c.prediction_id))}
    store.close()
    return found


def _settle(artifacts: Path, settings: dict[str, str]) -> None:
    """Starts the service once more and ends it in good order: what waits on disk is stored."""
    server = start_server(artifacts, 1, Path(settings["SALES_STATE"]) / "log", **settings)
    server.wait_until_ready(1)
    until(lambda: not server.health()["store"]["waiting_on_disk"], _DRAIN_SECONDS)
    server.stop()


def _degraded_after(server: RunningServer) -> float:
    began = time.monotonic()
    until(lambda: server.health().get("status") == "degraded", 30)
    return time.monotonic() - began
