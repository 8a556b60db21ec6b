"""The one exception for anything a user can put right: a bad file, a bad option, a damaged artifact.

Its message is one sentence that quotes the bad value and says what would be right. The command line prints it and
ends with exit code 2; the API answers with a 4xx or 503. Every other exception is a bug and keeps its stack trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST_QUOTE = 80


class InputError(ValueError):
    """Bad input, with a message meant to be read by the person who gave it."""


class UnavailableError(InputError):
    """A service can't do this now and its operator can put it right; the message says how."""

    code = "unavailable"  # for programs


def quoted(value: Any) -> str:
    """A value as it is quoted in a message, cut to 80 characters."""
    text = ""
    for piece in _written(value):  # lazily: a value may be megabytes long
        text += piece
        if len(text) > LONGEST_QUOTE:
            end = {"[": "]", "{": "}"}.get(text[0], text[-1])
            return text[: LONGEST_QUOTE - 2] + "…" + end
    return text


def described(value: Any) -> str:
    """What kind of value it is, in place of one that may hold a customer's words; numbers and nothing at all are shown."""
    if isinstance(value, str):
        return f"(a text of {len(value):,} characters)"
    if isinstance(value, list | dict):
        return f"({'a list' if isinstance(value, list) else 'an object'} of {len(value):,})"
    return quoted(value)


def sign_at(text: str, place: int) -> str:
    """The one character there, quoted, or the end: what stands around it may be a customer's words."""
    return repr(text[place]) if place < len(text) else "its end"


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
