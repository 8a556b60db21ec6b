"""Makes turns of what was said: one speaker's words until another speaks, who of them sells, and no HTML escapes.

A role is taken from a name only where the name says it ("Jane Doe (Sales)"); otherwise names are kept as they are.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable

from conversations.conversation import canonical_speaker

Spoken = tuple[str, str]  # a speaker's name and words
_ENDLESS_NUMBER = re.compile(r"&#(?=[0-9]{100})")  # Python makes no number of thousands of digits


def merged_turns(spoken: Iterable[Spoken]) -> list[dict[str, str]]:
    """Turns of a record: the words of one speaker until another speaks, joined by spaces; silent ones left out."""
    with_words = ((speaker, text.strip()) for speaker, text in spoken if text.strip())
    return [
        {"speaker": speaker, "text": " ".join(text for _, text in said)}
        for speaker, said in itertools.groupby(with_words, key=lambda one: one[0])
    ]


def unescaped(text: str) -> str:
    """The text without HTML's escapes; one whose number is too long for any character stays as it is."""
    return html.unescape(_ENDLESS_NUMBER.sub("&amp;#", text))


def speaker_with_role(name: str) -> str:
    """ "seller" or "customer" where a part of the name says so ("Jane Doe (Sales)", "Customer - Bob"), else the name."""
    parts = [name, *re.split(r"\s-\s|[()\[\]|/,]", name)]
    return next((role for part in parts if (role := canonical_speaker(part)) in ("seller", "customer")), name)
