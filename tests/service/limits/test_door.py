"""Connections of a real service with two workers: what is no request, or never becomes one, takes little and ends soon."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.running_server import ROOT, RunningServer, free_port, running_server, until
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from service.access.admin_key import admin_key_path
from service.limits.crowd import HEAD_SECONDS
from service.limits.door import LARGEST_HEAD, MOST_HEADERS

pytestmark = pytest.mark.seconds(30)

WORKERS = 2
MOST, OF_ADDRESS = 64, 24  # connections to each worker
PROXY = "127.0.0.6"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server(trained_artifacts: ArtifactFolder) -> Iterator[RunningServer]:
    limits = {"SALES_MAX_CONNECTIONS": str(MOST), "SALES_MAX_ADDRESS_CONNECTIONS": str(OF_ADDRESS)}
    limits["SALES_TRUSTED_PROXIES"] = PROXY
    with running_server(trained_artifacts.root, WORKERS, **limits) as found:
        yield found


def connected(server: RunningServer, address: str = "127.0.0.1") -> socket.socket:
    """A connection from an address of this machine."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=30, source_address=(address, 0))


def answer_of(connection: socket.socket) -> tuple[int, str]:
    """Status and error code of the answer; 0 where the connection is closed without one. Raises TimeoutError."""
    try:
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(body).get("error", {}).get("code", "") if is_json else ""
    except (http.client.HTTPException, ConnectionError):
        return 0, ""


def received(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(MEGABYTE):
            data += piece
    return data


def sent(server: RunningServer, data: bytes) -> tuple[int, str]:
    with connected(server) as connection:
        with contextlib.suppress(OSError):  # it is not let go on
            connection.sendall(data)
        return answer_of(connection)


def head(*headers: str, path: str = "/health/live") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "data",
    [
        head(f"X-Long: {'x' * LARGEST_HEAD}"),
        head(*(f"X-{n}: {'x' * 1000}" for n in range(70))),
        head(*(f"X-{n}: 1" for n in range(MOST_HEADERS + 1))),
        head(path=f"/health/live?{'x' * LARGEST_HEAD}"),
        b"GET /health/live HTTP/1.1\r\nX-Long: " + b"x" * 2 * LARGEST_HEAD,  # and it does not end
    ],
)
def test_a_head_beyond_64_kilobytes_is_431(server: RunningServer, data: bytes) -> None:
    assert sent(server, data) == (431, "head_too_large")


def test_a_head_of_almost_64_kilobytes_is_answered(server: RunningServer) -> None:
    assert sent(server, head(f"X-Long: {'x' * (LARGEST_HEAD - 200)}"))[0] == 200
    assert sent(server, head(*(f"X-{n}: 1" for n in range(MOST_HEADERS - 1))))[0] == 200


def test_a_header_without_an_end_is_not_kept(server: RunningServer) -> None:
    with connected(server) as connection, contextlib.suppress(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        for _ in range(100):
            connection.sendall(b"x" * MEGABYTE)
        pytest.fail("the connection stayed open")


def test_nor_is_a_trailer_of_a_body_in_pieces(server: RunningServer) -> None:
    begin = head("Transfer-Encoding: chunked", path="/nowhere").replace(b"GET", b"POST")
    with connected(server) as connection, contextlib.suppress(OSError):
        connection.sendall(begin + b"1\r\nx\r\n0\r\nX-Trailer: ")
        for _ in range(100):
            connection.sendall(b"x" * MEGABYTE)
        pytest.fail("the connection stayed open")


def test_a_large_body_is_no_head(server: RunningServer) -> None:
    body = json.dumps({"transcript": "They will sign.", "unknown": "x" * 5 * LARGEST_HEAD, "model_type": "few_shot"})
    assert server.ask("POST", "/predict", body)[0] == 200


def test_what_is_no_http_is_400_in_the_one_error_shape(server: RunningServer) -> None:
    assert sent(server, b"HELLO\r\n\r\n") == (400, "invalid_http")


def test_few_requests_may_wait_on_one_connection(server: RunningServer) -> None:
    for requests, answered in ((10, 10), (1000, 0)):
        with connected(server) as connection:
            connection.sendall(head() * (requests - 1) + head("Connection: close"))
            assert received(connection).count(b"HTTP/1.1 200") == answered


def test_a_head_has_ten_seconds_however_slowly_it_comes(server: RunningServer) -> None:
    began = time.monotonic()
    with connected(server) as silent, connected(server) as slow, connected(server) as kept:
        kept.sendall(head())
        assert answer_of(kept)[0] == 200
        slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        slow.settimeout(0.5)
        while time.monotonic() - began < 3 * HEAD_SECONDS:
            with contextlib.suppress(TimeoutError):
                assert answer_of(slow) == (408, "too_slow")
                break
            slow.sendall(b"x")
        else:
            pytest.fail("it is still waited for")
        assert time.monotonic() - began > HEAD_SECONDS - 1
        assert answer_of(silent)[0] == 0
        assert kept.recv(1) == b""


def test_plain_uvicorn_has_the_same_door(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "deployment_system:app", "--http", "service.limits.door:Door"]
    environment = {**os.environ, "SALES_ARTIFACTS": str(trained_artifacts.root), "SALES_STATE": str(tmp_path)}
    key = admin_key_path(load_settings(state=tmp_path))
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, env=environment, stderr=file)
    with RunningServer(process, port, log, key) as server:
        server.wait_until_ready(1)
        assert sent(server, head(f"X-Long: {'x' * LARGEST_HEAD}")) == (431, "head_too_large")
        server.stop()


def connections(server: RunningServer) -> int:
    """How many the workers hold."""
    return sum(len(psutil.Process(pid).net_connections("tcp")) for pid in server.workers())


def test_silent_connections_shut_nobody_out(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(server)) for _ in range(4 * WORKERS * MOST)]
        assert server.ask("GET", "/health/live")[0] == 200
        assert server.ask("POST", "/predict", json.dumps({"transcript": "Hi.", "model_type": "few_shot"}))[0] == 200
        until(lambda: connections(server) < WORKERS * (MOST + 8), 20)  # a worker may not have looked at all of them yet
        silent[-1].sendall(head())
        assert answer_of(silent[-1])[0] == 200, "who came last is still there"


def test_silent_connections_of_other_addresses_leave_each_its_own(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        mine = stack.enter_context(connected(server, "127.0.0.2"))
        mine.sendall(b"GET /health/live HTTP/1.1\r\n")
        for _ in range(4 * WORKERS * OF_ADDRESS):
            stack.enter_context(connected(server, "127.0.0.3"))
        mine.sendall(b"Host: localhost\r\n\r\n")
        assert answer_of(mine)[0] == 200


def unfinished(server: RunningServer, address: str) -> socket.socket:
    """A request that is answered once its body is there, which does not come."""
    connection = connected(server, address)
    connection.sendall(head("Content-Length: 100000", path="/predict").replace(b"GET", b"POST") + b"{")
    return connection


def ended(under_way: list[socket.socket], seconds: float = 0) -> list[socket.socket]:
    """Those that were answered or closed; waits so long for the first."""
    return select.select(under_way, [], [], seconds)[0]


def test_an_address_with_too_many_requests_under_way_is_refused(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        tried = [stack.enter_context(unfinished(server, "127.0.0.4")) for _ in range(4 * WORKERS * OF_ADDRESS)]
        until(lambda: len(tried) - len(ended(tried)) <= WORKERS * OF_ADDRESS, 20)

        def is_told() -> bool:  # or takes a place of a worker that has one left
            more = [stack.enter_context(unfinished(server, "127.0.0.4")) for _ in range(8)]
            return (429, "too_many_connections") in [answer_of(one) for one in ended(more, 1)]

        until(is_told, 60)
        with connected(server, "127.0.0.5") as other:
            other.sendall(head())
            assert answer_of(other)[0] == 200


def test_a_trusted_proxy_is_not_counted_as_one_caller(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        under_way = [stack.enter_context(unfinished(server, PROXY)) for _ in range(WORKERS * OF_ADDRESS + 4)]
        time.sleep(0.5)
        assert ended(under_way) == []


def test_health_is_answered_however_many_requests_are_under_way(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(4 * WORKERS * MOST):
            stack.enter_context(unfinished(server, f"127.0.1.{number % 100 + 1}"))

        def are_full() -> bool:  # which the system's sharing of connections among the workers does not promise
            for number in range(16):
                stack.enter_context(unfinished(server, f"127.0.2.{number + 1}"))
            return [sent(server, head(path="/app"))[0] for _ in range(10)] == [503] * 10

        until(are_full, 30)
        assert [sent(server, head())[0] for _ in range(10)] == [200] * 10
