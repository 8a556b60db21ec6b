"""The header Idempotency-Key: a client that got no answer sends the same again, and nothing is stored twice."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Header, Request

from prediction_log.repeats import KEPT_HOURS, Repeatable

HEADER = "Idempotency-Key"
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=255,
        description=f"Any text of yours; the same request with the same key stores nothing twice within {KEPT_HOURS} hours",
    ),
]


async def repeatable(request: Request, key: str | None) -> Repeatable | None:
    """What is remembered of an admitted request: hashes alone. None where it has no key."""
    if key is None:
        return None
    who = "\n".join((request.state.caller.name, request.method, request.url.path, key))
    content = hashlib.sha256(f"{request.url.query}\n".encode())
    content.update(await request.body())
    return Repeatable(hashlib.sha256(who.encode("utf-8", "surrogateescape")).hexdigest(), content.hexdigest())
