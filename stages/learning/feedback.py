"""`--mode feedback`: a table that says how predicted deals ended, into the prediction database.

It is read as the tables are that --outcomes names: CSV, Excel or Parquet, a CRM's export as it is. A row names a prediction, a
deal or a conversation by its id. All rows are stored or none; open deals, and rows without a stored prediction, are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from conversations.dates import moment_in
from conversations.formats.fields import plain_name
from conversations.formats.tables.delimited import quoted_columns
from conversations.formats.tables.joined import Ending, EndingTable
from conversations.formats.tables.names import field_columns
from conversations.reading.tables import endings_in
from deals.grouping import is_close
from foundations.errors import InputError, quoted
from foundations.settings import load_settings
from foundations.terminal import say
from prediction_log.actors import OPERATOR
from prediction_log.outcomes.recording import GivenOutcome, Kind, record_outcomes
from stages.job import Job
from stages.learning.prediction_store import opened_store

_PREDICTION = "predictionid"
_Columns = dict[Kind, str]


def take_in(job: Job) -> None:
    """Stores the outcomes of `--data`. Raises InputError for a table that is not understood, and as `record_outcomes` does."""
    if job.data is None:
        raise InputError("--mode feedback needs --data FILE: a table with a column of ids and one of outcomes.")
    table = endings_in(job.data, job.reading)
    table.check_outcomes()
    columns = _id_columns(table, job.reading.columns)
    given = list(_given(table, columns))
    with opened_store(load_settings(artifacts=job.folder.root)) as store:
        recorded = record_outcomes(store, given, OPERATOR, leave_out_unknown=True)
    unknown = [one.given for one in recorded if not one.predictions]
    if given and len(unknown) == len(given):
        raise InputError(
            f"No prediction is stored of any of the {len(given)} outcomes of {job.data} (the first: {unknown[0].subject}); its "
            f"ids are looked for in {_told(columns)}, and another column is named with --column deal_id=COLUMN."
        )
    predictions = sum(len(one.predictions) for one in recorded)
    say(f"{len(given) - len(unknown)} outcomes stored with {predictions} predictions")
    if unknown:
        say(f"Warning: of {len(unknown)} no prediction is stored (the first: {unknown[0].subject})", style="yellow")
    if left := len(table.endings) - len(given):
        say(f"{left} rows are open, or have no id, and were left out")


def _id_columns(table: EndingTable, named: Mapping[str, str]) -> _Columns:
    """The columns of ids, in the order in which a row is found by them. Raises InputError where there is none."""
    known = {
        **field_columns(table.columns),
        **{name: column for name, column in named.items() if table.takes(name, column)},
    }
    columns: _Columns = {}
    for column in table.columns:
        if plain_name(column) == _PREDICTION:
            columns["prediction"] = column
    kinds: tuple[tuple[Kind, str], ...] = (("deal", "deal_id"), ("conversation", "conversation_id"))
    for kind, name in kinds:
        if name in known and known[name] not in columns.values():
            columns[kind] = known[name]
    if not columns:
        raise InputError(
            f"{table.path} has no column of ids (found: {quoted_columns(table.columns)}); it needs prediction_id, deal_id or "
            "conversation_id, or name one, as in --column deal_id=Opportunity."
        )
    return columns


def _given(table: EndingTable, columns: _Columns) -> Iterator[GivenOutcome]:
    """What the rows say that have an id and an outcome."""
    closed = [column for column in table.columns if is_close(column)]
    for row in table.endings:
        named = [(kind, row.cells.get(name, "").strip()) for kind, name in columns.items()]
        kind, identifier = next((one for one in named if one[1]), ("deal", ""))
        if identifier and row.outcome is not None:
            yield GivenOutcome(kind, identifier, row.outcome, _closed_at(row, closed), row.where)


def _closed_at(row: Ending, columns: list[str]) -> date | None:
    for column in columns:
        if written := row.cells.get(column, "").strip():
            if (moment := moment_in(written)) is None:
                raise InputError(f"{row.where}: the {column} {quoted(written)} is no date; write it as 2026-03-31.")
            return moment.date()
    return None


def _told(columns: _Columns) -> str:
    return " and ".join(f"{column!r} ({kind}s)" for kind, column in columns.items())
