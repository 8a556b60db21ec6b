"""How large a body may be, and how much of all bodies together a worker holds at once; both counted while they come in.

A worker has room for eight of the largest bodies, and a caller may hold as much as he leaves free: alone half of the
room, and whoever comes next finds some. Costs a few microseconds a request.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from starlette.requests import Request
from starlette.types import Message, Receive

from service.limits.refused import RETRY_SECONDS, RefusedError
from service.limits.tally import Tally

ROOM = 8  # largest bodies
_DISCARDED = 4  # times the limit that is still read of a body that is refused, so that its sender gets to the answer
_MOST_DIGITS = 19  # of a declared length that is believed


class Bodies:
    """The bodies of one worker's requests."""

    def __init__(self, largest: int) -> None:
        """largest: bytes of one body."""
        self._largest = largest
        self._held = Tally()  # bytes, by caller

    @contextlib.contextmanager
    def counted(self, request: Request, caller: str) -> Iterator[Receive]:
        """`request.receive` that counts the body as held until this block ends.

        It raises RefusedError: 413 for a body beyond the limit, 503 where there is no room for it now.
        """
        receive, held = request.receive, 0
        length = request.headers.get("content-length", "")
        declared = int(length) if length.isdecimal() and len(length) <= _MOST_DIGITS else 0

        async def counted() -> Message:
            nonlocal held
            message = await receive()
            more = len(message.get("body", b""))
            problem = self._problem(caller, held, max(more, declared - held))
            if problem is None:
                held += more
                self._held.add(caller, more)
                return message
            discarded = held + more
            while message.get("more_body") and discarded <= _DISCARDED * self._largest:
                message = await receive()
                discarded += len(message.get("body", b""))
            raise problem

        try:
            yield counted
        finally:
            self._held.add(caller, -held)

    def _problem(self, caller: str, held: int, more: int) -> RefusedError | None:
        """Why a caller may not send `more` bytes of a body of which `held` are here."""
        if held + more > self._largest:
            said = f"The body is larger than the {self._largest:,} bytes that are accepted."
            return RefusedError(413, "too_large", said)
        if self._held.of(caller) + more > ROOM * self._largest - self._held.total - more:
            said = "Too many large requests are being read; try again in a moment."
            return RefusedError(503, "too_many_bodies", said, RETRY_SECONDS)
        return None
