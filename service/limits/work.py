"""How long a piece of work will take, learned from those that were done: seconds for each character of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PREDICTED, READ = 2e-5, 5e-7  # seconds a character, until the first was done; two cores, with analysis
_FEWEST = 2000  # characters to learn from: of less, what they take says little
_NEWEST = 0.3  # share of the newest in what is expected
_UNFINISHED = 2.0  # times as long as it was tried: at least, as far as anybody knows
_UNTRIED = 4.0  # times as long as the first guess: a slow or busy machine
_KEPT = 16  # paces of long work, of each kind
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
        self._of_long: dict[
            str, tuple[tuple[float, float], ...]
        ] = {}  # when and what pace; replaced whole, as threads learn

    def seconds(self, work: Work) -> float:
        """How long it is expected to take."""
        return work.characters * self._paces.get(work.kind, work.pace)

    def seconds_at_most(self, work: Work) -> float:
        """How long it takes if it is as slow as the slowest long one of the last minute, or as a guess may be wrong."""
        if work.kind not in self._paces:
            return _UNTRIED * self.seconds(work)
        since = self._clock() - RECENT_SECONDS
        recent = (pace for when, pace in self._of_long.get(work.kind, ()) if when > since)
        return work.characters * max(self._paces[work.kind], *recent, 0.0)

    def knows(self, work: Work) -> bool:
        """Whether its kind was done of late, and what it takes is no guess."""
        learned = self._learned.get(work.kind)
        return learned is not None and self._clock() - learned < RECENT_SECONDS

    def learn(self, work: Work, seconds: float, finished: bool = True, long: bool = True) -> None:
        """How long it took, or how long it was tried. long: it was the only long one that ran, not one of many short."""
        if work.characters >= _FEWEST:
            pace = seconds / work.characters * (1.0 if finished else _UNFINISHED)
            now = self._learned[work.kind] = self._clock()
            before = self._paces.get(work.kind, pace)
            self._paces[work.kind] = before + _NEWEST * (pace - before)
            if long:
                self._of_long[work.kind] = (*self._of_long.get(work.kind, ())[1 - _KEPT :], (now, pace))
