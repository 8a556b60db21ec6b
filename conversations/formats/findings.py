"""What a reader took a file for, beside its result: which format, and which of its columns feeds which field.

It is told to whoever gathers it (`gathered_findings`) and to nobody else: a person who asks how a file was understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path

_gathered: ContextVar[dict[Path, Finding] | None] = ContextVar("gathered_findings", default=None)


@dataclass(frozen=True)
class Finding:
    """What one file was taken for."""

    path: Path
    tool: str = ""  # the format, as kinds.py calls it: "Gong", "an Excel workbook"
    columns: Mapping[str, str] = field(default_factory=dict)  # our field: the column or columns that feed it


def found_format(path: Path, tool: str) -> None:
    """Tells what a file was taken for; of what is told of one file the last counts."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered[path] = replace(gathered.get(path, Finding(path)), tool=tool)


def found_columns(path: Path, columns: Mapping[str, str]) -> None:
    """Tells which of its columns feed which field."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered[path] = replace(gathered.get(path, Finding(path)), columns=dict(columns))


@contextmanager
def gathered_findings() -> Iterator[dict[Path, Finding]]:
    """Within this block, and in this thread, findings come into what it gives, by file, in the order of reading."""
    findings: dict[Path, Finding] = {}
    token = _gathered.set(findings)
    try:
        yield findings
    finally:
        _gathered.reset(token)
