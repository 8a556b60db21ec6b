"""How far a bulk job is: a bar with rows, rate and remaining time, and a watchdog that no job hangs in silence.

An engine tells it of every piece that is done. Where none comes for `stall` seconds, `tick` raises one sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from foundations.errors import InputError
from foundations.terminal import console


class StalledError(InputError):
    """Nothing was scored for too long."""


class ScoringProgress:
    """The bar of one run. `done` of `total` rows were scored by earlier runs; `clock` gives seconds."""

    def __init__(self, total: int, done: int, stall: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("Scoring", total=max(total, done, 1), completed=done)
        self._earlier, self._finished, self._total = done, 0, total
        self._in_work: dict[int, int] = {}  # rows done, by shard
        self._stall, self._clock = stall, clock
        self._began = self._last = clock()

    def __enter__(self) -> ScoringProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def rows(self) -> int:
        """Done in this run."""
        return self._finished + sum(self._in_work.values())

    @property
    def rate(self) -> float:
        """Rows a second in this run, the start of the workers included."""
        return self.rows / max(self._clock() - self._began, 1e-9)

    def advanced(self, shard: int, rows: int) -> None:
        """So many rows of a shard are done; fewer than before where it was begun again after its worker was lost."""
        if rows > self._in_work.get(shard, 0):
            self._last = self._clock()
        self._in_work[shard] = rows
        self._show()

    def finished(self, shard: int, rows: int) -> None:
        """A shard of so many rows is done with."""
        self._last = self._clock()
        self._in_work.pop(shard, None)
        self._finished += rows
        self._show()

    def tick(self, state: str = "") -> None:
        """To be called at least every second or two. `state`: what the engine is doing, for the sentence.

        Raises StalledError after `stall` seconds in which no row was done.
        """
        waited = self._clock() - self._last
        if waited > self._stall:
            raise StalledError(
                f"No row was scored for {waited:.0f} seconds{f' ({state})' if state else ''}; see that the workers have free "
                "processors and that the data can be reached, then start the same command again: it goes on where it "
                "stopped (--stall-timeout waits longer)."
            )

    def _show(self) -> None:
        done = self._earlier + self.rows
        self._bar.update(self._task, completed=done, total=max(self._total, done, 1))


class _Rate(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "", style="progress.data.speed")
