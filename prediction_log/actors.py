"""Who does something to what is stored, and the row of the audit table that says so; holds nothing of a customer."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from prediction_log.tables.rows import Record

Action = Literal[
    "key refused",
    "version loaded",
    "version promoted",
    "version rolled back",
    "trial started",
    "trial ended",
    "feedback given",
    "prediction deleted",
    "conversation deleted",
    "purged",
]


@dataclass(frozen=True)
class Actor:
    """Who, from where, by which request."""

    caller: str  # a key's name, or an address
    address: str
    request_id: str


OPERATOR = Actor("the command line", "", "")


def audit_row(actor: Actor, action: Action, subject: str, **detail: Any) -> Record:
    """A row of `audit`, of now."""
    return {
        "entry_id": new_entry_id(),
        "at": datetime.now(UTC),
        "caller": actor.caller[:64],
        "address": actor.address[:64],
        "request_id": actor.request_id,
        "action": action,
        "subject": subject[:80],
        "detail": detail,
    }


def new_entry_id() -> str:
    """32 hexadecimal digits: 14 of the time in microseconds, as what one caller does follows within a millisecond."""
    return f"{time.time_ns() // 1000:014x}{os.urandom(9).hex()}"


def conversation_subject(conversation_id: str) -> str:
    """What stands for a deleted conversation: its SHA-256, which whoever knows the id can compare, and no one else read."""
    return f"sha256:{hashlib.sha256(conversation_id.encode('utf-8', 'replace')).hexdigest()}"
