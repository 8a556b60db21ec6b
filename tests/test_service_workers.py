"""A real server with two workers: loads reach both, counters add up, a killed worker and SIGTERM lose nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from artifact_folder import ArtifactFolder
from conversation_split import DataSplits
from model_registry import artifact_path, model_class
from prediction_store import PredictionStore
from sales_encoder import SalesEncoder
from settings import load_settings

ROOT = Path(__file__).parent.parent
HI = json.dumps({"transcript": "They will sign.", "model_type": "few_shot"})
START_SECONDS = 60


@dataclass
class Server:
    """A running service and the folder it serves."""

    process: subprocess.Popen[str]
    port: int
    artifacts: ArtifactFolder

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Status and answer, on a connection of its own, so from either worker."""
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            data = response.read().decode()
            return response.status, json.loads(data) if "json" in response.headers["Content-Type"] else data

    def workers(self) -> list[int]:
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                found += [child.pid] if "spawn_main" in " ".join(child.cmdline()) else []
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "SALES_RATE_LIMIT": "0", "SALES_THREADS": "1", **settings}
    command = [sys.executable, "main.py", "--mode", "deploy", "--artifacts", str(folder), "--workers", "2"]
    command += ["--port", settings.get("SALES_PORT", "8000")]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def server(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = ArtifactFolder(tmp_path_factory.mktemp("service") / "artifacts")
    shutil.copytree(trained_artifacts.root, folder.root)
    port = free_port()
    found = Server(start(folder.root, SALES_PORT=str(port)), port, folder)
    drain = threading.Thread(target=lambda: [None for _ in found.process.stderr or ()], daemon=True)
    drain.start()
    try:
        until(lambda: health(found).get("workers") == 2 and found.ask("GET", "/health/ready")[0] == 200, START_SECONDS)
        yield found
    finally:
        if found.process.poll() is None:
            found.process.terminate()
            found.process.wait(30)


def health(server: Server) -> dict[str, Any]:
    try:
        return dict(server.ask("GET", "/health")[1])
    except OSError:
        return {}


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def counted(server: Server, route: str) -> dict[str, int]:
    """Requests of a route by status, as Prometheus sees them."""
    text = server.ask("GET", "/metrics")[1]
    found = re.findall(rf'^sales_requests_total{{.*route="{route}",status="(\d+)"}} ([\d.]+)$', text, re.MULTILINE)
    return {status: int(float(number)) for status, number in found}


class Load:
    """Clients that predict until they are told to stop, each on connections of its own."""

    def __init__(self, server: Server, clients: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.versions: set[str] = set()
        self.lost: list[str] = []  # requests that were sent and not answered
        self._server = server
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection = self._server.connection()
            try:
                connection.connect()
            except OSError:
                return  # refused: nobody took the request
            for _ in range(20):
                try:
                    connection.request("POST", "/predict", HI, {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                except (OSError, http.client.HTTPException) as error:
                    with self._guard:
                        self.lost.append(repr(error))
                    break
                with self._guard:
                    self.statuses[response.status] += 1
                    self.versions.add(answer.get("model_version", ""))
                if response.headers.get("Connection") == "close" or self._stopping.is_set():
                    break  # as every client must: the server has said that it takes no more on this connection
            connection.close()


def test_a_load_under_load_reaches_every_worker_and_fails_no_request(
    server: Server, tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    before = counted(server, "/predict").get("200", 0)
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
    assert counted(server, "/predict")["200"] == before + load.statuses[200] + 20


def test_counters_survive_a_killed_worker_and_it_is_replaced(server: Server) -> None:
    before = counted(server, "/predict")["200"]
    for _ in range(20):
        assert server.ask("POST", "/predict", HI)[0] == 200
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2, 30)
    until(lambda: health(server).get("workers") == 2, START_SECONDS)
    assert counted(server, "/predict")["200"] == before + 20
    versions = {server.ask("POST", "/predict", HI)[1]["model_version"] for _ in range(20)}
    assert len(versions) == 1, "the new worker serves what the old one did"
    performance = server.ask("GET", "/performance")[1]
    assert performance["resources"]["workers"] == 2
    assert performance["resources"]["memory_bytes"] > 50_000_000


def test_sigterm_under_load_answers_what_is_in_flight_and_stores_it(server: Server) -> None:
    with Load(server, 4) as load:
        until(lambda: load.statuses[200] >= 20, 30)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert time.monotonic() - started < 20
    assert set(load.statuses) == {200}
    store = PredictionStore(load_settings(artifacts=server.artifacts.root).database)
    assert store.count() >= load.statuses[200] + 40
    # What is left are connections that the system had accepted, and no worker had, when the last one closed the port:
    # at most one for each client.
    assert len(load.lost) <= 4, load.lost


def test_a_start_that_cannot_succeed_is_one_sentence_and_exit_code_2(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        starts = {
            "Cannot listen on '127.0.0.1', port": start(trained_artifacts.root, SALES_PORT=port),
            "No model is trained in": start(tmp_path / "nothing", SALES_PORT=str(free_port())),
            "SALES_API_KEYS, entry 1": start(
                trained_artifacts.root, SALES_API_KEYS="admin:short", SALES_PORT=str(free_port())
            ),
        }
        for said, process in starts.items():
            _, error = process.communicate(timeout=60)
            assert process.returncode == 2, error
            assert error.count("\n") == 1
            assert said in error


def test_plain_uvicorn_says_a_bad_setting_in_a_sentence(trained_artifacts: ArtifactFolder) -> None:
    environment = {**os.environ, "SALES_ARTIFACTS": str(trained_artifacts.root), "SALES_LOG_MODE": "loud"}
    command = [sys.executable, "-m", "uvicorn", "deployment_system:app", "--port", "0", "--workers", "2"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Error: The setting SALES_LOG_MODE is 'loud'" in done.stderr
    assert "Traceback" not in done.stderr
