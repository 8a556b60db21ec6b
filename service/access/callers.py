"""Who sends a request, and what they may do: by a key, or without configured keys by where they are.

Without configured keys programs of this machine may predict, with SALES_OPEN=yes everybody; whatever manages the
service needs the admin key, always. A key that is given and not known is refused, also where none would be needed.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from starlette.requests import HTTPConnection

from foundations.errors import InputError
from foundations.settings import Settings
from service.access.addresses import Addresses, from_this_machine, is_loopback
from service.access.key_ring import KeyRing
from service.access.keys import ROLES, Need

_NOTHING: frozenset[Need] = frozenset()
_HOW = "'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
_SEND = f"send one as {_HOW}"
_ADMIN_KEY = f"This needs the admin key, which the service's state folder has in its file admin_key; send it as {_HOW}"


@dataclass(frozen=True)
class Caller:
    """Who sends a request."""

    name: str  # of the key, or the address
    address: str
    needs: frozenset[Need]  # what they may do
    key: Literal["none", "known", "unknown", "ended"]
    missing: str  # the sentence for what they may not do, without its full stop; of a known key empty


class Callers:
    """Tells who sends a request."""

    def __init__(self, settings: Settings) -> None:
        """Raises InputError where the keys can't be read."""
        self.keys = KeyRing(settings)
        self.addresses = Addresses(settings.proxies)
        self._is_open = settings.open == "yes"

    def of(self, request: HTTPConnection) -> Caller:
        """By its Authorization: Bearer or X-API-Key header, else by where it comes from."""
        address = self.addresses.of(request)
        given = _given_key(request)
        if given is None:
            return self._without_key(request, address)
        key = self.keys.matching(given)
        if key is None:
            return Caller(address, address, _NOTHING, "unknown", f"The API key is not known; {_SEND}")
        if key.last_day is not None and _today() > key.last_day:
            said = f"The API key was good until {key.last_day}; {_SEND} that is good now"
            return Caller(address, address, _NOTHING, "ended", said)
        return Caller(key.name, address, key.needs, "known", "")

    def _without_key(self, request: HTTPConnection, address: str) -> Caller:
        if self.keys.configured:
            return Caller(address, address, _NOTHING, "none", f"This needs an API key; {_SEND}")
        if self._is_open or from_this_machine(request, address):
            return Caller(address, address, ROLES["predict"], "none", _ADMIN_KEY)
        said = "Without API keys only programs of the service's own machine are answered; its operator can set SALES_API_KEYS"
        return Caller(address, address, _NOTHING, "none", said)


def check_openness(settings: Settings) -> None:
    """Raises InputError where strangers could reach a service that asks nobody for a key."""
    if settings.open == "yes" or settings.api_keys or settings.api_keys_file or _is_here(settings.host):
        return
    raise InputError(
        f"The host {settings.host!r} is reached from other machines, and no API keys are set; set SALES_API_KEYS or "
        "SALES_API_KEYS_FILE, or SALES_OPEN=yes where everybody who reaches it may predict."
    )


def _is_here(host: str) -> bool:
    """Whether every address that a host's name stands for is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        return all(is_loopback(str(found[4][0])) for found in socket.getaddrinfo(host, None))
    except OSError:
        return False


def _given_key(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key") or None


def _today() -> date:
    return datetime.now(UTC).date()
