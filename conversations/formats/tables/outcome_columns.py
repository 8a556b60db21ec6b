"""The columns of a table that say how a deal ended.

Salesforce and HubSpot spread it over a stage ("Closed Won") and flags (IsWon, IsClosed). The flags are believed first:
they are right in every pipeline and every language. What a word means is read by `conversations.formats.outcomes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversations.conversation import Outcome
from conversations.formats.fields import plain_name
from conversations.formats.options import ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from foundations.errors import InputError

# Pipedrive, Close and Dynamics: won, lost or open beside the stage. A task has a status too, which says nothing of a deal.
_STATUS_COLUMNS = ("dealstatus", "statustype", "opportunitystatus", "status", "statecode")
_STAGE_COLUMNS = ("stagename", "dealstage", "stage", "associateddealstage", "opportunitystage")
_WON_COLUMNS = ("iswon", "won", "hsisclosedwon", "isclosedwon")
_CLOSED_COLUMNS = ("isclosed", "closed", "hsisclosed", "isdealclosed")
_LOST_COLUMNS = ("islost", "hsisclosedlost", "isclosedlost")
# What became of a call, which tells of a deal only where the person says what its words mean.
_DISPOSITION_COLUMNS = ("hscalldisposition", "calldisposition", "calloutcome", "callresult", "disposition", "result")
_TRUE, _FALSE = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}


@dataclass(frozen=True)
class OutcomeColumns:
    """The columns of one table that hold the outcome; those that it has not are None."""

    word: str | None = None
    status: str | None = None
    stage: str | None = None
    won: str | None = None
    closed: str | None = None
    lost: str | None = None

    @classmethod
    def found(cls, columns: Sequence[str], path: Path, options: ReadingOptions, mapped: str | None) -> OutcomeColumns:
        """Looks for the columns; `mapped` is the one that the person named, which then is the only one.

        Raises InputError where only IsWon is there and outcomes are needed: it can't tell a lost deal from an open one.
        """
        if mapped is not None:
            return cls(word=mapped)
        names = {plain_name(column.rsplit(".", 1)[-1]): column for column in reversed(columns)}
        names |= {plain_name(column): column for column in reversed(columns)}
        if word := names.get("outcome"):
            return cls(word="outcome" if "outcome" in columns else word)
        kinds = (_STATUS_COLUMNS, _STAGE_COLUMNS, _WON_COLUMNS, _CLOSED_COLUMNS, _LOST_COLUMNS)
        status, stage, won, closed, lost = (_first(names, known) for known in kinds)
        if not any((stage, won, closed, lost)) and (options.won or options.lost):
            return cls(word=_first(names, _DISPOSITION_COLUMNS) or status)
        if won and not (status or stage or closed or lost) and options.needs_outcomes:
            raise InputError(
                f"{path}: the column {won!r} alone can't tell a lost deal from an open one; export the stage or "
                f"IsClosed too, or say --column outcome={won} if every deal is closed."
            )
        return cls(None, status, stage, won, closed, lost)

    @property
    def names(self) -> str:
        """The columns, as they are shown: "IsWon, IsClosed"."""
        return ", ".join(filter(None, (self.word, self.won, self.closed, self.lost, self.stage)))

    @property
    def sources(self) -> dict[str, str]:
        """The field 'outcome' and its columns; empty where there are none."""
        return {"outcome": self.names} if self.names else {}

    def outcome(self, cells: Mapping[str, str], where: str, reader: OutcomeReader) -> Outcome | None:
        """The outcome of a row; None for an open deal."""
        if self.word is not None:
            return reader.of_word(cells.get(self.word, ""), where)
        won, closed, lost = (_flag(cells, column, where, reader) for column in (self.won, self.closed, self.lost))
        if won or lost:
            return "successful" if won else "failed"
        if closed and won is False:
            return "failed"
        if closed is False or (won is False and lost is False):
            return None
        known, outcome = reader.of_status(cells.get(self.status or "", ""))
        return outcome if known else reader.of_stage(cells.get(self.stage or "", ""), where)


def _first(names: Mapping[str, str], known: Sequence[str]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def _flag(cells: Mapping[str, str], column: str | None, where: str, reader: OutcomeReader) -> bool | None:
    """True or False as a CRM writes it; None for an absent column, an empty cell and what is neither."""
    cell = cells.get(column or "", "")
    word = cell.casefold().removesuffix(".0")
    if word and word not in _TRUE | _FALSE:
        reader.not_understood(cell, InputError(f"{where}: {column} {cell[:60]!r} should be true or false."))
        return None
    return word in _TRUE if word else None
