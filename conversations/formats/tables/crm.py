"""Turns rows of a table into records: our own columns, Salesforce and HubSpot exports, or a mapping given by the user.

Each field of a record is looked for by itself: first the column that `--column` names, then our own name for it, then
the names (API names and labels) under which Salesforce and HubSpot export it. Columns that feed no field are kept as
extra fields. It reads no file (`delimited` does) and judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.conversation import ConversationContext
from conversations.dates import iso_date
from conversations.formats.fields import plain_name
from conversations.formats.kinds import Placed
from conversations.formats.markup import plain_words
from conversations.formats.notices import notice
from conversations.formats.outcomes import OutcomeColumns, outcome_of_word
from conversations.formats.tables.delimited import Table, quoted_columns
from foundations.errors import InputError

CONTEXT_COLUMNS = tuple(ConversationContext.model_fields)
_RECORD_COLUMNS = ("transcript", "outcome", "conversation_id", "group", "date", "split")
FIELDS = (*_RECORD_COLUMNS, *CONTEXT_COLUMNS)  # what --column can name

# Names without case, spaces, dots and underscores; the first that a table has is taken.
_NAMES: dict[str, str] = {
    "transcript": "transcript hscallbody callbody callnotes hsmeetingbody hsnotebody notebody description comments "
    "fullcomments dealdescription opportunitydescription taskdescription",
    "conversation_id": "conversationid id hsobjectid recordid callid taskid activityid dealid opportunityid",
    "group": "group accountid accountname companyaccount associatedcompanyids associatedcompanyid associatedcompany "
    "associateddealids associateddeals associateddeal opportunityid opportunityname whatid relatedtoid",
    "date": "date activitydate hstimestamp calldate duedateonly closedate createddate createdate",
    "company_size": "companysize numberofemployees employees",
    "industry": "industry accountindustry",
    "contact_role": "contactrole contacttitle jobtitle",
    "lead_source": "leadsource originaltrafficsource originalsource hsanalyticssource",
}


def column_mapping(options: Sequence[str]) -> dict[str, str]:
    """`["transcript=Notes"]` as a mapping from our field to the file's column.

    Raises InputError for an option without "=", an unknown field, or a field given twice.
    """
    mapping: dict[str, str] = {}
    for option in options:
        field, equals, column = (part.strip() for part in option.partition("="))
        if not equals or not column or field not in FIELDS:
            raise InputError(
                f"--column {option!r} is not FIELD=COLUMN, such as transcript=Notes; the fields are {', '.join(FIELDS)}."
            )
        if field in mapping:
            raise InputError(f"--column gives {field} twice, as {mapping[field]!r} and {column!r}; give it once.")
        mapping[field] = column
    return mapping


def table_records(table: Table, path: Path, columns: Mapping[str, str]) -> list[Placed]:
    """One record a row. In a table without our own column 'transcript', rows without text are left out with a warning.

    Raises InputError where no column can be the transcript, where `columns` names one that is not there, and for an
    outcome that is not understood.
    """
    mapped = {field: _found(table.columns, field, name, path) for field, name in columns.items()}
    sources = {**_guessed(table.columns), **mapped}
    if "transcript" not in sources:
        raise InputError(
            f"{path} has no column 'transcript' (found: {quoted_columns(table.columns)}); rename the one that holds "
            "the words, or name it, as in --column transcript=Notes."
        )
    is_ours = sources["transcript"] == "transcript" and "transcript" not in mapped
    rows = table.rows if is_ours else _with_words(table.rows, sources["transcript"], path)
    outcomes = OutcomeColumns.found(table.columns, path, mapped.get("outcome"), is_ours)
    records = [(where, _record(cells, sources, is_ours) | outcomes.field(cells, where)) for where, cells in rows]
    if unknown := outcomes.unknown_stages(cells for _, cells in rows):
        notice(path, f"taken as open, since they say neither won nor lost: {', '.join(unknown[:10])}.")
    return records


def renamed_records(placed: Sequence[Placed], path: Path, columns: Mapping[str, str]) -> list[Placed]:
    """JSON records with the fields that `columns` names under our names; nothing is guessed, other fields are kept."""
    names = list(dict.fromkeys(name for _, record in placed if isinstance(record, dict) for name in record))
    sources = {field: _found(names, field, name, path) for field, name in columns.items()}
    return [
        (where, _renamed(record, sources, where) if isinstance(record, dict) else record) for where, record in placed
    ]


def check_words_are_named(placed: Sequence[Placed]) -> None:
    """Raises InputError for a JSON record with neither of the fields that hold words, naming those that it has."""
    for where, record in placed:
        if isinstance(record, dict) and not {"transcript", "turns"} & record.keys():
            raise InputError(
                f"{where}: neither 'transcript' nor 'turns' is there (found: {quoted_columns(list(record)) or 'nothing'}); "
                "give a list of conversations, or name the field that holds the words, as in --column transcript=Notes."
            )


def _found(columns: Sequence[str], field: str, name: str, path: Path) -> str:
    for column in (*(c for c in columns if c == name), *(c for c in columns if c.casefold() == name.casefold())):
        return column
    raise InputError(f"{path} has no column {name!r} for {field} (found: {quoted_columns(columns)}).")


def _guessed(columns: Sequence[str]) -> dict[str, str]:
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
        record["transcript"] = plain_words(fields["transcript"])
        record |= {"date": iso_date(fields["date"])} if "date" in fields else {}
    return record


def _renamed(record: Mapping[str, Any], sources: Mapping[str, str], where: str) -> dict[str, Any]:
    values = {field: record.get(name) for field, name in sources.items()}
    renamed = {name: value for name, value in record.items() if name not in sources.values()}
    if values.get("outcome") is not None:
        values["outcome"] = outcome_of_word(str(values["outcome"]), where)
    context = {field: value for field, value in values.items() if field in CONTEXT_COLUMNS}
    if context and isinstance(renamed.get("conversation_context", {}), dict):
        renamed["conversation_context"] = {**(renamed.get("conversation_context") or {}), **context}
    return renamed | {field: value for field, value in values.items() if field not in CONTEXT_COLUMNS}
