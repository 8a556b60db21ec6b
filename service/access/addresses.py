"""Where a request comes from: the address of its connection, or what a trusted proxy says of the one before it.

X-Forwarded-For is written by whoever sends a request; each proxy adds the address that it sees. So it is read from its
end, and only as far as every address is one of SALES_TRUSTED_PROXIES.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from starlette.requests import HTTPConnection

from foundations.settings import Network

UNKNOWN = "unknown"
FORWARDED = "forwarded"  # somebody behind a proxy that is not trusted, whom a server before us gave the name they chose
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Addresses:
    """Callers' addresses, for one list of trusted proxies."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted

    def of(self, request: HTTPConnection) -> str:
        """The caller's address: that of the last sender who is no trusted proxy."""
        peer = request.client.host if request.client else UNKNOWN
        said = [part.strip() for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]
        if not self.is_trusted(peer):
            # uvicorn's own command line believes every proxy of this machine, unless told --no-proxy-headers
            return FORWARDED if any(_without_port(part) == peer for part in said) else peer
        address = peer
        for part in reversed(said):
            found = _parsed(_without_port(part))
            if found is None:
                break
            address = str(found)
            if not self.is_trusted(address):
                break
        return address

    def is_trusted(self, address: str) -> bool:
        """Whether an address is a trusted proxy's; no name is."""
        found = _parsed(address)
        return found is not None and any(found in network for network in self._trusted)


def from_this_machine(request: HTTPConnection, address: str) -> bool:
    """Both ends of the connection are here, and no proxy says that it passed the request on.

    No proof of who asks: a proxy need not say so.
    """
    server = request.scope.get("server") or (UNKNOWN, None)
    both_here = is_loopback(address) and is_loopback(str(server[0]))
    return both_here and not any(name in request.headers for name in _PASSED_ON)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, 127.0.0.1 or ::1; no name is."""
    found = _parsed(address)
    return found is not None and found.is_loopback


def _without_port(written: str) -> str:
    """`192.0.2.7:1234` and `[2001:db8::1]:1234` without brackets and port."""
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0] if written.count(":") == 1 else written


@lru_cache(maxsize=4096)
def _parsed(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
