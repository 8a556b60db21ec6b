"""How routes look for a stored prediction by its id: one that is on its way to the store is waited for, else it is a 404."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.api_errors import ApiError

LATE_SECONDS = 1.0  # that feedback and deletion wait for a prediction which is still on its way to the store
_PREDICTION_ID = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


async def in_time(look: Callable[[], Awaitable[T]]) -> T:
    """What `look` gives, asked again for LATE_SECONDS where that is nothing: an answer may be quicker than its record."""
    deadline = time.monotonic() + LATE_SECONDS
    while not (found := await look()) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return found


def checked(prediction_id: str) -> str:
    """An id of our form; any other can't be there, and the database need not be asked."""
    return prediction_id if _PREDICTION_ID.fullmatch(prediction_id) else found(None, prediction_id)


def found(value: T | None, prediction_id: str) -> T:
    """What was found. Raises ApiError 404 for None."""
    if value is None:
        raise ApiError(404, "unknown_prediction", f"No prediction {prediction_id[:80]!r} is stored.")
    return value
