"""Requests that a client may repeat: the same again, with the same key of its own, stores nothing twice.

Answers are not kept, as they quote what a customer said: a repeated request is answered anew, under the ids of the first.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from foundations.errors import InputError
from prediction_log.tables.requests import repeatable
from prediction_log.tables.rows import milliseconds_now

KEPT_HOURS = 24


class ReusedKeyError(InputError):
    """The key came with something else before."""


@dataclass(frozen=True)
class Repeatable:
    """A request with a key of its client."""

    key: str  # SHA-256 of caller, route and key, as hex
    content: str  # SHA-256 of what was sent, as hex

    def ids(self, first_ms: int) -> Iterator[str]:
        """Ids of predictions, as `new_prediction_id` makes them, but always the same."""
        for number in itertools.count():
            yield f"{first_ms:012x}{hashlib.sha256(f'{self.key} {number}'.encode()).hexdigest()[:20]}"


def remember(connection: Connection, insert: Any, request: Repeatable) -> tuple[int, bool]:
    """When the request came first, in milliseconds since 1970, and whether that is now; for KEPT_HOURS.

    insert: that of the database. Raises ReusedKeyError.
    """
    now = milliseconds_now()
    connection.execute(delete(repeatable).where(repeatable.c.first_ms < now - KEPT_HOURS * 3_600_000))
    values = {"key": request.key, "content": request.content, "first_ms": now}
    statement = insert(repeatable).values(values).on_conflict_do_nothing()
    counted = {"preserve_rowcount": True}  # else PostgreSQL's driver does not say how many rows were new
    is_new = connection.execute(statement, execution_options=counted).rowcount == 1
    found = connection.execute(select(repeatable).where(repeatable.c.key == request.key)).one()
    if found.content != request.content:
        raise ReusedKeyError(
            f"This Idempotency-Key came with another request in the last {KEPT_HOURS} hours; give each request its own."
        )
    return int(found.first_ms), is_new
