"""Damaged copies of a JSON value, one for each value in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WRONG: tuple[Any, ...] = (None, 3, "x", [], {}, [1], True)


def damaged(value: Any, wrong: Any) -> Iterator[Any]:
    """Copies of a JSON value, in each of which one inner value is the wrong one."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        for changed in [wrong, *damaged(child, wrong)]:
            if isinstance(value, dict):
                yield {**value, key: changed}
            else:
                yield [*value[:key], changed, *value[key + 1 :]]
