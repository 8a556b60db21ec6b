"""Real server processes, with two workers and with `run_server`, and the demo that talks to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import api_demo
from artifact_folder import ArtifactFolder
from benchmarks.running_server import free_port
from input_error import InputError
from service_process import run_server
from settings import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def server_process(command: list[str], artifacts: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SALES_ARTIFACTS": str(artifacts), "SALES_THREADS": "1", "SALES_PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=file
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(InputError):
                    api_demo.ask(f"http://127.0.0.1:{port}/health")
                    break
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_the_demo_against_two_workers(
    trained_artifacts: ArtifactFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    command = ["-m", "uvicorn", "deployment_system:app", "--port", str(port), "--workers", "2"]
    with server_process(command, trained_artifacts.root, port, tmp_path / "log"):
        assert api_demo.main(["--url", f"http://127.0.0.1:{port}"]) == 0
    assert "All 5 answers are as expected" in capsys.readouterr().out
    log = (tmp_path / "log").read_text()
    assert log.count('"route": "/predict"') == len(api_demo.SAMPLES)
    assert "excited" not in log


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_run_server_writes_only_log_lines_and_ends_with_0(
    trained_artifacts: ArtifactFolder, tmp_path: Path, how: signal.Signals
) -> None:
    port = free_port()
    code = "from service_process import run_server; from settings import load_settings; run_server(load_settings())"
    with server_process(["-c", code], trained_artifacts.root, port, tmp_path / "log") as process:
        status, answer = api_demo.ask(f"http://127.0.0.1:{port}/predict", {"transcript": "Hi"})
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
            run_server(load_settings(port=port))


def test_the_demo_says_where_no_server_is(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert api_demo.main(["--url", url]) == 2
    assert "No server answers" in " ".join(capsys.readouterr().err.split())


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
    with pytest.raises(api_demo.WrongAnswerError):
        api_demo.check(api_demo.SAMPLES[0], status, answer)


@pytest.mark.parametrize(
    ("rate", "line"),
    [(0.8, "band A: 80 % of 10 converted (95 % interval 49–94 %)"), (None, "band A: unknown of 10 converted")],
)
def test_the_demo_shows_the_band_with_its_interval(rate: float | None, line: str) -> None:
    band = {"name": "A", "observed_rate": rate, "interval": [0.49, 0.943], "conversations": 10, "shared_by": ["A"]}
    assert api_demo._band_line(band).startswith(line)
