"""The service as an operator runs it, `python main.py --mode deploy`, in processes of its own, for benchmarks and tests.

What it logs goes to a file, which is shown where it does not start.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from foundations.settings import load_settings
from service.access.admin_key import admin_key_path, read_admin_key

ROOT = Path(__file__).parent.parent
START_SECONDS = 120
_JSON = {"Content-Type": "application/json"}


@dataclass
class RunningServer:
    """A service and how to ask it. Its counts and its database are those of all its workers."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    admin_key: Path  # there once it has started, where it has no configured keys

    def connection(self, seconds: float = 30) -> http.client.HTTPConnection:
        """A new connection, not opened yet; any worker may take it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Status and answer, on a connection of its own, so from any worker. Raises OSError, HTTPException.

        Sends the admin key, where there is one.
        """
        key = {"X-API-Key": read_admin_key(self.admin_key)} if self.admin_key.exists() else {}
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, _JSON | key)
            response = connection.getresponse()
            data = response.read().decode()
            return response.status, json.loads(data) if "json" in response.headers["Content-Type"] else data

    def health(self) -> dict[str, Any]:
        """The answer of /health, empty where nobody answers."""
        try:
            return dict(self.ask("GET", "/health")[1])
        except (OSError, http.client.HTTPException):
            return {}

    def counted(self, route: str) -> dict[str, int]:
        """Requests of a route by status, as /metrics has them."""
        text = self.ask("GET", "/metrics")[1]
        found = re.findall(rf'^sales_requests_total{{.*route="{route}",status="(\d+)"}} (\S+)$', text, re.MULTILINE)
        return {status: int(float(number)) for status, number in found}

    def workers(self) -> list[int]:
        """Process ids of the workers; where there is one only, it is the process itself."""
        return [child.pid for child in psutil.Process(self.process.pid).children()] or [self.process.pid]

    def wait_until_ready(self, workers: int) -> None:
        """Until all workers answer. Raises RuntimeError with the log's end where they don't."""
        deadline = time.monotonic() + START_SECONDS
        while self.health().get("workers") != workers or self.ask("GET", "/health/ready")[0] != http.client.OK:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the service did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, seconds: float = 40) -> int:
        """Ends it with SIGTERM, where it runs; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """Ends all its processes with SIGKILL, as a power switch would."""
        supervisor = psutil.Process(self.process.pid)
        supervisor.suspend()  # it must not start another worker between the list and the kills
        for process in [*supervisor.children(recursive=True), supervisor]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start_server(artifacts: Path, workers: int, log: Path, **settings: str) -> RunningServer:
    """Starts the service and waits for nothing. settings: SALES_… variables; without limits unless they set some."""
    port = int(settings.get("SALES_PORT") or free_port())
    environment = {**os.environ, "SALES_RATE_LIMIT": "0", "SALES_THREADS": "1", **settings}
    command = [sys.executable, "main.py", "--mode", "deploy", "--artifacts", str(artifacts), "--workers", str(workers)]
    with log.open("ab") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=file
        )
    state = settings.get("SALES_STATE")
    key = admin_key_path(load_settings(artifacts=artifacts, state=Path(state) if state else None))
    return RunningServer(process, port, log, key)


@contextlib.contextmanager
def running_server(artifacts: Path, workers: int = 2, **settings: str) -> Iterator[RunningServer]:
    """The service, ready, with a state folder of its own unless SALES_STATE is given; ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="sales-state-", ignore_cleanup_errors=True) as folder:
        server = start_server(artifacts, workers, Path(folder) / "log", **{"SALES_STATE": folder, **settings})
        with server:  # killed where it does not end in time
            try:
                server.wait_until_ready(workers)
                yield server
            finally:
                server.stop()


def until(true: Callable[[], bool], seconds: float) -> None:
    """Waits for something. Raises AssertionError where it does not happen in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
