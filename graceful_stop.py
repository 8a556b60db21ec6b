"""Between SIGTERM and the end: for half a second the service still takes requests, and asks every client to go.

Each answer then closes its connection and /health/ready says no. Then the port is closed without losing anybody: Linux is
told to ignore who wants to connect now, so that the connections it has already accepted can be taken and answered, and
only after that uvicorn shuts down as usual. Without the first, a client whose connection is kept alive would send its
next request into a connection that is just being closed; without the second, connections that wait to be taken would be
reset. Works under any uvicorn, in the main thread only, where signals arrive; elsewhere (tests) it does nothing.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listening_sockets import listeners_of, refuse_new_connections, send_at_once

LINGER_SECONDS = 0.5
TAKE_SECONDS = 0.25  # for what has connected already: it is taken at once, and its request needs the way to get here


class GracefulStop:
    """Whether the service is about to end. `watch` it from the event loop."""

    def __init__(self) -> None:
        self.draining = False
        self._before: Any = None  # uvicorn's signal handler

    def watch(self) -> None:
        """Takes SIGTERM first and passes it on to uvicorn's handler when all is done, a second one at once."""
        before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            return
        self._before = before
        loop = asyncio.get_running_loop()

        def take(number: int, frame: FrameType | None) -> None:
            if self.draining:
                before(number, frame)
                return
            self.draining = True
            loop.call_soon_threadsafe(loop.call_later, LINGER_SECONDS, turn_away, number, frame)

        def turn_away(number: int, frame: FrameType | None) -> None:
            for listener in listeners_of(before):
                refuse_new_connections(listener)
            loop.call_later(TAKE_SECONDS, before, number, frame)

        signal.signal(signal.SIGTERM, take)

    def send_at_once(self) -> None:
        """Has uvicorn's answers sent without delay, also where it has opened the port itself; once it listens."""
        for listener in listeners_of(self._before):
            send_at_once(listener)


class CloseWhenDraining:
    """ASGI middleware: while the service is about to end, each answer closes its connection."""

    def __init__(self, app: ASGIApp, stop: GracefulStop) -> None:
        self.app = app
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if self._stop.draining and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self.app(scope, receive, send_and_close)
