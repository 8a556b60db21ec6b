"""Requests that are too long to be meant, refused before their items are looked at, which could take minutes.

Validators for pydantic's BeforeValidator; they raise ValueError with a sentence. What is of another type than they expect
passes: the validation after them says so. Cost microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

Check = Callable[[Any], Any]


def few_items(most: int, what: str) -> Check:
    """Refuses a list with more items than `most`."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"{what} has {len(value):,} items; at most {most:,} are accepted.")
        return value

    return check


def few_values(most: int, what: str) -> Check:
    """Refuses an object with more than `most` values, those of lists and objects in it counted too."""

    def check(value: Any) -> Any:
        if next(islice(_values(value), most, None), None) is not None:
            raise ValueError(f"{what} has more than {most:,} values; leave out what does not matter.")
        return value

    return check


def few_turns(most: int) -> Check:
    """Refuses conversations, a list of objects, with more than `most` turns in all."""

    def check(value: Any) -> Any:
        conversations = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
        turns = [one["turns"] for one in conversations if isinstance(one.get("turns"), list)]
        if (count := sum(map(len, turns))) > most:
            raise ValueError(f"conversations have {count:,} turns; at most {most:,} are accepted at once.")
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
