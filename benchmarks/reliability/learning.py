"""Proof: outcomes fed back to a running service, a retraining beside it; good ones are promoted, turned ones are refused.

Two workers under load, on SQLite and on PostgreSQL; then retrainings are killed at random moments. The champion is the
starter, calibrated here on a part of the default data; the others are predicted and end. Costs some minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import Load
from benchmarks.postgresql_server import PostgresqlServer
from benchmarks.reliability.figures import Figure, Progress, Sizes, of_all
from benchmarks.running_server import ROOT, RunningServer, running_server, until
from foundations.errors import InputError
from generate_sales_data import generate_conversations
from modelling.names import STARTER

MODEL = STARTER  # what auto means in the default run, and the quickest to fit
OLD, NEW, TURNED = (
    140,
    120,
    60,
)  # conversations trained on first, outcomes that come back, and of them turned round, the oldest
WORKERS, CLIENTS = 2, 2
_FOLLOWED_SECONDS = 20.0
_OTHER = {"successful": "failed", "failed": "successful"}


@dataclass(frozen=True)
class Case:
    """Outcomes that come back, and what shall become of them."""

    name: str
    turned: int  # of the NEW, the oldest
    promoted: bool


CASES = (
    Case(f"{TURNED} good outcomes, {NEW - TURNED} held out", 0, promoted=True),
    Case(f"{TURNED} turned outcomes, {NEW - TURNED} held out", TURNED, promoted=False),
    Case(f"all {NEW} turned", NEW, promoted=False),
)


def learning(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Each case on both databases, then the kills. artifacts: not needed, as it trains a champion of its own."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.closing(PostgresqlServer()) as database:
        root, records = Path(scratch), generate_conversations(count=OLD * 10 // 7 + NEW, seed=11)
        old, new = _apart(records)
        _train(root / "champion", old)
        runs = len(CASES) * 2 + 1
        for number, (name, url) in enumerate({"SQLite": "", "PostgreSQL": "postgresql"}.items()):
            for place, case in enumerate(CASES):
                progress((number * len(CASES) + place) / runs)
                folder = _copy(root / "champion", root / f"{name}-{place}")
                with _service(folder, database.new_database() if url else "") as served:
                    yield from _case(name, case, served, new)
        progress((runs - 1) / runs)
        with _service(_copy(root / "champion", root / "kills"), "") as served:
            yield from _kills(served, new, sizes.retraining_kills)


@dataclass(frozen=True)
class _Served:
    """A running service, and how commands reach its models and its database."""

    server: RunningServer
    artifacts: Path
    environment: dict[str, str]

    def command(self) -> list[str]:
        return [sys.executable, "main.py", "--mode", "retrain", "--model", MODEL, "--artifacts", str(self.artifacts)]

    def retrain(self) -> str:
        """What it said, on one line."""
        done = subprocess.run(
            self.command(), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise InputError(f"The retraining failed: {done.stdout[-500:]}{done.stderr[-500:]}")
        return " ".join(done.stdout.split())

    def retrainings(self) -> list[dict[str, Any]]:
        return list(self.server.ask("GET", "/retrainings")[1]["retrainings"])

    def version(self) -> str:
        """That answers."""
        return str(self.server.ask("POST", "/predict", json.dumps(_asked("Hello there.")))[1]["model_version"])


def _case(database: str, case: Case, served: _Served, new: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    before = served.version()
    with Load(served.server, CLIENTS, model=MODEL) as load:
        _predict_and_end(served.server, new, case.turned)
        began = time.monotonic()
        served.retrain()
        seconds = time.monotonic() - began
        (found,) = served.retrainings()
        if found["promoted_version"]:
            with contextlib.suppress(AssertionError):  # then the table says so
                until(lambda: _of_late(load) == {found["promoted_version"]}, _FOLLOWED_SECONDS)
        served_now = _of_late(load)
    decided = "promoted" if case.promoted else "refused"
    wanted = found["promoted_version"] if case.promoted else before
    interval = f"{found['difference']:+.3f} ({found['interval_low']:+.3f} to {found['interval_high']:+.3f})"
    yield Figure(
        f"{database}, {case.name}",
        f"{found['decision']}, loss {interval}, {seconds:.0f} s",
        decided,
        found["decision"] == decided and served_now == {wanted},
    )
    failed = len(load.lost) + sum(load.statuses.values()) - load.statuses[200]
    yield Figure("requests lost meanwhile", of_all(failed, len(load.answers) + len(load.lost)), "0", failed == 0)


def _kills(served: _Served, new: Sequence[dict[str, Any]], count: int) -> Iterator[Figure]:
    """The same good outcomes; retrainings are killed until one is let through."""
    chosen = random.Random(4)
    champions = {served.version()}
    _predict_and_end(served.server, new, 0)
    seconds = _how_long(served)
    wrong = killed = 0
    with Load(served.server, CLIENTS, model=MODEL) as load:
        for _ in range(count):
            process = subprocess.Popen(
                served.command(), cwd=ROOT, env=served.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chosen.uniform(0.0, seconds))
            killed += process.poll() is None
            process.kill()
            process.wait()
            time.sleep(1.5)
            noted = {one["promoted_version"] for one in served.retrainings() if one["promoted_version"]}
            wrong += not _of_late(load) <= champions | noted
        said = served.retrain()
        time.sleep(1.5)
        last = [one["promoted_version"] for one in served.retrainings() if one["decision"] == "promoted"]
        ended_well = len(last) == 1 and _of_late(load) == set(last)
    failed = len(load.lost) + sum(load.statuses.values()) - load.statuses[200]
    yield Figure("retrainings killed at random moments", of_all(killed, count))
    yield Figure("of them served something else than a champion", str(wrong), "0", wrong == 0)
    yield Figure(
        "the next one, undisturbed", "promoted once" if ended_well else said[-80:], "promoted once", ended_well
    )
    yield Figure("requests lost meanwhile", of_all(failed, len(load.answers) + len(load.lost)), "0", failed == 0)


def _how_long(served: _Served) -> float:
    """Seconds that a retraining takes up to its decision; it changes nothing."""
    began = time.monotonic()
    subprocess.run([*served.command(), "--dry-run"], cwd=ROOT, env=served.environment, capture_output=True, check=True)
    return 1.5 * (time.monotonic() - began)  # what follows fits on everything and writes a version


def _of_late(load: Load) -> set[str]:
    """The versions of the answers of the last second."""
    now = time.monotonic()
    return {answer.model_version for answer in load.answers.copy() if answer.at > now - 1.0}


def _apart(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(what is trained on first, NEW others): no scenario is in both, so that these are as new as they can be."""
    groups = list(dict.fromkeys(record["group"] for record in records))
    random.Random(5).shuffle(groups)
    ordered = sorted(records, key=lambda record: groups.index(record["group"]))
    new = ordered[-NEW:]
    shared = {record["group"] for record in new}
    random.Random(6).shuffle(new)
    return [record for record in ordered[:-NEW] if record["group"] not in shared], new


def _train(artifacts: Path, records: Sequence[dict[str, Any]]) -> None:
    artifacts.mkdir()
    data = artifacts / "old.json"
    data.write_text(json.dumps(records), encoding="utf-8")
    command = [sys.executable, "main.py", "--mode", "train", "--model", MODEL, "--data", str(data)]
    done = subprocess.run(
        [*command, "--artifacts", str(artifacts)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"Training failed: {done.stdout[-500:]}{done.stderr[-500:]}")


def _copy(artifacts: Path, to: Path) -> Path:
    """Files of artifacts are replaced, never changed, so that second names for them are as good as copies."""
    return Path(shutil.copytree(artifacts, to, copy_function=os.link))


@contextlib.contextmanager
def _service(artifacts: Path, url: str) -> Iterator[_Served]:
    settings = {"SALES_STATE": str(artifacts / "state"), "SALES_DATABASE_URL": url}
    with running_server(artifacts, WORKERS, **settings) as server:
        yield _Served(server, artifacts, {**os.environ, **settings})


def _asked(transcript: str, **more: Any) -> dict[str, Any]:
    return {"transcript": transcript, "model_type": MODEL, **more}


def _predict_and_end(server: RunningServer, records: Sequence[dict[str, Any]], turned: int) -> None:
    """Each is predicted, then each ends, in this order; of the first `turned` the contrary is said."""
    for number, record in enumerate(records):
        spoken = {"turns": record["turns"]} if record.get("turns") else {"transcript": record["transcript"]}
        body = {
            **spoken,
            "context": record["conversation_context"],
            "conversation_id": f"n-{number}",
            "model_type": MODEL,
        }
        _ask(server, "/predict", body)
    for number, record in enumerate(records):
        outcome = _OTHER[record["outcome"]] if number < turned else record["outcome"]
        _ask(server, "/feedback", {"conversation_id": f"n-{number}", "actual_outcome": outcome})


def _ask(server: RunningServer, path: str, body: dict[str, Any]) -> None:
    status, answer = server.ask("POST", path, json.dumps(body))
    if status != 200:
        raise InputError(f"{path} answered {status}: {answer}")
