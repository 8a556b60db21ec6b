"""Text for people: shortened at a word, or made safe to open in a spreadsheet."""

from __future__ import annotations

EXCERPT_CHARACTERS = 200


_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def not_a_formula(cell: str) -> str:
    """A spreadsheet runs a cell that starts with one of these; a quote in front makes it text (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell


def shortened(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """White space folded, cut at a word: at most `characters` and an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= characters:
        return text
    return (text[:characters].rsplit(" ", 1)[0] or text[:characters]) + "…"
