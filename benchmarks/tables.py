"""The rows of the speed table: what was measured, beside its target, its peers and the least time it could take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from foundations.atomic_files import write_text
from foundations.errors import InputError

HEADINGS = ("what", "measured", "against ours", "target", "arithmetic alone", "ratio to it")


class Row(NamedTuple):
    """One line; empty strings where a column says nothing."""

    what: str
    measured: str
    against: str = ""  # a peer's time as a multiple of ours: above 1 we are faster
    target: str = ""
    least: str = ""
    ratio: str = ""


def timed_row(
    what: str, seconds: float, least: float | None = None, target: str = "", ours: float | None = None
) -> Row:
    """A row of a time; `least`: seconds of arithmetic alone; `ours`: what a peer's time is compared with."""
    against = f"{seconds / ours:.1f} ×" if ours else ""
    if least is None:
        return Row(what, in_words(seconds), against, target)
    return Row(what, in_words(seconds), against, target, in_words(least), f"{seconds / least:.1f}")


def in_words(seconds: float) -> str:
    """0.00234 → "2.34 ms"; 71.2 → "71.2 s"."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def rich_table(rows: Sequence[Sequence[str]], title: str, headings: Sequence[str] = HEADINGS) -> Table:
    """For a terminal."""
    table = Table(*headings, title=title)
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(rows: Sequence[Row], title: str) -> str:
    """For a document."""
    return plain_table(HEADINGS, rows, title)


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    """For a document: a table with columns of its own."""
    lines = [title, "", "| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def write_between_markers(path: Path, text: str, name: str = "speed table") -> None:
    """Replaces what stands between a document's markers of that name. Raises InputError where it lacks them."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    content = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, found_begin, rest = content.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise InputError(f"{str(path)!r} lacks the lines {begin!r} and {end!r}, between which the table belongs.")
    write_text(path, f"{before}{begin}\n{text}\n{end}{after}")
