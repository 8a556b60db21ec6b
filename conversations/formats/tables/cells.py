"""What a cell that is no text says, as a table of text would have it: of Excel workbooks and of Parquet."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from typing import Any


def cell_text(value: Any) -> str:
    """The cell as text without spaces around it; "" for an empty one. Dates are ISO 8601, without the time at midnight."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # Excel has no whole numbers
    if isinstance(value, datetime):
        is_day = value.time() == time() and value.tzinfo is None
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return (value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)).strip()
