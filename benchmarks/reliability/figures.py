"""What a proof of reliability is made of: how large it is, what it found, and whether that is what was promised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

HEADINGS = ("what", "measured", "promised", "")
Progress = Callable[[float], None]  # told the share that is done, 0 to 1
T = TypeVar("T")


class Figure(NamedTuple):
    """One line of a proof; `met` is None where nothing was promised."""

    what: str
    measured: str
    promised: str = ""
    met: bool | None = None

    def row(self) -> tuple[str, str, str, str]:
        """For a table."""
        return self.what, self.measured, self.promised, {True: "met", False: "MISSED", None: ""}[self.met]


def _size(default: T, meaning: str) -> T:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Sizes:
    """How large the proofs are; the defaults are what is promised."""

    cases: int = _size(1000, "generated requests, at least")
    kill_seconds: float = _size(60.0, "of load while workers are killed")
    stops: int = _size(10, "SIGTERMs under load")
    overload_seconds: float = _size(60.0, "of ten times the load it can serve")
    predictions: int = _size(10_000, "acknowledged in durable mode, for each database")
    away_seconds: float = _size(30.0, "without the database")
    counted: int = _size(4000, "requests that Prometheus has to count")
    soak_seconds: float = _size(1200.0, "of the long load")
    losses: int = _size(20, "kills in the default mode")
    silent: int = _size(3000, "connections that never ask")
    fair_seconds: float = _size(60.0, "of long conversations beside short ones")
    retraining_kills: int = _size(10, "retrainings killed at random moments")

    def quick(self) -> Sizes:
        """So small that everything runs once within a few minutes, which proves nothing."""
        return Sizes(100, 12.0, 1, 8.0, 200, 5.0, 200, 20.0, 2, 200, 8.0, 1)


class Proof(NamedTuple):
    """A named part: `measure` takes an artifact folder, the sizes and a progress bar."""

    name: str
    title: str
    measure: Callable[[Path, Sizes, Progress], Iterator[Figure]]


def of_all(count: int, everything: int) -> str:
    """`3 of 12,000`."""
    return f"{count:,} of {everything:,}"


def percentile(values: list[float], share: float) -> float:
    """By nearest rank: the smallest value that at least that share does not exceed. Raises ValueError of an empty list."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def in_milliseconds(seconds: float) -> str:
    """`12.3 ms`."""
    return f"{1000 * seconds:.3g} ms"
