"""Between SIGTERM and the end: for half a second the service still takes requests, and asks every client to go.

Each answer then closes its connection and /health/ready says no. Then the port is closed without losing anybody: Linux
is told to ignore who wants to connect now, so that the connections it has already accepted can be taken and answered,
and only after that uvicorn shuts down as usual. Without the first, a client whose connection is kept alive would send
its next request into a connection that is just being closed; without the second, connections that wait to be taken
would be reset. What is set on the listening sockets holds for every connection that they take. Works under any uvicorn,
in the main thread only, where signals arrive; elsewhere (tests) it does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import threading
from types import FrameType
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Drops packets that only ask for a new connection (of the flags SYN and ACK in byte 13 of the TCP header, SYN alone),
# lets all others through. Classic BPF instructions: code, steps to jump where true and where false, operand.
_NO_NEW_CONNECTION = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # pass it
)
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # Linux


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

    def look_after_port(self) -> None:
        """Once uvicorn listens: its answers are sent without delay, also where it has opened the port itself.

        And where another worker alone was ended, which turned clients away from the port of all, they are heard again.
        """
        for listener in listeners_of(self._before) if not self.draining else ():
            send_at_once(listener)
            take_new_connections(listener)


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


def send_at_once(listener: Any) -> None:
    """Answers are sent as they are written: an answer's head and body are two writes, and a system that waits with the
    second until the first is acknowledged (Nagle's algorithm) adds 40 ms to each request on a kept connection.

    asyncio does this for sockets that it makes itself, not for those that it is given, as every one of several workers
    is.
    """
    with contextlib.suppress(OSError):  # not TCP
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def refuse_new_connections(listener: Any) -> None:
    """Whoever wants to connect from now on is not heard, and refused once the port is closed; who has, can be taken.

    listener: a socket that listens; the workers share it. Nothing happens where the system isn't Linux.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_NEW_CONNECTION)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HP", len(_NO_NEW_CONNECTION), ctypes.addressof(instructions))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def take_new_connections(listener: Any) -> None:
    """Undoes `refuse_new_connections`."""
    with contextlib.suppress(OSError):  # nobody was refused
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def listeners_of(handler: Any) -> list[Any]:
    """The sockets on which the uvicorn listens whose signal handler this is."""
    servers = getattr(getattr(handler, "__self__", None), "servers", ())
    return [listener for server in servers for listener in server.sockets]
