"""How a deal ended: the columns of a table that say so, and what people write in them.

Salesforce and HubSpot spread it over a stage ("Closed Won") and flags (IsWon, IsClosed). The flags are believed first:
they are right in every pipeline and every language. A word it does not know is an error that quotes it, but in a column
known to hold stages, where a stage that says neither won nor lost is an open one. It knows no other column
(`conversations.formats.tables.crm` does).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversations.conversation import Outcome
from conversations.formats.fields import plain_name
from foundations.errors import InputError

_STAGE_COLUMNS = ("stagename", "dealstage", "stage", "associateddealstage", "opportunitystage")
_WON_COLUMNS = ("iswon", "won", "hsisclosedwon", "isclosedwon")
_CLOSED_COLUMNS = ("isclosed", "closed", "hsisclosed", "isdealclosed")
_LOST_COLUMNS = ("islost", "hsisclosedlost", "isclosedlost")
_TRUE, _FALSE = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}


_WON = set("won gewonnen ganado ganada gagné gagnée vinto vinta ganho ganha".split())
_LOST = set("lost verloren perdido perdida perdu perdue perso persa".split())
_YES = {"closedwon", "successful", "success", "yes", "y", "true", "1", "converted"}
_NO = {"closedlost", "unsuccessful", "failed", "failure", "no", "n", "false", "0", "notwon", "notconverted", "rejected"}
_CLOSED = set("closed disqualified cancelled canceled abandoned dead".split())
# One of these words makes a stage an open one: the stages that Salesforce and HubSpot begin with, and common others.
_OPEN = set(
    """open pending new lead prospect prospecting qualification qualified qualifying qualify needs analysis value
    proposition decision makers perception proposal price quote negotiation negotiating review discovery demo
    presentation meeting appointment scheduled contract sent evaluation pilot trial progress ongoing active contacted
    commit verbal hold nurture stalled pipeline undecided unknown appointmentscheduled qualifiedtobuy
    presentationscheduled decisionmakerboughtin contractsent""".split()
)


def outcome_of_word(word: str, where: str) -> Outcome | None:
    """The outcome that a cell says; None for an open deal ("Negotiation", or nothing). Upper and lower case are one.

    Raises InputError for a word that is none of these, beginning with `where`.
    """
    known, outcome = _known_outcome(word)
    if not known:
        raise InputError(
            f"{where}: the outcome {word[:60]!r} is not known; write won, lost, yes, no, 1, 0, successful or failed, "
            "and leave it empty, or write open, for an open deal."
        )
    return outcome


def outcome_of_stage(stage: str, where: str) -> Outcome | None:
    """The outcome of a CRM's stage; any stage that says neither won nor lost is open: None.

    Raises InputError for a closed stage that does not say how it ended, and for a pipeline's internal number.
    """
    known, outcome = _known_outcome(stage)
    if stage.strip().isdecimal():
        raise InputError(f"{where}: the stage {stage[:60]!r} is an internal number; export the stages' names.")
    if not known and _words(stage) & (_CLOSED | _WON | _LOST):
        raise InputError(
            f"{where}: the stage {stage[:60]!r} is closed but does not say how; name it 'Closed Won' or 'Closed Lost'."
        )
    return outcome


def is_known_open(stage: str) -> bool:
    """Whether the words of a stage say that the deal is open, rather than nothing that is known."""
    return _known_outcome(stage) == (True, None)


def _known_outcome(text: str) -> tuple[bool, Outcome | None]:
    words = _words(text)
    whole = "".join(re.findall(r"\w+", text.casefold().strip().removesuffix(".0"))).replace("_", "")
    if not whole:
        return True, None
    if whole in _YES or whole in _NO:
        return True, "successful" if whole in _YES else "failed"
    won, lost = bool(words & _WON), bool(words & _LOST)
    if won != lost and "not" not in words:
        return True, "successful" if won else "failed"
    is_open = not won and not lost and not words & _CLOSED and bool(words & _OPEN)
    return is_open, None


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold().replace("'", "").replace("’", "")))


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
        stage, won, closed, lost = (
            _first(names, known) for known in (_STAGE_COLUMNS, _WON_COLUMNS, _CLOSED_COLUMNS, _LOST_COLUMNS)
        )
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
