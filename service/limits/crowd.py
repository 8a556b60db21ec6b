"""Who is connected to one worker: so many at most, so many of one address, and nobody who keeps it waiting.

A connection waits until the head of a request (its first line and headers) is there, and again once it was answered.
Whoever waits longest makes room for who comes: silent connections shut nobody out. A proxy that is trusted stands for many
callers, so it may have as many connections as there are places. A sixteenth of the places is for
those that wait or ask for the health of the service, however many others are being answered. A head has ten seconds,
an answer that is not read thirty. All of it in the event loop; a connection costs a few microseconds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from starlette.responses import Response

HEAD_SECONDS = 10.0
UNREAD_SECONDS = 30.0
LOOK_SECONDS = 0.5
HEALTH = b"/health"
_HEALTH_SHARE = 16  # one place in so many
BACKLOG = 2048  # connections that wait to be accepted; all of them are before the first is looked at
_OWN_DESCRIPTORS = 256  # files, databases and threads of the service itself

Answer = Callable[[int, str, str, dict[str, str]], Response]  # status, code, message, headers


class Guest(Protocol):
    """A connection, as it is seen here."""

    address: str  # as `Crowd.address_of` has it

    def close_now(self) -> None:
        """Ends it without a word."""

    def turn_away(self, status: int, code: str, message: str) -> None:
        """Ends it with an answer, where none is under way."""


class Crowd:
    """The connections of one worker."""

    def __init__(self, most: int, of_address: int, answer: Answer, is_proxy: Callable[[str], bool]) -> None:
        """of_address: 0 for no limit. answer: for who is turned away. is_proxy: whether an address is that of many callers."""
        self.answer = answer
        self._is_proxy = is_proxy
        self._most = min(most, free_descriptors(most))
        self._of_address = of_address or self._most
        self._served = self._most - max(1, self._most // _HEALTH_SHARE)
        self._here: set[Guest] = set()  # without those that were told to go: their places are given away
        self._here_of: Counter[str] = Counter()  # how many of each address
        self._waiting: dict[Guest, float] = {}  # since when; the first has waited longest
        self._waiting_of: dict[str, dict[Guest, None]] = {}  # the same by address
        self._unread: dict[Guest, float] = {}  # since when the other side does not read

    def __len__(self) -> int:
        return len(self._here)

    def address_of(self, host: str) -> str:
        """What a connection from `host` is counted as: a proxy apart from its network, which has callers of its own."""
        return host if self._is_proxy(host) else origin(host)

    def came(self, guest: Guest) -> None:
        """One more; while that is too many, who has waited longest goes, last the one that came."""
        self._here.add(guest)
        self._here_of[guest.address] += 1
        self.waits(guest)
        is_staying = True
        while is_staying and self._here_of[guest.address] > self._of_address and not self._is_proxy(guest.address):
            is_staying = self._make_room(guest, self._waiting_of[guest.address])
        while is_staying and len(self) > self._most:
            is_staying = self._make_room(guest, self._waiting)

    def asks(self, guest: Guest, path: bytes) -> bool:
        """Its head is complete: whether it is served. Where too many others are, only those that ask for health are."""
        self._stop_waiting(guest)
        return path.startswith(HEALTH) or len(self) - len(self._waiting) <= self._served

    def waits(self, guest: Guest) -> None:
        """It has been answered, or has just come, or was turned away and is about to leave."""
        self._stop_waiting(guest)
        self._waiting[guest] = time.monotonic()
        self._waiting_of.setdefault(guest.address, {})[guest] = None

    def left(self, guest: Guest) -> None:
        """It is gone, or about to go."""
        self._stop_waiting(guest)
        self._unread.pop(guest, None)
        if guest in self._here:
            self._here.remove(guest)
            self._here_of[guest.address] -= 1
            if not self._here_of[guest.address]:
                del self._here_of[guest.address]

    def stalls(self, guest: Guest) -> None:
        """The other side does not read what is sent."""
        self._unread[guest] = time.monotonic()

    def flows(self, guest: Guest) -> None:
        """It reads again."""
        self._unread.pop(guest, None)

    async def watch(self) -> None:
        """Looks after the slow ones, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Ends those that have waited or stalled too long."""
        now = time.monotonic()
        for guest in _older(self._unread, now - UNREAD_SECONDS):
            guest.close_now()
        for guest in _older(self._waiting, now - HEAD_SECONDS):
            if guest not in self._unread:
                said = f"The head of a request has to be there within {HEAD_SECONDS:g} s."
                guest.turn_away(408, "too_slow", said)

    def _make_room(self, newcomer: Guest, waiting: dict[Guest, float] | dict[Guest, None]) -> bool:
        """Gives the place of who has waited longest to the newcomer; False where nobody else waits."""
        oldest = next(iter(waiting))
        if oldest is newcomer:
            newcomer.turn_away(429, "too_many_connections", "There are too many connections; close some and try again.")
            return False
        oldest.close_now()
        self.left(oldest)  # whoever comes in the same moment needs another one's place
        return True

    def _stop_waiting(self, guest: Guest) -> None:
        if self._waiting.pop(guest, None) is None:
            return
        of_address = self._waiting_of[guest.address]
        del of_address[guest]
        if not of_address:
            del self._waiting_of[guest.address]


def origin(host: str) -> str:
    """What counts as one address: an IPv4 address, and of IPv6 the network of which a customer gets all (/64)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host  # a socket of the file system has none
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def free_descriptors(wanted: int) -> int:
    """How many connections this process may have at once; asks the system for as many as `wanted` need.

    More than those are open for a moment where many connect at once, before the first of them is looked at.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + BACKLOG + _OWN_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - _OWN_DESCRIPTORS))


def _older(since: dict[Guest, float], moment: float) -> list[Guest]:
    found = []
    for guest, began in since.items():
        if began > moment:
            break
        found.append(guest)
    return found
