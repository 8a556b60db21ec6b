"""JSON records of our own shape: fields under other names, and outcomes in other words, as ours.

It judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.findings import found_columns
from conversations.formats.kinds import Placed
from conversations.formats.options import CONTEXT_COLUMNS, NAMED, ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from conversations.formats.tables.crm import found_column
from conversations.formats.tables.delimited import quoted_columns
from foundations.errors import InputError


def own_records(placed: Sequence[Placed], path: Path, options: ReadingOptions) -> list[Placed]:
    """Records with the fields that the options name under our names, and outcomes as ours; other fields are kept.

    Raises InputError where the options name a field that is not there, for a record without a field that holds words, and
    for an outcome that is not understood where outcomes are needed.
    """
    names = list(dict.fromkeys(name for _, record in placed if isinstance(record, dict) for name in record))
    sources = {field: found_column(names, field, name, path) for field, name in options.columns.items()}
    found_columns(path, sources)
    reader = OutcomeReader(path, options)
    records = [
        (where, _own(record, sources, where, reader) if isinstance(record, dict) else record)
        for where, record in placed
    ]
    for where, record in records:
        _check_words_are_named(record, where)
    reader.finish()
    return records


def _own(record: Mapping[str, Any], sources: Mapping[str, str], where: str, reader: OutcomeReader) -> dict[str, Any]:
    own = _renamed(record, sources) if sources else dict(record)
    if isinstance(own.get("outcome"), str | int | float):
        own["outcome"] = reader.of_word(str(own["outcome"]), where)
    return own


def _renamed(record: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    values = {field: record.get(name) for field, name in sources.items()}
    renamed = {name: value for name, value in record.items() if name not in sources.values()}
    context = {field: value for field, value in values.items() if field in CONTEXT_COLUMNS}
    if context and isinstance(renamed.get("conversation_context", {}), dict):
        renamed["conversation_context"] = {**(renamed.get("conversation_context") or {}), **context}
    return renamed | {field: value for field, value in values.items() if field not in CONTEXT_COLUMNS}


def _check_words_are_named(record: Any, where: str) -> None:
    if isinstance(record, dict) and not {"transcript", "turns"} & record.keys():
        raise InputError(
            f"{where}: neither 'transcript' nor 'turns' is there (found: {quoted_columns(list(record)) or 'nothing'}); "
            f"give a list of conversations, or {NAMED}."
        )
