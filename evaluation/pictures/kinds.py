"""Sorts conversations into the few kinds that pictures compare: form, length, and values of a context field.

One kind a conversation, as text to show. Costs milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from conversations.conversation import Conversation
from conversations.model_text import rendered_text

UNKNOWN, OTHER = "unknown", "other"
_MOST_VALUES = 8
_LENGTH_PARTS = 4


def form(conversation: Conversation) -> str:
    """`dialogue` with turns, `note` without."""
    return "dialogue" if conversation.turns is not None else "note"


def length_in_words(conversation: Conversation) -> int:
    """Words of the rendered conversation, context included."""
    return len(rendered_text(conversation).split())


def length_kinds(conversations: Sequence[Conversation]) -> list[str]:
    """The quarter of all lengths in words that each conversation lies in, "120 to 180"; fewer where many are equal."""
    words = np.array([length_in_words(c) for c in conversations])
    edges = np.unique(np.quantile(words, np.linspace(0, 1, _LENGTH_PARTS + 1)[1:-1], method="higher"))
    part = np.searchsorted(edges, words, side="right")
    names = {n: f"{words[part == n].min()} to {words[part == n].max()}" for n in np.unique(part)}
    return [names[n] for n in part]


def context_kinds(conversations: Sequence[Conversation], field: str) -> list[str]:
    """A context field's value, UNKNOWN where absent; all but the eight most frequent are OTHER."""
    values = [str(getattr(c.conversation_context, field) or UNKNOWN) for c in conversations]
    frequent = {value for value, _ in Counter(values).most_common(_MOST_VALUES)}
    return [value if value in frequent else OTHER for value in values]


def in_number_order(kinds: Iterable[str]) -> list[str]:
    """The distinct kinds, by the number they start with ("9 to 40" before "41 to 80"), the others by name."""
    return sorted(set(kinds), key=lambda kind: (int(first) if (first := kind.split(" ")[0]).isdecimal() else -1, kind))
