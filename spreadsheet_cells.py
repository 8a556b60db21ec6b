"""Makes text safe to open in a spreadsheet."""

from __future__ import annotations

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def not_a_formula(cell: str) -> str:
    """A spreadsheet runs a cell that starts with one of these; a quote in front makes it text (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell
