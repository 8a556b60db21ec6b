"""A table that says how conversations ended which lie elsewhere: recordings by file name, activities by their deal's id.

Which of its columns names the conversations is told by the values: the one that names most of them. Names are compared
without case, folders and file endings; where two differ by case alone, as Salesforce's short ids do, each means itself.
It reads no file and changes no conversation (`conversations.reading.folder` does).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from conversations.conversation import Outcome
from conversations.dates import iso_date, moment_in
from conversations.formats.fields import CLOSE_NAMES, plain_name
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.formats.outcomes import OutcomeReader, outcome_of_word
from conversations.formats.tables.delimited import Table, quoted_columns
from conversations.formats.tables.names import field_columns
from conversations.formats.tables.outcome_columns import OutcomeColumns
from foundations.errors import InputError

# Columns of an activity that name the deals that it belongs to, without case, spaces and signs.
_OF_ACTIVITIES = frozenset(
    "whatid relatedtoid relatedto associateddealids associateddealid associateddeals associateddeal".split()
)
LINKS = _OF_ACTIVITIES | {"opportunityid", "opportunity", "opportunityname", "dealid", "deal", "dealname"}
# Columns that name a recording, a conversation or a deal; of columns that name as many, one of these is taken.
_NAMING = LINKS | frozenset(
    "file filename filepath recording recordingfile recordingname transcriptfile conversationid conversation callid call "
    "id recordid name title hsobjectid".split()
)
_LONGEST_NAME = 300  # characters; a longer cell holds words
_FIELDS = ("group", "date", "deal_id")
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_FOLDERS = re.compile(r"[/\\]")
_SEVERAL = re.compile(r"[;,]")
_LONG_ID = re.compile(r"[A-Za-z0-9]{18}")
_CHECK_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def is_deals(columns: Sequence[str], path: Path, options: ReadingOptions) -> bool:
    """Whether a table is one of deals: they have ids and endings, and are not activities that belong to other deals.

    Raises InputError as `OutcomeColumns.found` does.
    """
    links = {name for column in columns if (name := plain_name(column)) in _OF_ACTIVITIES}
    known = OutcomeColumns.found(columns, path, options, None) != OutcomeColumns()
    return known and not links and "conversation_id" in field_columns(columns)


class Ending(NamedTuple):
    """What a row says of a deal or a recording."""

    where: str
    cells: Mapping[str, str]
    outcome: Outcome | None
    fields: Mapping[str, str]  # group, date, deal_id and close_date, those that are there


class Names(NamedTuple):
    """What a conversation is called, and the deals that it belongs to."""

    own: tuple[str, ...]
    deals: tuple[str, ...] = ()

    @classmethod
    def of(cls, own: Iterable[str], deals: Iterable[str]) -> Names:
        """deals: ids or names, several of them in a text with ; or , between them."""
        apart = (part.strip() for text in deals for part in _SEVERAL.split(text))
        return cls(tuple(filter(None, dict.fromkeys(own))), tuple(filter(None, dict.fromkeys(apart))))


class Match(NamedTuple):
    """The rows that name a conversation; of several deals, all of theirs."""

    rows: list[Ending]
    by_deal: bool = False  # it is not the conversation that is named, but a deal of it


class EndingTable:
    """The rows of such a table."""

    def __init__(self, table: Table, path: Path, options: ReadingOptions) -> None:
        """Raises InputError where no column says how a deal ended."""
        self.path, self.columns = path, table.columns
        mapped = {field: name for field, name in options.columns.items() if self.takes(field, name)}
        sources = {**field_columns(table.columns), **mapped}
        outcomes = _outcome_columns(table, path, options, mapped.get("outcome"))
        self._reader = OutcomeReader(path, options)
        self.endings = [
            Ending(
                where,
                cells,
                outcomes.outcome(cells, where, self._reader),
                {field: cells[sources[field]] for field in _FIELDS if sources.get(field) in cells} | _close(cells),
            )
            for where, cells in table.rows
        ]
        self._told_of = outcomes.names.split(", ")
        self._named = mapped.get("conversation_id")
        self._words = sources.get("transcript", "")

    def tell_words(self) -> None:
        """Tells of texts of its own, which are often written when all is decided."""
        if texts := sum(self._words in ending.cells for ending in self.endings):
            notice(
                self.path,
                f"what it says itself of its deals ({texts} texts in {self._words!r}) is not read as conversations.",
            )

    def takes(self, field: str, column: str) -> bool:
        """Whether the column that a person named for a field is one of this table."""
        return field in ("outcome", "conversation_id", *_FIELDS) and column in self.columns

    def check_outcomes(self) -> None:
        """To be called once, where the table is used: tells of outcomes that are not understood, or raises InputError."""
        self._reader.finish()

    def found(self, conversations: Sequence[Names]) -> tuple[str, list[Match]]:
        """The column that names most of the conversations, "" where none does, and for each of them what it names."""
        columns = [self._named] if self._named else [one for one in self.columns if one and one not in self._told_of]
        known = [column for column in columns if plain_name(column) in _NAMING]
        best, best_matches, most = "", [Match([])] * len(conversations), 0
        for column in (*known, *(one for one in columns if one not in known)):
            if best and column not in known:
                break  # a number of employees may be equal to some id
            index = _Index(self.endings, column)
            matches = [index.match(names) for names in conversations]
            if (hits := sum(bool(match.rows) for match in matches)) > most:
                best, best_matches, most = column, matches, hits
        return best, best_matches


class _Index:
    """The rows by the names in one column."""

    def __init__(self, endings: Sequence[Ending], column: str) -> None:
        self._rows: dict[str, list[Ending]] = {}
        self._spellings: dict[str, set[str]] = {}
        for ending in endings:
            for name in _forms(ending.cells.get(column, "")):
                self._rows.setdefault(name, []).append(ending)
                self._spellings.setdefault(name.casefold(), set()).add(name)

    def match(self, names: Names) -> Match:
        """The rows of the first of its own names that has any, or else those of all its deals."""
        for name in names.own:
            if rows := self._rows_named(name):
                return Match(rows)
        by_deal = {id(row): row for deal in names.deals for row in self._rows_named(deal)}
        return Match(list(by_deal.values()), by_deal=True)

    def _rows_named(self, name: str) -> list[Ending]:
        for form in _forms(name):
            if form in self._rows:
                return self._rows[form]
            spellings = self._spellings.get(form.casefold(), ())
            if len(spellings) == 1:
                return self._rows[next(iter(spellings))]
        return []


def _forms(name: str) -> list[str]:
    """A name as it may be written elsewhere: without folders, without its ending, a Salesforce id in its short form."""
    if len(name) > _LONGEST_NAME:
        return []
    last = _FOLDERS.split(name.strip())[-1].strip()
    forms = (last, _ENDING.sub("", last), last[:15] if _is_long_id(last) else "")
    return list(filter(None, dict.fromkeys(forms)))


def _is_long_id(text: str) -> bool:
    """Whether it is a Salesforce id of 18 signs: the last three say which of the others are upper case, five each."""
    if _LONG_ID.fullmatch(text) is None:
        return False
    parts = (text[start : start + 5] for start in (0, 5, 10))
    numbers = (sum(1 << n for n, sign in enumerate(part) if "A" <= sign <= "Z") for part in parts)
    return text[15:].upper() == "".join(_CHECK_SIGNS[number] for number in numbers)


def _close(cells: Mapping[str, str]) -> dict[str, str]:
    """When the deal was closed, or is expected to be, as ISO 8601 where it can be read; of several columns the latest."""
    written = (iso_date(cell) for column, cell in cells.items() if plain_name(column.rpartition(".")[2]) in CLOSE_NAMES)
    dates = {text: moment for text in written if text is not None and (moment := moment_in(text)) is not None}
    return {"close_date": max(dates, key=dates.__getitem__)} if dates else {}


def _outcome_columns(table: Table, path: Path, options: ReadingOptions, mapped: str | None) -> OutcomeColumns:
    """Those known by name, or else the only column whose every word says how a deal ended."""
    known = OutcomeColumns.found(table.columns, path, options, mapped)
    if known != OutcomeColumns():
        return known
    telling = [column for column in table.columns if column and _tells_outcomes(table, column, options)]
    if len(telling) == 1:
        return OutcomeColumns(word=telling[0])
    raise InputError(
        f"{path} has {'several columns' if telling else 'no column'} that could say how deals ended (found: "
        f"{quoted_columns(table.columns)}); name it with the option column, as in outcome=Result."
    )


def _tells_outcomes(table: Table, column: str, options: ReadingOptions) -> bool:
    words = {cells[column] for _, cells in table.rows if column in cells}
    try:
        found = [options.outcome_of(word) or outcome_of_word(word, "") for word in words]
    except InputError:
        return False
    return any(found)
