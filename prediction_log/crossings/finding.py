"""Which of the predictions that are stored now lie on the other side of a line than the one before of the same deal.

A deal is known by its id, a conversation without a deal by its own; what has neither crosses nothing, and neither does the
first prediction. A prediction that is stored late, after a newer one, says nothing new and crosses nothing. Costs one
query for a batch, by indexes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, bindparam, select, union_all

from prediction_log.store import AfterWrite
from prediction_log.tables.predictions import crossings, predictions
from prediction_log.tables.rows import Record


def crossed(lines: Sequence[float], before: float, now: float) -> list[float]:
    """The lines that lie between; a probability that is equal to a line lies above it."""
    return [line for line in lines if (before >= line) != (now >= line)]


def queueing(lines: Sequence[float]) -> AfterWrite:
    """What has the store queue crossings in the transaction that stores their predictions: both or neither."""

    def queue(connection: Connection, insert: Any, records: Sequence[Record]) -> None:
        found = list(_found(connection, lines, {record["prediction_id"] for record in records}))
        if found:
            connection.execute(insert(crossings).on_conflict_do_nothing(), found)  # stored again, it is told once

    return queue


def _found(connection: Connection, lines: Sequence[float], ids: set[str]) -> Iterator[Record]:
    now = datetime.now(UTC)
    for row in connection.execute(_CHANGES, {"ids": sorted(ids)}):
        between = [] if row.before is None or row.newest not in ids else crossed(lines, row.before, row.probability)
        if between:
            queued = {"prediction_id": row.prediction_id, "before": row.before, "lines": between}
            yield {**queued, "queued_at": now, "tries": 0, "due_at": now}


def _changes(by: Column[Any]) -> Select[Any]:
    """Of each of the predictions `ids` its probability, that of the one before, and the id of the newest."""
    columns, older, newer = predictions.c, predictions.alias(), predictions.alias()
    before = select(older.c.probability).where(older.c[by.name] == by, older.c.prediction_id < columns.prediction_id)
    newest = select(newer.c.prediction_id).where(newer.c[by.name] == by)
    statement = select(columns.prediction_id, columns.probability)
    if by is columns.conversation_id:  # what has a deal is known by that
        before, newest = before.where(older.c.deal_id.is_(None)), newest.where(newer.c.deal_id.is_(None))
        statement = statement.where(columns.deal_id.is_(None))
    return statement.add_columns(
        before.order_by(older.c.prediction_id.desc()).limit(1).scalar_subquery().label("before"),
        newest.order_by(newer.c.prediction_id.desc()).limit(1).scalar_subquery().label("newest"),
    ).where(columns.prediction_id.in_(bindparam("ids", expanding=True)), by.is_not(None))


_CHANGES = union_all(_changes(predictions.c.deal_id), _changes(predictions.c.conversation_id))
