"""A bad value as a message quotes it: as Python writes it, cut short, at the same small cost however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST_QUOTE = 80


def quoted(value: Any) -> str:
    """A value as it is quoted in a message, cut to 80 characters."""
    text = ""
    for piece in _written(value):  # lazily: a value may be megabytes long
        text += piece
        if len(text) > LONGEST_QUOTE:
            end = {"[": "]", "{": "}"}.get(text[0], text[-1])
            return text[: LONGEST_QUOTE - 2] + "…" + end
    return text


def _written(value: Any) -> Iterator[str]:
    """`repr(value)` piece by piece."""
    if isinstance(value, dict):
        yield "{"
        for n, (key, inside) in enumerate(value.items()):
            yield ", " * (n > 0)
            yield from _written(key)
            yield ": "
            yield from _written(inside)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for n, inside in enumerate(value):
            yield ", " * (n > 0)
            yield from _written(inside)
        yield "]"
    else:
        yield repr(value[: LONGEST_QUOTE + 1] if isinstance(value, str) else value)
