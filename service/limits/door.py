"""The server's side of one connection, before any request is looked at: uvicorn's own, with limits.

`uvicorn.Config(http=Door)` or `uvicorn --http service.limits.door:Door`. uvicorn's parser keeps whatever a client sends as
one header until that ends. Here the bytes since it last delivered something are counted: a head of more than 64 kB or
of more than 200 headers is a 431. `Crowd`, which the application hands over as part of its lifespan state, decides
who may stay. WebSockets are not spoken. Who is turned away gets the API's error shape and a moment to read it.
"""

from __future__ import annotations

import http
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.limits.crowd import Crowd

STATE = "crowd"  # its name in the lifespan state
LARGEST_HEAD = 65_536  # bytes
MOST_HEADERS = 200
MOST_WAITING_REQUESTS = 16  # sent on one connection before the first of them is answered
LINGER_SECONDS = 2.0  # that who was turned away may go on sending, or else he would not get to the answer
_MOST_IGNORED = 1_048_576  # bytes in that time

_TRY_AGAIN = (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE)
_NO_HTTP = (400, "invalid_http", "This is no HTTP request.")
_TOO_LARGE = (
    431,
    "head_too_large",
    f"The first line and the headers of a request may have {LARGEST_HEAD:,} bytes and {MOST_HEADERS} headers.",
)
_TOO_MANY = (503, "too_many_connections", "Too many requests are being answered; try again in a moment.")


class Door(HttpToolsProtocol):
    """One connection of a worker."""

    def __init__(self, app_state: dict[str, Any], **given: Any) -> None:
        super().__init__(app_state=app_state, **given)
        self.ws_protocol_class = None
        self.address = ""
        self._crowd: Crowd = app_state[STATE]
        self._problem = _NO_HTTP
        self._undelivered = 0  # bytes since the parser last made something of them
        self._in_head = True
        self._ignored = -1  # bytes since it was turned away; negative before

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.address = self._crowd.address_of(self.client[0]) if self.client else ""
        self._crowd.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._crowd.left(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        for begin in range(0, len(data), LARGEST_HEAD):
            piece = data[begin : begin + LARGEST_HEAD]
            if self._ignored >= 0:
                self._ignore(len(piece))
            elif not self.transport.is_closing():
                self._undelivered += len(piece)
                super().data_received(piece)
                if self._undelivered > LARGEST_HEAD and self._ignored < 0:
                    self.turn_away(*_TOO_LARGE)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._crowd.stalls(self)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._crowd.flows(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools: a header, or after a body in pieces a trailer."""
        if len(self.headers) >= MOST_HEADERS:
            self._refuse(_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools: the head is there."""
        self._in_head = False
        self._undelivered = 0
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > LARGEST_HEAD:
            self._refuse(_TOO_LARGE)
        if len(self.pipeline) >= MOST_WAITING_REQUESTS or not self._crowd.asks(self, self.url):
            self._refuse(_TOO_MANY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools: a piece of a body."""
        self._undelivered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools: the next head may follow."""
        self._in_head = True
        self._undelivered = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn: a request was answered."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._crowd.waits(self)

    def send_400_response(self, msg: str) -> None:
        """See uvicorn: the parser could not go on, or was not let."""
        self.turn_away(*self._problem)

    def close_now(self) -> None:
        """See Guest."""
        self.transport.abort()

    def turn_away(self, status: int, code: str, message: str) -> None:
        """See Guest; who is silent gets no answer, which he would take for that to his next request."""
        silent = self._in_head and not self._undelivered and status != http.HTTPStatus.TOO_MANY_REQUESTS
        if self._ignored >= 0 or silent or not (self.cycle is None or self.cycle.response_complete):
            self.transport.abort()
            return
        self._ignored = 0
        self._crowd.waits(self)
        again = {"Retry-After": "1"} if status in _TRY_AGAIN else {}
        answer = self._crowd.answer(status, code, message, {"Connection": "close", **again})
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}".encode("ascii")]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _refuse(self, problem: tuple[int, str, str]) -> None:
        """Stops the parser, which has uvicorn call `send_400_response`."""
        self._problem = problem
        raise ValueError(problem[2])

    def _ignore(self, size: int) -> None:
        self._ignored += size
        if self._ignored > _MOST_IGNORED:
            self.transport.abort()
