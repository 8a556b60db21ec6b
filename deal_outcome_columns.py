"""Finds the columns of a table that say how each deal ended, and reads them together.

Salesforce and HubSpot spread it over a stage ("Closed Won") and flags (IsWon, IsClosed). The flags are believed first:
they are right in every pipeline and every language. It knows no other column (`crm_exports` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversation import Outcome
from foundations.errors import InputError
from outcome_words import is_known_open, outcome_of_stage, outcome_of_word
from table_files import plain_name

_STAGE = ("stagename", "dealstage", "stage", "associateddealstage", "opportunitystage")
_WON = ("iswon", "won", "hsisclosedwon", "isclosedwon")
_CLOSED = ("isclosed", "closed", "hsisclosed", "isdealclosed")
_LOST = ("islost", "hsisclosedlost", "isclosedlost")
_TRUE, _FALSE = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}


@dataclass(frozen=True)
class OutcomeColumns:
    """The columns of one table that hold the outcome; those that it has not are None."""

    path: Path
    is_ours: bool  # the outcome column is our own one in a table of ours: its words are `Conversation`'s to judge
    word: str | None = None
    stage: str | None = None
    won: str | None = None
    closed: str | None = None
    lost: str | None = None

    @classmethod
    def found(cls, columns: Sequence[str], path: Path, mapped: str | None, is_ours: bool) -> OutcomeColumns:
        """Looks for the columns; `mapped` is the one that the user named, which then is the only one.

        Raises InputError where only IsWon is there: it can't tell a lost deal from an open one.
        """
        if mapped is not None:
            return cls(path, is_ours=False, word=mapped)
        if "outcome" in columns:
            return cls(path, is_ours, word="outcome")
        names = {plain_name(column.rsplit(".", 1)[-1]): column for column in reversed(columns)}
        names |= {plain_name(column): column for column in reversed(columns)}
        stage, won, closed, lost = (_first(names, known) for known in (_STAGE, _WON, _CLOSED, _LOST))
        if won and not (stage or closed or lost):
            raise InputError(
                f"{path}: the column {won!r} alone can't tell a lost deal from an open one; export the stage or "
                f"IsClosed too, or say --column outcome={won} if every deal is closed."
            )
        return cls(path, False, names.get("outcome"), stage, won, closed, lost)

    def field(self, cells: Mapping[str, str], where: str) -> dict[str, Any]:
        """The field 'outcome' of a row's record; nothing for an open deal. Raises InputError for unknown words."""
        if self.is_ours:
            return {}
        outcome = self._outcome(cells, where)
        return {"outcome": outcome}

    def unknown_stages(self, rows: Iterable[Mapping[str, str]]) -> list[str]:
        """The stages taken as open whose words say nothing, the commonest first: "'Phase 3' (17)"."""
        if self.stage is None or any((self.won, self.closed, self.lost)):
            return []
        stages = Counter(cells.get(self.stage, "") for cells in rows)
        opened = [(stage, n) for stage, n in stages.most_common() if not outcome_of_stage(stage, str(self.path))]
        return [f"{stage[:40]!r} ({n})" for stage, n in opened if not is_known_open(stage)]

    def _outcome(self, cells: Mapping[str, str], where: str) -> Outcome | None:
        if self.word is not None:
            return outcome_of_word(cells.get(self.word, ""), where)
        won, closed, lost = (_flag(cells, column, where) for column in (self.won, self.closed, self.lost))
        if won or lost:
            return "successful" if won else "failed"
        if closed and won is False:
            return "failed"
        if closed is False or (won is False and lost is False):
            return None
        return outcome_of_stage(cells.get(self.stage or "", ""), where)


def _first(names: Mapping[str, str], known: Sequence[str]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def _flag(cells: Mapping[str, str], column: str | None, where: str) -> bool | None:
    """True or False as a CRM writes it; None for an absent column and an empty cell."""
    cell = cells.get(column or "", "")
    word = cell.casefold().removesuffix(".0")
    if word and word not in _TRUE | _FALSE:
        raise InputError(f"{where}: {column} {cell[:60]!r} should be true or false.")
    return word in _TRUE if word else None
