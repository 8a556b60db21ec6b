"""Gives conversations the outcome, the account and the deal of the row that names them in another table.

What names them is the conversation's id, its file's name or the ids of its deals. What was matched and what was not, on
both sides, is told in notices. It reads no file (`conversations.reading.folder` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from conversations.conversation import Conversation
from conversations.dates import moment_in
from conversations.formats.fields import plain_name
from conversations.formats.notices import notice
from conversations.formats.tables.joined import LINKS, EndingTable, Match, Names
from foundations.errors import InputError

_LATEST = datetime.max.replace(tzinfo=UTC)


class FileRead(NamedTuple):
    """A file and what it holds."""

    path: Path
    conversations: list[Conversation]


def with_endings(files: Sequence[FileRead], table: EndingTable, source: Path) -> list[FileRead]:
    """The files with the endings of the table in their conversations; what the table says comes first.

    Raises InputError where it names none of them, and for an outcome that is not understood. `source` names all files in
    messages.
    """
    joined = _joined(files, table, source, by_deals_alone=False)
    if joined is None:
        raise _nothing_fits(files, table, source)
    return joined


def with_deals(files: Sequence[FileRead], table: EndingTable, source: Path) -> list[FileRead] | None:
    """The same by the ids of their deals alone; None where it names none of these."""
    return _joined(files, table, source, by_deals_alone=True)


def _joined(files: Sequence[FileRead], table: EndingTable, source: Path, by_deals_alone: bool) -> list[FileRead] | None:
    names = [_names(file, one, by_deals_alone) for file in files for one in file.conversations]
    column, matches = table.found(names)
    if not column:
        return None
    table.check_outcomes()
    told, match = _Told(), iter(matches)
    joined = [
        FileRead(file.path, [told.joined(one, next(match), column) for one in file.conversations]) for file in files
    ]
    told.tell(table, column, source, len(names))
    return joined


def _names(file: FileRead, conversation: Conversation, by_deals_alone: bool) -> Names:
    alone = len(file.conversations) == 1
    own = [file.path.name if alone else "", conversation.conversation_id]
    extra = conversation.model_extra or {}
    links = [str(value) for name, value in extra.items() if plain_name(name) in LINKS and isinstance(value, str | int)]
    deals = [conversation.deal_id or "", *links]
    return Names.of([] if by_deals_alone else own, deals)


class _Told:
    """Joins one conversation after the other, and counts what became of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.firsts: dict[str, str] = {}
        self.used: set[int] = set()

    def joined(self, conversation: Conversation, match: Match, column: str) -> Conversation:
        """The conversation with what its rows say."""
        rows = match.rows
        self.used |= {id(row) for row in rows}
        if not rows:
            self._count("unmatched", repr(conversation.conversation_id))
            return conversation
        self._count("matched")
        fields = _fields(conversation, match, column)
        outcomes = {row.outcome for row in rows}
        if len(outcomes) > 1:
            self._count("differing", f"{conversation.conversation_id!r}, by {rows[0].where} and {rows[1].where}")
            return conversation.model_copy(update=fields | {"outcome": None})
        outcome = rows[0].outcome
        if outcome and conversation.outcome not in (None, outcome):
            self._count("overruled", repr(conversation.conversation_id))
        return conversation.model_copy(update=fields | {"outcome": outcome or conversation.outcome})

    def tell(self, table: EndingTable, column: str, source: Path, total: int) -> None:
        """A notice for each kind."""
        count = self.counts
        notice(table.path, f"its column {column!r} names {count['matched']} of the {total} conversations of {source}.")
        self._tell_one(source, "unmatched", f"conversations are not named in {table.path} and have no outcome from it")
        self._tell_one(
            source, "differing", f"conversations have rows in {table.path} that ended differently, and stay open"
        )
        self._tell_one(
            source, "overruled", f"conversations ended otherwise by their own file than by {table.path}, which counts"
        )
        left = [row for row in table.endings if id(row) not in self.used]
        if left:
            first = left[0].cells.get(column, "")[:60]
            notice(table.path, f"{len(left)} of {len(table.endings)} rows name no conversation (the first: {first!r}).")

    def _tell_one(self, source: Path, kind: str, sentence: str) -> None:
        if self.counts[kind]:
            notice(source, f"{self.counts[kind]} {sentence} (the first: {self.firsts[kind]}).")

    def _count(self, kind: str, example: str = "") -> None:
        self.counts[kind] += 1
        self.firsts.setdefault(kind, example)


def _fields(conversation: Conversation, match: Match, column: str) -> dict[str, Any]:
    """The account, the deal and when it was closed, as the row has them; its date only where the conversation has none.

    Of several deals of a conversation it counts as closed with the first, as what is said afterwards may tell how it ended.
    """
    row = match.rows[0]
    fields: dict[str, Any] = {name: row.fields[name] for name in ("group", "deal_id") if name in row.fields}
    if match.by_deal:
        fields["deal_id"] = row.fields.get("deal_id", row.cells[column]) if len(match.rows) == 1 else None
    if "date" in row.fields and not (conversation.model_extra or {}).get("date"):
        fields["date"] = row.fields["date"]
    closes = [row.fields["close_date"] for row in match.rows if "close_date" in row.fields]
    if closes:
        fields["close_date"] = min(closes, key=lambda written: moment_in(written) or _LATEST)
    return fields


def _nothing_fits(files: Sequence[FileRead], table: EndingTable, source: Path) -> InputError:
    file = next(file for file in files if file.conversations)
    columns = [f"{name!r} with {cell[:40]!r}" for name, cell in _first_cells(table)]
    return InputError(
        f"{table.path} names none of the {sum(len(one.conversations) for one in files)} conversations of {source}: the "
        f"first is {file.conversations[0].conversation_id!r} in {file.path.name!r}, and its columns are "
        f"{', '.join(columns) or 'empty'}; one should have the names of the files, or the ids of conversations or deals."
    )


def _first_cells(table: EndingTable) -> list[tuple[str, str]]:
    return list(table.endings[0].cells.items())[:5] if table.endings else []
