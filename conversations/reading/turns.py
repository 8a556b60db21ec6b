"""Makes turns of what was said: one speaker's words until another speaks, and who of them sells.

A role is taken from a name only where the name says it ("Jane Doe (Sales)"); otherwise names are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from conversations.conversation import canonical_speaker

Spoken = tuple[str, str]  # a speaker's name and words


def merged_turns(spoken: Iterable[Spoken]) -> list[dict[str, str]]:
    """Turns of a record: the words of one speaker until another speaks, joined by spaces; silent ones left out."""
    turns: list[dict[str, str]] = []
    for speaker, text in spoken:
        if not text.strip():
            continue
        if turns and turns[-1]["speaker"] == speaker:
            turns[-1]["text"] += f" {text.strip()}"
        else:
            turns.append({"speaker": speaker, "text": text.strip()})
    return turns


def speaker_with_role(name: str) -> str:
    """ "seller" or "customer" where a part of the name says so ("Jane Doe (Sales)", "Customer - Bob"), else the name."""
    parts = [name, *re.split(r"\s-\s|[()\[\]|/,]", name)]
    return next((role for part in parts if (role := canonical_speaker(part)) in ("seller", "customer")), name)
