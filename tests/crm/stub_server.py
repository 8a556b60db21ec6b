"""A stand-in for a CRM as a real server on this machine, and what both stand-ins have in common: a clock, limits, failures."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

TOKEN = "test-token-of-nobody"


@dataclass
class Sent:
    """A request that was answered with success or not."""

    method: str
    path: str
    body: Any
    query: dict[str, str]


@dataclass
class CrmStub:
    """What every stand-in has. `passed` moves its clock, so that no test waits."""

    limit: int = 1_000_000  # requests within `window` seconds
    window: float = 10.0
    passed: timedelta = timedelta()
    log: list[Sent] = field(default_factory=list)
    failures: deque[Response] = field(default_factory=deque)  # answers to the next requests
    violations: list[str] = field(default_factory=list)  # what nobody may send
    before: Callable[[Sent], None] | None = None  # called with each request
    _times: deque[datetime] = field(default_factory=deque)

    def now(self) -> datetime:
        moment = datetime.now(UTC) + self.passed
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)  # CRMs know no shorter time

    def writes(self) -> list[Sent]:
        """All requests but those that only read."""
        reads = ("/search", "/batch/read")
        return [one for one in self.log if one.method != "GET" and not one.path.endswith(reads)]

    def too_many(self) -> bool:
        now = self.now()
        while self._times and now - self._times[0] >= timedelta(seconds=self.window):
            self._times.popleft()
        if len(self._times) >= self.limit:
            return True
        self._times.append(now)
        return False

    async def noted(self, request: Request) -> Sent:
        body = await request.body()
        sent = Sent(request.method, request.url.path, json.loads(body) if body else None, dict(request.query_params))
        if self.before is not None:
            self.before(sent)
        self.log.append(sent)
        return sent


Answer = Callable[[Sent], Awaitable[Response] | Response]


def wait(stub: CrmStub) -> Callable[[float], None]:
    """In place of sleeping: the stand-in's clock moves."""

    def passes(seconds: float) -> None:
        stub.passed += timedelta(seconds=seconds)

    return passes


def json_answer(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status)


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Its address, while it runs."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
