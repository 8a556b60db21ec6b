"""Makes turns of what was said: one speaker's words until another speaks, who of them sells, and no HTML escapes.

A role is taken from a name only where the name says it ("Jane Doe (Sales)"); otherwise names are kept as they are.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from conversations.conversation import SIDES, canonical_speaker

_PARTS = re.compile(r"\s-\s|[()\[\]|/,]")
_ENDLESS_NUMBER = re.compile(r"&#(?=[0-9]{100})")  # Python makes no number of thousands of digits


class Spoken(NamedTuple):
    """Some words of one speaker, as a tool's file has them."""

    name: str
    text: str
    side: str = ""  # "seller" or "customer" where the tool knows it; else a role in the name is looked for
    start: float | None = None  # seconds after the call's start
    end: float | None = None

    @property
    def speaker(self) -> str:
        """The side where it is known, else the name."""
        return self.side or speaker_with_role(self.name)


def merged_turns(spoken: Iterable[Spoken]) -> list[dict[str, Any]]:
    """Turns of a record: the words of one speaker until another speaks, joined by spaces; silent ones left out."""
    with_words = (one for one in spoken if one.text.strip())
    return [_turn(list(said)) for _, said in itertools.groupby(with_words, key=lambda one: (one.speaker, one.name))]


def _turn(said: Sequence[Spoken]) -> dict[str, Any]:
    first, ends = said[0], [one.end for one in said if one.end is not None]
    turn: dict[str, Any] = {"speaker": first.speaker, "text": " ".join(one.text.strip() for one in said)}
    if first.name and canonical_speaker(first.name) not in SIDES:
        turn["name"] = first.name
    if first.start is not None:
        turn["start"] = first.start
    if ends:
        turn["end"] = max(ends)
    return turn


def unescaped(text: str) -> str:
    """The text without HTML's escapes; one whose number is too long for any character stays as it is."""
    return html.unescape(_ENDLESS_NUMBER.sub("&amp;#", text))


def speaker_with_role(name: str) -> str:
    """ "seller" or "customer" where a part of the name says so ("Jane Doe (Sales)", "Customer - Bob"), else the name."""
    parts = [name, *_PARTS.split(name)]
    return next((role for part in parts if (role := canonical_speaker(part)) in SIDES), name)
