"""API keys: what each may do, until when, and how they are written.

An entry is role:key, or role:sha256=HEX where the key itself must not stand there; `predict+feedback:KEY` has two roles,
`read@2027-01-31:KEY` ends with that day (UTC). Keys are kept as SHA-256 hashes; they are random, so a fast hash is
enough. Knows nothing of requests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from foundations.errors import InputError, quoted

Need = Literal["predict", "figures", "log", "feedback", "metrics", "manage"]  # what a route asks of its caller
# What each role may do. Figures say nothing of a customer; the log holds transcripts.
ROLES: dict[str, frozenset[Need]] = {
    "predict": frozenset({"predict", "figures"}),
    "feedback": frozenset({"feedback"}),
    "read": frozenset({"figures", "log"}),
    "metrics": frozenset({"metrics"}),
    "admin": frozenset({"predict", "figures", "log", "feedback", "metrics", "manage"}),
}
SHORTEST_KEY = 16
_HASHED = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True)
class ApiKey:
    """A configured key."""

    needs: frozenset[Need]  # what it may do
    sha256: bytes
    last_day: date | None = None  # in UTC; None: it does not end

    @property
    def name(self) -> str:
        """What logs and records call it; says nothing of the key."""
        return f"key-{self.sha256.hex()[:8]}"


def roles_with(need: Need) -> list[str]:
    """The roles that may do it, admin first."""
    return sorted((role for role, needs in ROLES.items() if need in needs), key=lambda role: (role != "admin", role))


def parsed_keys(entries: Iterable[str], source: str) -> list[ApiKey]:
    """The keys of a list. Raises InputError, which names `source` and the entry's number and quotes no key."""
    return [_api_key(entry, f"{source}, entry {number}:") for number, entry in enumerate(entries, start=1)]


def _api_key(entry: str, where: str) -> ApiKey:
    whom, _, key = entry.partition(":")
    names, has_end, last_day = whom.partition("@")
    roles = names.split("+")
    if not set(roles) <= ROLES.keys():
        raise InputError(f"{where} write role:key, where the role is one of {', '.join(ROLES)}, or several with a +.")
    return ApiKey(
        frozenset().union(*(ROLES[role] for role in roles)),
        _sha256(key, where),
        _day(last_day, where) if has_end else None,
    )


def _sha256(key: str, where: str) -> bytes:
    hashed = _HASHED.fullmatch(key)
    if hashed:
        return bytes.fromhex(hashed[1])
    if len(key) < SHORTEST_KEY or key.startswith("sha256="):
        raise InputError(
            f"{where} a key needs at least {SHORTEST_KEY} characters, and sha256= is followed by 64 hexadecimal digits; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return hashlib.sha256(key.encode("utf-8")).digest()


def _day(written: str, where: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise InputError(f"{where} the last day {quoted(written)} is no date such as 2027-01-31.") from None
