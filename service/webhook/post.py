"""One HTTP POST with the standard library: no redirect is followed, no proxy asked, nothing of the answer's body read.

It ends after SECONDS whatever the other side does, but for a resolver of names that hangs: only that thread waits for it.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

SECONDS = 10.0  # for the whole exchange
CONNECT_SECONDS = 5.0


class PostError(Exception):
    """No answer came; the message says why, for a log, without the address."""


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status that the address answers with. Raises PostError."""
    parts = urlsplit(url)
    assert parts.hostname is not None  # as `foundations.outgoing` checked
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS)
    if parts.scheme == "https":
        secured = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=CONNECT_SECONDS, context=secured)
    try:
        connection.connect()
        with _ended_in_time(connection.sock):
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PostError(_why(error)) from error
    finally:
        connection.close()


@contextlib.contextmanager
def _ended_in_time(connected: socket.socket) -> Iterator[None]:
    """A time-out of the socket holds for each piece that is read, and there may be any number."""
    connected.settimeout(SECONDS)
    timer = threading.Timer(SECONDS, _end, (connected,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        connected.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    """Its kind and the system's words; other words may quote what the other side sent."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__} {words}".strip()
