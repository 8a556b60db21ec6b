"""What the settings of outgoing requests may be. Each check gives the value back or raises ValueError with what is right."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

SHORTEST_SECRET = 16
MOST_LINES = 20
_SAFE_ADDRESS = re.compile(r"(https://[^\s/?#@]++|http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?)(/[^\s?#@]*+)?")


def checked_url(value: str) -> str:
    """An address with https, of this machine also with http; without user, password or fragment."""
    wanted = "give https://HOST/PATH without a user and a password; http:// is for this machine alone"
    try:
        parts = urlsplit(value)
        is_plain = not (parts.username or parts.password or parts.fragment) and parts.port != 0
    except ValueError:  # a port that is none
        raise ValueError(wanted) from None
    written = value.isascii() and value.isprintable() and " " not in value
    allowed = parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname or ""))
    if not (written and is_plain and parts.hostname and allowed):
        raise ValueError(wanted)
    return value


def checked_secret(value: str, url: str) -> str:
    """A secret that is long enough where there is an address."""
    if (url or value) and len(value) < SHORTEST_SECRET:
        raise ValueError(
            f"what is sent to SALES_WEBHOOK_URL is signed with it, so it needs at least {SHORTEST_SECRET} characters; make "
            "one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return value


def checked_token(value: str) -> str:
    """What a header can carry: else the error of one that can't be sent would quote the token."""
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise ValueError("it has a space or a character that no token has; copy it again")
    return value


def checked_crm_address(value: str) -> str:
    """An address with https, of this machine also with http, so that no token crosses a network in the clear.

    Given back without a slash at its end.
    """
    if not _SAFE_ADDRESS.fullmatch(value):
        raise ValueError("give an address such as https://acme.my.salesforce.com; http is for this machine alone")
    return value.rstrip("/")


def parsed_lines(value: str) -> tuple[float, ...]:
    """Rising probabilities between 0 and 1, at least one and at most MOST_LINES."""
    wanted = f"give 1 to {MOST_LINES} probabilities between 0 and 1, such as 0.3,0.7"
    try:
        lines = sorted({float(part) for part in value.split(",") if part.strip()})
    except ValueError:
        raise ValueError(wanted) from None
    if not 1 <= len(lines) <= MOST_LINES or not all(0 < line < 1 for line in lines):
        raise ValueError(wanted)
    return tuple(lines)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
