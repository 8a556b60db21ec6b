"""Real server processes, with two workers and with `run_server`, and the demo that talks to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from rich.console import Console

import api_demo
from benchmarks.running_server import free_port
from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from prediction_log.store import PredictionStore
from service.access.admin_key import make_admin_key, read_admin_key
from service.demo.client import DemoClient, WrongAnswerError
from service.demo.stop import Tour
from service.demo.tour import AFTER, BEFORE
from service.routes.pages import pages_router
from service.running.process import run_server

pytestmark = pytest.mark.seconds(15)

REPOSITORY = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def server_process(
    command: list[str], artifacts: Path, port: int, log: Path, **settings: str
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SALES_ARTIFACTS": str(artifacts), "SALES_THREADS": "1", "SALES_PORT": str(port)}
    environment |= settings
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=file
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(InputError):
                    DemoClient(f"http://127.0.0.1:{port}").get("/health")
                    break
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_the_demo_visits_every_endpoint_of_two_workers_and_leaves_nothing(
    trained_artifacts: ArtifactFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, state = free_port(), tmp_path / "state"
    monkeypatch.setenv("SALES_STATE", str(state))  # where the demo finds the admin key
    command = ["-m", "uvicorn", "deployment_system:app", "--port", str(port), "--workers", "2"]
    with server_process(command, trained_artifacts.root, port, tmp_path / "log", SALES_STATE=str(state)):
        assert api_demo.main(["--url", f"http://127.0.0.1:{port}"]) == 0
    assert "endpoints answer as they should" in capsys.readouterr().out
    log = (tmp_path / "log").read_text()
    assert "excited" not in log
    lines = [json.loads(line) for line in log.splitlines() if '"event": "request"' in line]
    visited = {f"{line['method']} {line['route']}" for line in lines if line["status"] in (200, 202)}
    refused = {f"{line['method']} {line['route']}" for line in lines if line["status"] == 404}
    # The demo changes nothing that is served, so these are asked for a model that there is not.
    visited |= refused & {f"POST /models/{{model_type}}/{what}" for what in ("trial", "promote", "rollback")}
    visited |= refused & {"DELETE /models/{model_type}/trial"}
    visited |= refused & {"POST /crm/hubspot"}  # which is switched off here
    app = create_app(load_settings(artifacts=trained_artifacts.root, state=state))
    operations = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    pages = {
        f"GET {route.path}"
        for route in pages_router(app.state.service.access, app.state.service.settings).routes
        if isinstance(route, APIRoute)
    }
    documentation = {"GET /docs", "GET /redoc", "GET /openapi.json"}
    visited = visited - {"GET unmatched"} | {"GET /openapi.json"}  # the log has no template for that one
    assert visited == operations | pages | documentation
    promised = {route for stop in (*BEFORE, *AFTER) for route in stop.routes}
    assert promised | {"POST /predict"} == visited
    assert PredictionStore(load_settings(state=state).database).count() == 0, "what it predicted is deleted"


def test_the_demo_needs_a_key_where_there_are_keys(
    trained_artifacts: ArtifactFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    command = ["-m", "uvicorn", "deployment_system:app", "--port", str(port)]
    keys = {"SALES_API_KEYS": "admin:the-key-of-an-admin,predict:the-key-of-a-client", "SALES_STATE": str(tmp_path)}
    keys["SALES_HUBSPOT_WEBHOOK_SECRET"] = "the-client-secret-of-an-app"
    with server_process(command, trained_artifacts.root, port, tmp_path / "log", **keys):
        url = ["--url", f"http://127.0.0.1:{port}"]
        assert api_demo.main(url) == 2
        assert "--key" in capsys.readouterr().err
        assert api_demo.main([*url, "--key", "the-key-of-a-client"]) == 2
        assert "role 'admin'" in capsys.readouterr().err
        assert api_demo.main([*url, "--key", "the-key-of-an-admin"]) == 0
        assert "refused what HubSpot did not sign" in capsys.readouterr().out


def test_the_admin_key_of_this_machine_is_sent_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_STATE", str(tmp_path))
    here = ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000/")
    assert [api_demo.own_key(url) for url in here] == ["", "", ""], "there is none"
    make_admin_key(tmp_path / "admin_key")
    assert {api_demo.own_key(url) for url in here} == {read_admin_key(tmp_path / "admin_key")}
    for url in (
        "https://sales.example.com",
        "http://127.0.0.1.example.com",
        "http://192.0.2.7:8000",
        "127.0.0.1:8000",
        "http://[",
    ):
        assert api_demo.own_key(url) == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_run_server_writes_only_log_lines_and_ends_with_0(
    trained_artifacts: ArtifactFolder, tmp_path: Path, how: signal.Signals
) -> None:
    port = free_port()
    code = (
        "from deployment_system import create_app; from service.running.process import run_server; "
        "from foundations.settings import load_settings; run_server(load_settings(), create_app)"
    )
    with server_process(["-c", code], trained_artifacts.root, port, tmp_path / "log") as process:
        status, answer = DemoClient(f"http://127.0.0.1:{port}").ask("POST", "/predict", {"transcript": "Hi"})
        assert (status, set(answer["prediction"])) == (200, {"outcome", "probability", "confidence"})
        process.send_signal(how)
        output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, b"")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["event"].startswith("Finished server process")


def test_a_used_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} \(.*\); stop what uses it or give another with --port"):
            run_server(load_settings(port=port), create_app)


def test_the_demo_says_where_no_server_is(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert api_demo.main(["--url", url]) == 2
    assert "No server answers" in " ".join(capsys.readouterr().err.split())


def test_the_demo_says_where_something_else_than_http_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        assert api_demo.main(["--url", f"http://127.0.0.1:{port}"]) == 2
        thread.join(10)
    assert "No server answers" in " ".join(capsys.readouterr().err.split())


class _Proxy(DemoClient):
    """A proxy that wants a log-in and says so on a page."""

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        return 403, "text/html", "<h1>Forbidden</h1>"


def test_a_page_in_place_of_an_answer_is_noticed() -> None:
    for ask in (lambda client: client.get("/"), lambda client: client.text("/app", "text/html")):
        with pytest.raises(WrongAnswerError, match="403"):
            ask(_Proxy("http://nowhere"))


deleted: list[str] = []


class _Failing(DemoClient):
    """A service that predicts and then breaks."""

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        deleted.append(path) if method == "DELETE" else None
        if path != "/predict":
            return 500, "application/json", '{"error": {"code": "internal_error", "message": "a bug"}}'
        prediction = {"outcome": "successful", "probability": 0.9, "confidence": 0.9}
        band = {"name": "A", "observed_rate": 0.9, "interval": [0.8, 1.0], "conversations": 9, "shared_by": ["A"]}
        answer = {"prediction": prediction, "band": band, "prediction_id": "f" * 32, "model_used": "few_shot"}
        return 200, "application/json", json.dumps({**answer, "processing_time": 0.1})


def test_a_tour_that_fails_deletes_what_it_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_demo, "BEFORE", ())
    monkeypatch.setattr(api_demo, "SAMPLES", api_demo.SAMPLES[:1])
    deleted.clear()
    with pytest.raises(WrongAnswerError, match="500"):
        api_demo.run_demo(_Failing("http://nowhere"), Console(quiet=True))
    assert deleted == [f"/logs/{'f' * 32}"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"error": {"code": "internal_error", "message": "a bug"}}),
        (200, {"prediction": {"outcome": "failed", "probability": 0.9}, "band": {"interval": [0.1, 0.9]}}),
        (200, {"prediction": {"outcome": "successful", "probability": 0.9}, "band": {"interval": [0.9, 0.1]}}),
        (200, {"prediction": {"outcome": "successful", "probability": 0.9}}),
        (200, {"prediction": {}}),
        (200, {}),
    ],
)
def test_the_demo_notices_a_wrong_answer(status: int, answer: dict[str, Any]) -> None:
    with pytest.raises(WrongAnswerError):
        api_demo.check(api_demo.SAMPLES[0], status, answer)


@pytest.mark.parametrize(
    ("rate", "line"),
    [(0.8, "band A: 80 % of 10 converted (95 % interval 49–94 %)"), (None, "band A: unknown of 10 converted")],
)
def test_the_demo_shows_the_band_with_its_interval(rate: float | None, line: str) -> None:
    band = {"name": "A", "observed_rate": rate, "interval": [0.49, 0.943], "conversations": 10, "shared_by": ["A"]}
    assert api_demo._band_line(band).startswith(line)


class _Wrong(DemoClient):
    """A server that answers everything with one object, as a program might that is something else."""

    def fetch(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        return 200, "application/json", json.dumps({"status": "ok", "models": [], "predictions": [], "auto": None})


@pytest.mark.parametrize("stop", [*BEFORE, *AFTER], ids=lambda stop: stop.title)
def test_each_stop_of_the_tour_notices_a_wrong_answer(stop: Any) -> None:
    tour = Tour(_Wrong("http://nowhere"), "few_shot", ["0" * 32])
    with pytest.raises(WrongAnswerError):
        api_demo._visit(tour, [stop], Console(quiet=True))
