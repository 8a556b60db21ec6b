"""Reads and checks the phrasing bank `sales_phrasings.json`, and fills the slots of a phrasing.

The bank is plain data, so that anyone can add a family without touching code. A family words each signal of
`conversations.generated.deal_state` twice as a sentence of call notes (favourable, against), once as a seller's
question, the same in both states, and twice as the customer's answer. Read once and cached (a few milliseconds).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from conversations.generated.deal_state import SIGNAL_WEIGHTS
from foundations.errors import InputError

PHRASINGS_FILE = Path(__file__).with_name("sales_phrasings.json")
SIDES = ("favourable", "against")
SLOTS = frozenset(
    ("company", "person", "contact_role", "rep", "product", "competitor", "amount", "percent")
    + ("month", "day", "pain", "team", "topic", "other", "decider", "role")
)
_SLOT = re.compile(r"\{([^{}]*)\}")

Family = dict[str, Any]  # one entry of "families": name, opening, asides, greeting, small_talk, signals


@lru_cache(maxsize=4)
def load_phrasings(path: Path = PHRASINGS_FILE) -> dict[str, Any]:
    """{"families": [...], "slot_values": {...}}, checked: every family words every signal, with known slots only.

    Raises InputError that quotes the first thing that is wrong.
    """
    try:
        bank: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        phrasings = [(family["name"], text) for family in bank["families"] for text in family_texts(family)]
        bank["slot_values"]["topic"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The phrasing bank {str(path)!r} is missing or damaged ({error!r}); restore it.") from error
    for name, text in phrasings:
        unknown = sorted(set(_SLOT.findall(text)) - SLOTS)
        if unknown or not text.strip():
            raise InputError(f"Phrasing {text!r} in {name!r} is empty or has unknown slots {unknown}; correct it.")
    if not phrasings:
        raise InputError(f"The phrasing bank {str(path)!r} holds no families; restore it.")
    return bank


def family_texts(family: Family) -> Iterator[str]:
    """Every phrasing of a family. Raises KeyError for one that lacks a signal or a state of it."""
    yield family["opening"]
    for part, length in (("asides", 2), ("greeting", 2), ("small_talk", 2)):
        if len(family[part]) != length:
            raise ValueError(f"{part} of {family['name']!r} has {len(family[part])} texts instead of {length}")
        yield from family[part]
    for name in SIGNAL_WEIGHTS:
        signal = family["signals"][name]
        yield signal["seller"]
        for form in ("note", "customer"):
            yield from (signal[form][side] for side in SIDES)


def fill_slots(template: str, slots: Mapping[str, str]) -> str:
    """The phrasing with every {slot} replaced and a capital at its start."""
    text = _SLOT.sub(lambda match: slots[match[1]], template)
    return text[0].upper() + text[1:]
