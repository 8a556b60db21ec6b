"""Between SIGTERM and the end: for half a second the service still takes requests, and asks every client to go.

Each answer then closes its connection, /health/ready says no, and only after that uvicorn shuts down as usual. Without it
a client whose connection is kept alive would send its next request into a connection that is just being closed. Works
under any uvicorn, in the main thread only, where signals arrive; elsewhere (tests) it does nothing.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS = 0.5


class GracefulStop:
    """Whether the service is about to end. `watch` it from the event loop."""

    def __init__(self) -> None:
        self.draining = False

    def watch(self) -> None:
        """Takes SIGTERM first and passes it on to uvicorn's handler after LINGER_SECONDS, a second one at once."""
        before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            return
        loop = asyncio.get_running_loop()

        def take(number: int, frame: FrameType | None) -> None:
            if self.draining:
                before(number, frame)
                return
            self.draining = True
            loop.call_soon_threadsafe(loop.call_later, LINGER_SECONDS, before, number, frame)

        signal.signal(signal.SIGTERM, take)


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
