"""Request bodies of up to several megabytes, parsed and validated without the event loop waiting for them.

FastAPI does both on the event loop, where a body of eight megabytes can take a second, in which nobody else is answered.
Here a large body is read in a thread, one at a time: the parser never pauses, so that two of them would take turns with
each other and leave the event loop less. What is too long to be meant (`few_items`, `few_values`) is refused before its
items are looked at. A small body goes FastAPI's way, at no cost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from fastapi import Request
from fastapi._compat import ModelField

from api_errors import invalid_request

LARGE_BODY = 32_768  # bytes; fewer take about a millisecond
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
    value, problems = field.validate(json.loads(body), {}, loc=("body",))
    if problems:
        raise invalid_request(problems[0])
    return value


def few_items(most: int, what: str) -> Callable[[Any], Any]:
    """A validator to run before any other: a list with more items than `most` is refused."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"{what} has {len(value):,} items; at most {most:,} are accepted.")
        return value

    return check


def few_values(most: int, what: str) -> Callable[[Any], Any]:
    """The same for an object with more than `most` values, those of lists and objects in it counted too."""

    def check(value: Any) -> Any:
        if next(islice(_values(value), most, None), None) is not None:
            raise ValueError(f"{what} has more than {most:,} values; leave out what does not matter.")
        return value

    return check


def _values(value: Any) -> Iterator[bool]:
    """One item for each value inside, at any depth."""
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        children = inside.values() if isinstance(inside, dict) else inside if isinstance(inside, list) else ()
        for child in children:
            yield True
            if isinstance(child, dict | list):
                waiting.append(child)
