"""Turns rows of a table into records: our own columns, Salesforce and HubSpot exports, or a mapping given by the user.

Each field of a record is looked for by itself: first the column that the person names, then our own name for it, then
the names (API names and labels) under which Salesforce and HubSpot export it. Columns that feed no field are kept as
extra fields. It reads no file (`delimited` does) and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.dates import iso_date
from conversations.formats.fields import plain_name
from conversations.formats.findings import found_columns
from conversations.formats.kinds import Placed
from conversations.formats.notices import notice
from conversations.formats.options import CONTEXT_COLUMNS, FIELDS, NAMED, ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from conversations.formats.tables.delimited import Table, quoted_columns
from conversations.formats.tables.outcome_columns import OutcomeColumns
from conversations.formats.turns import unescaped
from foundations.errors import InputError

# Names without case, spaces, dots and underscores; the first that a table has is taken.
_NAMES: dict[str, str] = {
    "transcript": "transcript hscallbody callbody callnotes hsmeetingbody hsnotebody notebody description textbody comments "
    "fullcomments dealdescription opportunitydescription taskdescription",
    "conversation_id": "conversationid id hsobjectid recordid callid taskid activityid dealid opportunityid",
    "group": "group accountid accountname companyaccount associatedcompanyids associatedcompanyid associatedcompany "
    "associateddealids associateddeals associateddeal opportunityid opportunityname whatid relatedtoid",
    "date": "date activitydate messagedate hstimestamp calldate duedateonly closedate createddate createdate",
    "company_size": "companysize numberofemployees employees",
    "industry": "industry accountindustry",
    "contact_role": "contactrole contacttitle jobtitle",
    "lead_source": "leadsource originaltrafficsource originalsource hsanalyticssource",
}
_MARKUP = re.compile(
    r"</?(?:p|div|br|span|ul|ol|li|b|i|u|a|em|strong|h\d|table|tr|td|th|tbody)\b[^<>]*>", re.IGNORECASE
)
_BLOCK = re.compile(r"</?(?:p|div|br|li|tr|h\d)\b[^<>]*>", re.IGNORECASE)


def table_records(table: Table, path: Path, options: ReadingOptions) -> list[Placed]:
    """One record a row. In a table without our own column 'transcript', rows without text are left out with a warning.

    Raises InputError where no column can be the transcript, where the options name one that is not there, and for an
    outcome that is not understood.
    """
    mapped = {field: found_column(table.columns, field, name, path) for field, name in options.columns.items()}
    sources = {**guessed_columns(table.columns), **mapped}
    if "transcript" not in sources:
        raise InputError(f"{path} has no column 'transcript' (found: {quoted_columns(table.columns)}); {NAMED}.")
    is_ours = sources["transcript"] == "transcript" and "transcript" not in mapped
    rows = table.rows if is_ours else _with_words(table.rows, sources["transcript"], path)
    outcomes = OutcomeColumns.found(table.columns, path, options, mapped.get("outcome"))
    found_columns(path, sources | ({"outcome": outcomes.names} if outcomes.names else {}))
    reader = OutcomeReader(path, options)
    records = [
        (where, _record(cells, sources, is_ours) | {"outcome": outcomes.outcome(cells, where, reader)})
        for where, cells in rows
    ]
    reader.finish()
    return records


def found_column(columns: Sequence[str], field: str, name: str, path: Path) -> str:
    """The column that a person named for a field, in any case. Raises InputError where there is none."""
    for column in (*(c for c in columns if c == name), *(c for c in columns if c.casefold() == name.casefold())):
        return column
    raise InputError(f"{path} has no column {name!r} for {field} (found: {quoted_columns(columns)}).")


def guessed_columns(columns: Sequence[str]) -> dict[str, str]:
    """Our fields and the columns that hold them by name, but for the outcome, which may need several columns."""
    plain = {plain_name(column): column for column in reversed(columns)}
    # "Account.Industry" is an industry too, but only where no column is called just that.
    plain = {plain_name(column.rsplit(".", 1)[-1]): column for column in reversed(columns)} | plain
    sources = {}
    for field in FIELDS:
        names = _NAMES.get(field, field.replace("_", "")).split()
        column = next((plain[name] for name in names if name in plain), None)
        if field in columns:
            sources[field] = field
        elif column is not None and field not in ("outcome", "split"):
            sources[field] = column
    return sources


def _with_words(
    rows: Sequence[tuple[str, dict[str, str]]], column: str, path: Path
) -> list[tuple[str, dict[str, str]]]:
    kept = [row for row in rows if column in row[1]]
    silent = [where for where, cells in rows if column not in cells]
    if silent:
        told = f"{len(silent)} of {len(rows)} rows have no text in {column!r} and are left out"
        notice(path, f"{told} (the first is {silent[0].removeprefix(f'{path}, ')}).")
    return kept


def _record(cells: Mapping[str, str], sources: Mapping[str, str], is_ours: bool) -> dict[str, Any]:
    fields = {field: cells[column] for field, column in sources.items() if column in cells}
    used = {sources["transcript"], *(column for field, column in sources.items() if column == field)}
    record: dict[str, Any] = {name: cell for name, cell in cells.items() if name not in (*used, *FIELDS)}
    record |= {field: value for field, value in fields.items() if field not in CONTEXT_COLUMNS}
    record["conversation_context"] = {field: value for field, value in fields.items() if field in CONTEXT_COLUMNS}
    if not is_ours:
        record["transcript"] = _without_markup(fields["transcript"])
        record |= {"date": iso_date(fields["date"])} if "date" in fields else {}
    return record


def _without_markup(text: str) -> str:
    """The words of a cell that HubSpot or a rich-text field wrote as HTML; a text without its tags stays as it is."""
    if not _MARKUP.search(text):
        return text
    lines = unescaped(_MARKUP.sub(" ", _BLOCK.sub("\n", text))).splitlines()
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines))) or text
