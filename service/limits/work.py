"""How long a piece of work will take, learned from those that were done: seconds for each character of its kind."""

from __future__ import annotations

from dataclasses import dataclass

PREDICTED, READ = 2e-5, 5e-7  # seconds a character, until the first was done; two cores, with analysis
_FEWEST = 2000  # characters to learn from: of less, what they take says little
_NEWEST = 0.3  # share of the newest in what is expected


@dataclass(frozen=True)
class Work:
    """What a request asks for: `kind` names what takes alike long for alike many characters."""

    kind: str
    characters: int
    pace: float = PREDICTED


class Paces:
    """What each kind took so far."""

    def __init__(self) -> None:
        self._paces: dict[str, float] = {}

    def seconds(self, work: Work) -> float:
        """How long it is expected to take."""
        return work.characters * self._paces.get(work.kind, work.pace)

    def knows(self, work: Work) -> bool:
        """Whether its kind was done before, and is not guessed."""
        return work.kind in self._paces

    def learn(self, work: Work, seconds: float) -> None:
        """How long it took, or how long it was tried."""
        if work.characters >= _FEWEST:
            pace = seconds / work.characters
            before = self._paces.get(work.kind, pace)
            self._paces[work.kind] = before + _NEWEST * (pace - before)
