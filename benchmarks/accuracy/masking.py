"""How much of what identifies a person or an account is masked, and how much of what is masked does.

    python -m benchmarks.accuracy.masking [--show]

The strings of tests/data/masking_strings.json have each such value between ⟦ and ⟧. The patterns of
`prediction_log.masking.text` were made with half of them, "tuning"; the other half only measures, and `--show`, which prints
what went wrong, never shows it. One author wrote both, by hand and before the patterns: a text of yours differs. A value
counts as found where all of its letters and digits are masked, a mask as right where it covers letters and digits of
values only. Takes under a second.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from foundations.terminal import console, say
from prediction_log.masking.text import mask
from probability.confidence import wilson_interval

STRINGS = Path(__file__).parents[2] / "tests" / "data" / "masking_strings.json"
TUNING, MEASURING = "tuning", "measuring"
_PARTS = re.compile(r"\[[a-z]+\]|\w+|\W")
_VALUE = re.compile("⟦(.*?)⟧")


class Marked(NamedTuple):
    """A text and where its values are: the places of their letters and digits, a set for each value."""

    text: str
    values: list[set[int]]


class Figures(NamedTuple):
    """Of some texts: values, those of them that were found, masks, those of them that were right."""

    values: int
    found: int
    masks: int
    right: int


def read_strings(path: Path = STRINGS) -> dict[str, list[Marked]]:
    """The strings of both halves."""
    return {half: [marked(text) for text in texts] for half, texts in json.loads(path.read_bytes()).items()}


def marked(written: str) -> Marked:
    """A string with ⟦values⟧ in it."""
    text, values = "", []
    for part, piece in enumerate(_VALUE.split(written)):  # every second one is a value
        if part % 2:
            values.append({len(text) + n for n, sign in enumerate(piece) if sign.isalnum()})
        text += piece
    return Marked(text, values)


def masked_places(text: str, masked: str) -> list[set[int]]:
    """The places of letters and digits behind each mask of `masked`, by what is left of `text`."""
    before, after = _PARTS.findall(text), _PARTS.findall(masked)
    starts = [0]
    for part in before:
        starts.append(starts[-1] + len(part))
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    spans = [range(starts[one], starts[end]) for kind, one, end, *_ in changes if kind in ("replace", "delete")]
    return [found for span in spans if (found := {place for place in span if text[place].isalnum()})]


def measured(strings: Sequence[Marked]) -> Figures:
    """How `mask` does on these strings."""
    counts = [0, 0, 0, 0]
    for string in strings:
        masks = masked_places(string.text, mask(string.text))
        hidden, identifying = set().union(*masks), set().union(*string.values)
        found = sum(value <= hidden for value in string.values)
        of_this = len(string.values), found, len(masks), sum(places <= identifying for places in masks)
        counts = [total + count for total, count in zip(counts, of_this, strict=True)]
    return Figures(*counts)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy.masking", description="How well is masked.")
    parser.add_argument("--show", action="store_true", help="also print what went wrong in the half for tuning")
    show = parser.parse_args().show
    halves = read_strings()
    for string in halves[TUNING] if show else ():
        figures = measured([string])
        if figures.found < figures.values or figures.right < figures.masks:
            say(f"{string.text}  →  {mask(string.text)}")
    console.print(_table(halves))


def _table(halves: dict[str, list[Marked]]) -> Table:
    table = Table("Strings", "Number", "Values", "Recall", "Masks", "Precision")
    for half, strings in halves.items():
        figures = measured(strings)
        recall, precision = _share(figures.found, figures.values), _share(figures.right, figures.masks)
        table.add_row(half, str(len(strings)), str(figures.values), recall, str(figures.masks), precision)
    return table


def _share(part: int, whole: int) -> str:
    low, high = wilson_interval(part, whole)
    return f"{part / whole:.3f} ({low:.2f}–{high:.2f})"


if __name__ == "__main__":
    main()
