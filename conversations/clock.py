"""Times within a call: 3.5, "0:03", "00:01:02,500" as seconds after its start.

A time is never worth refusing a conversation for: what is not understood is None.
"""

from __future__ import annotations

import math
import re
from typing import Any

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d{1,9})?)")
_NUMBER = re.compile(r"\d{1,9}(?:[.,]\d{1,9})?s?")
LONGEST = 1e7  # seconds; anything later is a date in other clothes


def seconds_of(value: Any) -> float | None:
    """Seconds from a number of seconds, "12.5", "12.5s", "1:02" or "1:02:03.5"; None for anything else, and below zero."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str):
        text = value.strip()
        if clock := _CLOCK.fullmatch(text):
            value = int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3].replace(",", "."))
        elif _NUMBER.fullmatch(text):
            value = float(text.removesuffix("s").replace(",", "."))
        else:
            return None
    return float(value) if 0 <= value <= LONGEST and math.isfinite(value) else None
