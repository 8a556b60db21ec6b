"""The service in processes of its own: until it is ready, its memory, and the time of one request on loopback."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.running_server import free_port

ROOT = Path(__file__).parents[2]
_LONGEST_START = 60


class ServiceFigures(NamedTuple):
    """Seconds, MiB, seconds."""

    ready: float
    memory: float
    request: float  # median


def measure_service(artifacts: Path, texts: Sequence[str], model: str = "auto") -> ServiceFigures:
    """Starts one worker, sends it a request for each text over one kept connection, without analysis, and stops it."""
    with _running_service(artifacts) as (process, port, ready):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        seconds = []
        for text in [*texts[:5], *texts]:
            body = json.dumps({"transcript": text, "model_type": model, "include_analysis": False})
            start = time.perf_counter()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            seconds.append(time.perf_counter() - start)
            if response.status != 200:
                raise RuntimeError(f"the service answered {response.status}: {answer!r}")
        connection.close()
        return ServiceFigures(ready, _resident_mebibytes(process.pid), statistics.median(seconds[5:]))


@contextmanager
def _running_service(artifacts: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "deployment_system:app", "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "SALES_ARTIFACTS": str(artifacts), "SALES_LOG_LEVEL": "error"}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - start > _LONGEST_START:
                raise RuntimeError("the service did not start")
            time.sleep(0.01)
        yield process, port, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether a service answers on a port of this machine."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _resident_mebibytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
