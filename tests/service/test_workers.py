"""A real server with two workers: loads reach both, counters add up, a killed worker and SIGTERM lose nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.clients import Load
from benchmarks.running_server import START_SECONDS, RunningServer, running_server, start_server, until
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from model_registry import artifact_path, model_class
from prediction_log.store import PredictionStore
from service.running.process import SILENT_SECONDS, ApiWorker

pytestmark = pytest.mark.seconds(40)

ROOT = Path(__file__).parents[2]
HI = json.dumps({"transcript": "They will sign.", "model_type": "few_shot"})


@dataclass
class Server(RunningServer):
    """A running service and the folder it serves."""

    artifacts: ArtifactFolder


@pytest.fixture(scope="module")
def server(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = ArtifactFolder(tmp_path_factory.mktemp("service") / "artifacts")
    shutil.copytree(trained_artifacts.root, folder.root)
    with running_server(folder.root, 2, SALES_STATE=str(folder.root / "service")) as found:
        yield Server(found.process, found.port, found.log, found.admin_key, folder)


def test_a_load_under_load_reaches_every_worker_and_fails_no_request(
    server: Server, tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    before = server.counted("/predict").get("200", 0)
    model = model_class("few_shot")(tiny_encoder, seed=9)
    model.fit(splits.train[:-4], splits.validation)
    model.save(artifact_path(server.artifacts, "few_shot"))
    with Load(server, 3) as load:
        until(lambda: load.statuses[200] >= 20, 30)
        status, answer = server.ask("POST", "/models/few_shot/load")
        assert status == 200
        assert answer["workers_serving"] == answer["workers"] == 2
        after_load = load.statuses[200]
        until(lambda: load.statuses[200] >= after_load + 20, 30)
    assert set(load.statuses) == {200}
    assert load.lost == []
    assert len(load.versions) == 2
    assert answer["version"] in load.versions
    for _ in range(20):
        assert server.ask("POST", "/predict", HI)[1]["model_version"] == answer["version"]
    assert server.counted("/predict")["200"] == before + load.statuses[200] + 20


def test_a_split_is_the_same_in_every_worker_also_in_one_that_starts_later(server: Server) -> None:
    listed = server.ask("GET", "/models")[1]["models"]
    versions = next(model for model in listed if model["name"] == "few_shot")["versions"]
    champion, other = (next(one["version"] for one in versions if one["served"] is served) for served in (True, False))
    asked = json.dumps({"version": other, "role": "split", "share": 50})
    status, answer = server.ask("POST", "/models/few_shot/trial", asked)
    assert status == 200, answer
    assert answer["workers_trying"] == answer["workers"] == 2

    def answered_by() -> dict[int, set[str]]:
        bodies = {n: json.dumps({**json.loads(HI), "deal_id": f"deal-{n}"}) for n in range(12)}
        return {
            n: {server.ask("POST", "/predict", body)[1]["model_version"] for _ in range(4)}
            for n, body in bodies.items()
        }

    before = answered_by()
    assert {len(found) for found in before.values()} == {1}
    assert set.union(*before.values()) == {champion, other}
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2, 30)
    until(lambda: server.health().get("workers") == 2, START_SECONDS)
    assert answered_by() == before
    assert server.ask("DELETE", "/models/few_shot/trial")[0] == 200
    until(lambda: len({server.ask("POST", "/predict", HI)[1]["model_version"] for _ in range(10)}) == 1, 10)


def test_counters_survive_a_killed_worker_and_it_is_replaced(server: Server) -> None:
    before = server.counted("/predict")["200"]
    for _ in range(20):
        assert server.ask("POST", "/predict", HI)[0] == 200
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2, 30)
    until(lambda: server.health().get("workers") == 2, START_SECONDS)
    assert server.counted("/predict")["200"] == before + 20
    versions = {server.ask("POST", "/predict", HI)[1]["model_version"] for _ in range(20)}
    assert len(versions) == 1, "the new worker serves what the old one did"
    performance = server.ask("GET", "/performance")[1]
    assert performance["resources"]["workers"] == 2
    assert performance["resources"]["memory_bytes"] > 50_000_000


def test_a_worker_that_is_ended_alone_leaves_the_port_open(server: Server) -> None:
    ended = server.workers()[0]
    with Load(server, 2) as load:
        os.kill(ended, signal.SIGTERM)
        until(lambda: ended not in server.workers() and len(server.workers()) == 2, 30)
        until(lambda: server.health().get("workers") == 2, START_SECONDS)
        after = load.statuses[200]
        until(lambda: load.statuses[200] >= after + 20, 30)
    assert set(load.statuses) == {200}
    assert load.lost == []


def test_a_worker_that_falls_silent_is_replaced(server: Server) -> None:
    silent = server.workers()[0]
    os.kill(silent, signal.SIGSTOP)
    until(lambda: silent not in server.workers(), 6 * SILENT_SECONDS)
    until(lambda: server.health().get("workers") == 2, START_SECONDS)
    up = re.findall(r"^sales_database_up (\S+)$", server.ask("GET", "/metrics")[1], re.MULTILINE)
    assert up == ["1.0"], "neither a worker that is gone nor the process that starts them counts"


def test_predictions_in_flight_are_counted_over_the_workers(server: Server) -> None:
    def in_flight() -> int:
        found = re.findall(r"^sales_in_flight (\S+)$", server.ask("GET", "/metrics")[1], re.MULTILINE)
        assert len(found) == 1, "one figure for all workers"
        return int(float(found[0]))

    turns = [{"speaker": "rep", "text": f"Number {n} of what was said."} for n in range(400)]
    long = json.dumps({"turns": turns, "include_trajectory": True, "model_type": "few_shot"})
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(server.ask, "POST", "/predict", long) for _ in range(4)]
        until(lambda: in_flight() == 4, 30)
        assert [answer.result()[0] for answer in asked] == [200] * 4
    assert [in_flight() for _ in range(10)] == [0] * 10


def test_sigterm_under_load_answers_what_is_in_flight_and_stores_it(server: Server) -> None:
    with Load(server, 4) as load:
        until(lambda: load.statuses[200] >= 20, 30)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert set(load.statuses) == {200}
    assert load.lost == []
    store = PredictionStore(load_settings(artifacts=server.artifacts.root).database)
    assert store.count() >= load.statuses[200] + 40


def test_a_start_that_cannot_succeed_is_one_sentence_and_exit_code_2(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        starts = {
            "Cannot listen on '127.0.0.1', port": start_server(
                trained_artifacts.root, 2, tmp_path / "1", SALES_PORT=port
            ),
            "No model is trained in": start_server(tmp_path / "nothing", 2, tmp_path / "2"),
            "SALES_API_KEYS, entry 1": start_server(
                trained_artifacts.root, 2, tmp_path / "3", SALES_API_KEYS="admin:short"
            ),
        }
        for said, started in starts.items():
            assert started.process.wait(60) == 2
            error = started.log.read_text()
            assert error.count("\n") == 1
            assert said in error


def test_a_worker_may_start_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    worker: Any = SimpleNamespace(began=time.monotonic(), server=None)
    assert ApiWorker.is_well(worker), "it imports"
    worker.server = SimpleNamespace(started=False)
    assert ApiWorker.is_well(worker), "it loads its models"
    monkeypatch.setattr("service.running.process.START_SECONDS", 0)
    assert not ApiWorker.is_well(worker), "that took too long"
    worker.server.started = True
    assert ApiWorker.is_well(worker)


def test_plain_uvicorn_says_a_bad_setting_in_a_sentence(trained_artifacts: ArtifactFolder) -> None:
    environment = {**os.environ, "SALES_ARTIFACTS": str(trained_artifacts.root), "SALES_LOG_MODE": "loud"}
    command = [sys.executable, "-m", "uvicorn", "deployment_system:app", "--port", "0", "--workers", "2"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Error: The setting SALES_LOG_MODE is 'loud'" in done.stderr
    assert "Traceback" not in done.stderr
