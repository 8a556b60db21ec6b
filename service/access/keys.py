"""Who calls, and what they may do: API keys with a role, or without keys the machine the service runs on.

SALES_API_KEYS is a list of role:key, role:sha256=HEX where the key itself must not stand in the environment. Keys are
compared as SHA-256 hashes, each with all, in constant time; they are random, so a fast hash is enough. Where no key is
configured everybody may predict, and management needs a connection from this machine that no proxy passed on and no
other site's page started. Knows nothing of routes.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from starlette.requests import HTTPConnection

from foundations.errors import InputError

Role = Literal["predict", "admin"]
ROLES: tuple[Role, ...] = ("predict", "admin")  # admin may do what predict may
SHORTEST_KEY = 16
_HASHED = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class ApiKey:
    """A configured key."""

    role: Role
    sha256: bytes

    @property
    def name(self) -> str:
        """What logs and records call it; says nothing of the key."""
        return f"key-{self.sha256.hex()[:8]}"


@dataclass(frozen=True)
class Caller:
    """Who sends a request."""

    name: str  # of the key, or the address
    role: Role | None  # None: unknown
    gave_key: bool


class ApiKeys:
    """The configured keys."""

    def __init__(self, setting: str) -> None:
        """Raises InputError, which does not quote a key."""
        entries = [entry.strip() for entry in setting.split(",") if entry.strip()]
        self._keys = [_api_key(number, entry) for number, entry in enumerate(entries, start=1)]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def caller(self, request: HTTPConnection) -> Caller:
        """Who sends `request`, by its Authorization: Bearer or X-API-Key header, else by where it comes from."""
        address = request.client.host if request.client else "unknown"
        given = _given_key(request)
        if self._keys:
            key = self._matching(given) if given else None
            return Caller(key.name, key.role, True) if key else Caller(address, None, given is not None)
        return Caller(address, "admin" if _from_this_machine(request, address) else "predict", False)

    def _matching(self, given: str) -> ApiKey | None:
        sha256 = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self._keys:  # all of them, so that the time tells nothing
            if hmac.compare_digest(key.sha256, sha256):
                found = key
        return found


def _api_key(number: int, entry: str) -> ApiKey:
    role, _, key = entry.partition(":")
    where = f"The setting SALES_API_KEYS, entry {number}:"
    if role not in ROLES:
        raise InputError(f"{where} write role:key, where the role is {' or '.join(ROLES)}.")
    hashed = _HASHED.fullmatch(key)
    if hashed:
        return ApiKey(role, bytes.fromhex(hashed[1]))
    if len(key) < SHORTEST_KEY or key.startswith("sha256="):
        raise InputError(
            f"{where} a key needs at least {SHORTEST_KEY} characters, and sha256= is followed by 64 hexadecimal digits; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return ApiKey(role, hashlib.sha256(key.encode("utf-8")).digest())


def _given_key(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key") or None


def _from_this_machine(request: HTTPConnection, address: str) -> bool:
    """A loopback connection of a program here: not a proxy's, not a page of another site (a foreign Origin or Host)."""
    if not _is_loopback(address):
        return False
    headers = request.headers
    if any(name in headers for name in _PASSED_ON) or request.url.hostname not in _THIS_MACHINE:
        return False
    origin = headers.get("origin")
    return origin is None or origin == f"{request.url.scheme}://{request.url.netloc}"


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
