"""Turns rows of a table into records: our own columns, a CRM's export, or a mapping given by the user.

Each field of a record is looked for by itself: first the column that the person names, then our own name for it, then
the names under which CRMs export it (`names`). Columns that feed no field are kept as extra fields. It reads no file
(`delimited` does) and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from conversations.dates import iso_date
from conversations.formats.fields import without_none
from conversations.formats.findings import found_columns
from conversations.formats.kinds import Placed
from conversations.formats.limits import Limit, counted
from conversations.formats.markup import plain_words
from conversations.formats.options import CONTEXT_COLUMNS, NAMED, RECORD_COLUMNS, ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from conversations.formats.tables.delimited import Table, quoted_columns
from conversations.formats.tables.messages import (
    Rows,
    conversation_cells,
    conversations_of,
    first_moment,
    id_column,
    one_outcome,
    spoken_turns,
)
from conversations.formats.tables.names import field_columns, message_columns, named_columns
from conversations.formats.tables.outcome_columns import OutcomeColumns
from conversations.formats.tables.silence import says_something, with_words
from foundations.errors import InputError

_OURS = (*RECORD_COLUMNS, *CONTEXT_COLUMNS)


def table_records(table: Table, path: Path, options: ReadingOptions, limit: Limit | None = None) -> list[Placed]:
    """One record a row, or where rows are messages one a conversation; rows without words are left out and told of.

    limit: the most conversations. Raises InputError where no column can hold the words, where the options name one that is
    not there, for outcomes that are not understood and needed, and where no row has words (NoWordsError).
    """
    if (grouped := message_records(table.rows, table.columns, path, options, limit)) is not None:
        return grouped
    named = named_columns(table.columns, path, options)
    sources = {**field_columns(table.columns), **named}
    if "transcript" not in sources:
        raise InputError(f"{path} has no column 'transcript' (found: {quoted_columns(table.columns)}); {NAMED}.")
    words = sources["transcript"]
    is_ours = words == "transcript" and "transcript" not in named

    def speaks(cells: Mapping[str, str]) -> bool:
        cell = cells.get(words, "")
        return says_something(cell if is_ours else plain_words(cell))  # an empty rich-text field is "<p></p>"

    rows = with_words(table.rows, speaks, path, f"rows have no text in {words!r}")
    outcomes = OutcomeColumns.found(table.columns, path, options, named.get("outcome"))
    found_columns(path, sources | outcomes.sources)
    reader = OutcomeReader(path, options)
    records = [
        (where, _record(cells, sources, is_ours) | {"outcome": outcomes.outcome(cells, where, reader)})
        for where, cells in counted(rows, path, limit)
    ]
    reader.finish()
    return records


def message_records(
    rows: Rows, columns: Sequence[str], path: Path, options: ReadingOptions, limit: Limit | None = None
) -> list[Placed] | None:
    """Where each row is a message: a record for each conversation, with turns and what its rows say in common.

    None where rows are no messages. Raises InputError as `table_records` does, and for outcomes that contradict each other.
    """
    named = named_columns(columns, path, options)
    messages = message_columns(columns, named)
    if messages is None or not (id_name := id_column(rows, messages, options)):
        return None
    sources = {**field_columns(columns), **named, "conversation_id": id_name}
    outcomes = OutcomeColumns.found(columns, path, options, named.get("outcome"))
    found_columns(path, sources | messages.sources | outcomes.sources)
    reader = OutcomeReader(path, options)
    records = []
    for name, own in counted(conversations_of(rows, messages, id_name, path), path, limit):
        outcome = one_outcome(name, own, partial(outcomes.outcome, reader=reader), reader, path)
        of_conversation = conversation_cells(own, messages, sources.values())
        record = _record(of_conversation | {id_name: name}, sources, is_ours=False)
        record |= {"turns": spoken_turns(own, messages), "outcome": outcome}
        record.setdefault("date", first_moment(own, messages))
        records.append((f"{path}, conversation {name[:60]!r}", without_none(record)))
    reader.finish()
    return with_words(records, lambda record: bool(record["turns"]), path, "conversations have no words")


def _record(cells: Mapping[str, str], sources: Mapping[str, str], is_ours: bool) -> dict[str, Any]:
    fields = {field: cells[column] for field, column in sources.items() if column in cells}
    used = {sources.get("transcript"), *(column for field, column in sources.items() if column == field)}
    record: dict[str, Any] = {name: cell for name, cell in cells.items() if name not in (*used, *_OURS)}
    record |= {field: value for field, value in fields.items() if field not in CONTEXT_COLUMNS}
    record |= {"deal_id": _only_one(fields["deal_id"])} if "deal_id" in fields else {}
    known = record.get("conversation_context")
    record["conversation_context"] = (known if isinstance(known, dict) else {}) | {
        field: value for field, value in fields.items() if field in CONTEXT_COLUMNS
    }
    if not is_ours:
        record |= {"transcript": plain_words(fields["transcript"])} if "transcript" in fields else {}
        record |= {"date": iso_date(fields["date"])} if "date" in fields else {}
    return record


def _only_one(deals: str) -> str | None:
    """HubSpot writes several ids into one cell: then it is not known which deal is meant."""
    ids = {one.strip() for one in deals.replace(",", ";").split(";")} - {""}
    return ids.pop() if len(ids) == 1 else None
