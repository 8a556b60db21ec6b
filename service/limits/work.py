"""How long a piece of work will take, learned from those that were done: seconds for each character of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PREDICTED, READ = 2e-5, 5e-7  # seconds a character, until the first was done; two cores, with analysis
_FEWEST = 2000  # characters to learn from: of less, what they take says little
_NEWEST = 0.3  # share of the newest in what is expected
_UNFINISHED = 2.0  # times as long as it was tried: at least, as far as anybody knows
RECENT_SECONDS = 60  # after which what others took is no reason to refuse a try


@dataclass(frozen=True)
class Work:
    """What a request asks for: `kind` names what takes alike long for alike many characters."""

    kind: str
    characters: int
    pace: float = PREDICTED


class Paces:
    """What each kind took so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._paces: dict[str, float] = {}
        self._learned: dict[str, float] = {}  # when

    def seconds(self, work: Work) -> float:
        """How long it is expected to take."""
        return work.characters * self._paces.get(work.kind, work.pace)

    def knows(self, work: Work) -> bool:
        """Whether its kind was done of late, and what it takes is no guess."""
        learned = self._learned.get(work.kind)
        return learned is not None and self._clock() - learned < RECENT_SECONDS

    def learn(self, work: Work, seconds: float, finished: bool = True) -> None:
        """How long it took, or how long it was tried."""
        if work.characters >= _FEWEST:
            pace = seconds / work.characters * (1.0 if finished else _UNFINISHED)
            self._learned[work.kind] = self._clock()
            before = self._paces.get(work.kind, pace)
            self._paces[work.kind] = before + _NEWEST * (pace - before)
