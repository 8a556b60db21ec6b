"""Proofs of the front door: connections that never ask, heads without an end, and long conversations beside short ones."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.figures import Figure, Progress, Sizes, in_milliseconds
from benchmarks.reliability.load import Usage
from benchmarks.running_server import RunningServer, running_server
from benchmarks.texts import NOTE, notes
from foundations.settings import Settings
from service.limits.crowd import HEAD_SECONDS

WORKERS, LONG_CLIENTS = 2, 8
_MEGABYTE = 1 << 20
_HEAD_MEGABYTES = 381
_ASKED = 20  # times, while the silent ones are there
_HERE, _ELSEWHERE = "127.0.0.1", "127.0.0.2"  # two callers, as no keys are set
_REFUSED_SECONDS = 2.0  # within which "at once" is


def connections(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Thousands of connections that never ask, then one head that does not end."""
    with running_server(artifacts, WORKERS) as server:
        usage = Usage(server)
        for _ in range(_ASKED):  # what the first predictions load is not the strangers' doing
            _predict(server, NOTE, _ELSEWHERE)
        usage.look()
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(_connected(server)) for _ in range(sizes.silent)]
            began = time.monotonic()
            waits = []
            for number in range(_ASKED):
                progress(0.5 * number / _ASKED)
                waits.append(_predict(server, NOTE, _ELSEWHERE)[1])
            usage.look()
            time.sleep(max(0.0, began + HEAD_SECONDS + 2 - time.monotonic()))
            left = sum(_is_open(connection) for connection in silent)
        status, taken = _endless_head(server)
        usage.look()
    yield Figure(f"a prediction beside {sizes.silent:,} silent connections", f"at most {in_milliseconds(max(waits))}")
    yield Figure(f"of them open after {HEAD_SECONDS + 2:g} s", str(left), "0", left == 0)
    yield Figure(f"a head of {_HEAD_MEGABYTES} MB", f"{status}, {taken:.1f} MB were taken", "431", status == 431)
    grown = (max(usage.memory) - usage.memory[0]) / _MEGABYTE
    yield Figure("memory, all processes", f"{grown:.0f} MiB more at most", "≤ 100 MiB", grown <= 100)


def fair(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Clients that send the longest conversation again and again, and another one with short notes."""
    longest = Settings.model_fields["max_transcript_characters"].default
    text = " ".join(notes(longest // 150, seed=41))[:longest]
    statuses: Counter[int] = Counter()
    refused: list[float] = []
    stopping = threading.Event()

    def send_long(server: RunningServer) -> None:
        while not stopping.is_set():
            status, seconds = _predict(server, text, _HERE)
            statuses[status] += 1
            if status == http.client.SERVICE_UNAVAILABLE:
                refused.append(seconds)
                stopping.wait(1)  # as Retry-After says at least

    with running_server(artifacts, WORKERS) as server:
        alone = [_predict(server, NOTE, _ELSEWHERE)[1] for _ in range(_ASKED)]
        status, seconds = _predict(server, text, _HERE, analysis=True)
        clients = [threading.Thread(target=send_long, args=(server,)) for _ in range(LONG_CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(1)
        began, beside = time.monotonic(), []
        while (passed := time.monotonic() - began) < sizes.fair_seconds:
            progress(passed / sizes.fair_seconds)
            beside.append(_predict(server, NOTE, _ELSEWHERE))
        stopping.set()
        for client in clients:
            client.join()
    others = {answer[0] for answer in beside}
    worst = max(answer[1] for answer in beside)
    said = f"{status} after {seconds:.1f} s"
    yield Figure(f"{longest:,} characters with analysis, nothing else to do", said, "200", status == http.client.OK)
    counts = ", ".join(f"{code}: {count}" for code, count in sorted(statuses.items()))
    only = statuses.keys() <= {200, 503} and statuses[200] > 0
    yield Figure(f"{LONG_CLIENTS} clients that send as many", counts, "only 200, 503", only)
    late = max(refused, default=0.0)
    yield Figure("slowest refusal", f"{late:.2f} s", f"≤ {_REFUSED_SECONDS:g} s", late <= _REFUSED_SECONDS)
    yield Figure("another client's short notes alone", f"at most {in_milliseconds(max(alone))}")
    said = f"{len(beside)} answered, at most {in_milliseconds(worst)}"
    yield Figure("and beside them", said, "all 200, ≤ 2 s", others == {200} and worst <= 2)


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _predict(server: RunningServer, text: str, address: str, analysis: bool = False) -> tuple[int, float]:
    """Status and seconds, on a new connection from an address of this machine."""
    body = json.dumps({"transcript": text, "model_type": "few_shot", "include_analysis": analysis})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60, source_address=(address, 0))
    began = time.perf_counter()
    with contextlib.closing(connection):
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
    return response.status, time.perf_counter() - began


def _endless_head(server: RunningServer) -> tuple[int, float]:
    """The answer's status, 0 where there was none, and how many megabytes could be sent."""
    taken = 0.0
    with _connected(server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
            while taken < _HEAD_MEGABYTES:
                connection.sendall(b"x" * 16_384)
                taken += 16_384 / _MEGABYTE
                if _answered(connection):
                    break
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
        except (OSError, http.client.HTTPException):
            return 0, taken
        return response.status, taken


def _answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])
