"""Request bodies of up to several megabytes, parsed and validated without the event loop waiting for them.

FastAPI does both on the event loop, where a body of eight megabytes can take a second, in which nobody else is answered.
Here a large body is read in a thread, one at a time: the parser never pauses, so that two of them would take turns with
each other and leave the event loop less. A small body goes FastAPI's way, at no cost.
"""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from fastapi import Request
from fastapi._compat import ModelField

from api_errors import ApiError, invalid_request

LARGE_BODY = 32_768  # bytes; fewer take about a millisecond
MOST_FIELDS = 250_000  # five for each of as many turns as are accepted; a million take the parser a second
_FIELD = re.compile(rb'"\s*:')
_reader = ThreadPoolExecutor(1, thread_name_prefix="large-body")


class ReadRequest(Request):
    """A request whose large JSON body is validated in a thread as `field`, which then finds nothing left to do."""

    field: ModelField | None = None

    async def json(self) -> Any:
        """The parsed body; of a large one, the validated model. Raises ApiError 422, JSONDecodeError."""
        body = await self.body()
        if self.field is None or len(body) < LARGE_BODY:
            return await super().json()
        return await asyncio.get_running_loop().run_in_executor(_reader, _read, body, self.field)


def _read(body: bytes, field: ModelField) -> Any:
    if next(islice(_FIELD.finditer(body), MOST_FIELDS, None), None):
        raise ApiError(422, "invalid_request", f"The body has more than {MOST_FIELDS:,} fields; send what matters.")
    value, problems = field.validate(json.loads(body), {}, loc=("body",))
    if problems:
        raise invalid_request(problems[0])
    return value
