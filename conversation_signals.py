"""Interface only, until the signals are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Signal:
    name: str
    polarity: Literal["positive", "negative"]
    strength: float
    quote: str
    speaker: str
    turn: int | None


def find_signals(conversation: object) -> list[Signal]:
    """Interface only, until the signals are merged."""
    return []
