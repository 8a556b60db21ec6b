"""What the command line shows: lines, tables and progress bars, all on one console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(emoji=False)


def say(text: str, style: str = "") -> None:
    """Prints a line as it is: a path or a group's name may hold what rich would take for markup."""
    console.print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def progress_bar(title: str, remaining: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal; yields a function that takes the share done, 0 to 1. remaining: shows the time it takes yet."""
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
    columns += [TimeElapsedColumn(), *([TextColumn("left"), TimeRemainingColumn()] if remaining else [])]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda share: bar.update(task, completed=share)
        bar.update(task, completed=1.0)
