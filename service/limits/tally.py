"""Who has how much of something, and how much they have together."""

from __future__ import annotations


class Tally:
    """Whole numbers by name; a name that has nothing takes no memory."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self.total = 0

    def of(self, name: str) -> int:
        """What one has."""
        return self._of.get(name, 0)

    def add(self, name: str, more: int) -> None:
        """Gives one more, or takes away where `more` is negative."""
        self.total += more
        now = self.of(name) + more
        if now:
            self._of[name] = now
        else:
            self._of.pop(name, None)
