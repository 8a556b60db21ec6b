"""HubSpot's webhooks: whether a request is HubSpot's (signature version 3), and which deals its events are about.

Events may come twice and in any order, and say what was so when they were made. So nothing of them is taken but which deal to
look at; the next sync reads how it is by then. What changes in our own fields is our own doing and is left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from crm.accounts.hubspot_records import FIELDS, account_of
from foundations.errors import InputError, described

LONGEST_AGE_SECONDS = 300
_KINDS = ("deal.", "object.")  # the latter says apart what it is about
_DEAL_TYPE = "0-3"
_DECODED = ("%3A", "%2F", "%3F", "%40", "%21", "%24", "%27", "%28", "%29", "%2A", "%2C", "%3B")


class WrongSignatureError(InputError):
    """The request is not HubSpot's, or too old; the message says which."""


def check_signature(
    secret: str, method: str, uri: str, body: bytes, timestamp: str, signature: str, now: float
) -> None:
    """Raises WrongSignatureError. uri: the whole address; timestamp: as the header has it; now: seconds since 1970."""
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 15:
        raise WrongSignatureError("The header X-HubSpot-Request-Timestamp should be milliseconds since 1970.")
    if abs(now - int(timestamp) / 1000) > LONGEST_AGE_SECONDS:
        raise WrongSignatureError(
            f"The request is {abs(now - int(timestamp) / 1000):,.0f} s away from now; at most {LONGEST_AGE_SECONDS} are taken."
        )
    expected = signature_of(secret, method, uri, body, timestamp)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise WrongSignatureError(
            "The header X-HubSpot-Signature-v3 does not fit this request; SALES_HUBSPOT_WEBHOOK_SECRET has to be the app's "
            "client secret, and SALES_HUBSPOT_WEBHOOK_URL the address that HubSpot calls."
        )


def signature_of(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Version 3: HMAC-SHA256 of method, address, body and time, in base64."""
    for code in _DECODED:
        uri = uri.replace(code, unquote(code))
    signed = f"{method}{uri}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def named_deals(body: bytes) -> dict[str, set[str]]:
    """The deals to look at, by account. Raises InputError for a body that is no list of events."""
    try:
        events = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("The body is no JSON; HubSpot sends a list of events.") from None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise InputError(f"The body is {described(events)}; HubSpot sends a list of events.")
    found: dict[str, set[str]] = {}
    for event in events:
        for deal_id in _deals_of(event):
            if not isinstance(portal := event.get("portalId"), int):
                raise InputError(f"The portalId of an event is {described(portal)}; HubSpot sends a number.")
            found.setdefault(account_of(portal), set()).add(deal_id)
    return found


def _deals_of(event: Mapping[str, Any]) -> Iterator[str]:
    kind = event.get("subscriptionType")
    if not isinstance(kind, str) or not kind.startswith(_KINDS) or event.get("propertyName") in FIELDS.values():
        return
    for name in _names_of_deals(event):
        if isinstance(number := event.get(name), int) and not isinstance(number, bool) and number > 0:
            yield str(number)


def _names_of_deals(event: Mapping[str, Any]) -> Iterator[str]:
    """Which fields of an event hold a deal's id: an association has two ends, of which one may be a contact."""
    if "fromObjectId" not in event:
        if event.get("objectTypeId", _DEAL_TYPE) == _DEAL_TYPE:
            yield "objectId"
        return
    association = str(event.get("associationType", ""))
    if event.get("fromObjectTypeId") == _DEAL_TYPE or association.startswith("DEAL_TO_"):
        yield "fromObjectId"
    if event.get("toObjectTypeId") == _DEAL_TYPE or association.endswith("_TO_DEAL"):
        yield "toObjectId"
