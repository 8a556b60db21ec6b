"""The database of predictions and feedback: SQLite or PostgreSQL, through SQLAlchemy; everything here waits for it.

What writes without waiting is `prediction_log.writer`, what the figures mean is `prediction_log.performance`. A
database that can't be reached raises StoreAwayError after at most a few seconds. The schema is brought up to date at
the first contact.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Executable, Table, delete, event, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from foundations.database import (
    WAIT_SECONDS,
    WRITING,
    StoreAwayError,
    bring_up_to_date,
    database_errors,
    make_engine,
)
from prediction_log.actors import OPERATOR, Actor, audit_row, conversation_subject
from prediction_log.repeats import Repeatable, remember
from prediction_log.tables.learning import labelled_sentences, trial_scores
from prediction_log.tables.predictions import deal_parts, deal_readings, feedback, predictions
from prediction_log.tables.requests import audit, request_counts
from prediction_log.tables.rows import DEAL, Record, stored_conversation_id

MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_VERSION = "0010"  # the newest of them
PURGE_BATCH = 5000  # rows of a transaction: well under a second, so that who writes meanwhile hardly waits
_LET_WRITERS_IN = 0.11  # seconds; who waits for SQLite's lock looks at least every 0.1 s
_TRIES, _TRY_SECONDS = 10, 0.2  # to empty SQLite's log
_VERSION_TABLE = "alembic_version"  # what the database has
AfterWrite = Callable[[Connection, Any, Sequence[Record]], None]


class PredictionStore:
    """Queries on one database; safe to use from many threads."""

    def __init__(self, url: str, durable: bool = False, after_write: AfterWrite | None = None) -> None:
        """Connects at the first use. durable: SQLite also survives a loss of power at any moment; after_write: done in
        the transaction that stores predictions, with the database's own insert.
        """
        self._engine = make_engine(url, durable)
        self._writing = self._engine.execution_options(**{WRITING: True})
        self._insert: Any = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self._after_write = after_write
        self._current = False  # whether the schema is
        event.listen(self._engine, "invalidate", self._check_schema)  # after a disconnection it may be another database

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def _check_schema(self, *_: Any) -> None:
        self._current = False

    @contextlib.contextmanager
    def connection(self, writing: bool = False) -> Iterator[Connection]:
        """A transaction on the current schema. Raises StoreAwayError."""
        with database_errors():
            if not self._current:
                with self._writing.begin() as connection:
                    bring_up_to_date(connection, SCHEMA_VERSION, MIGRATIONS, _VERSION_TABLE)
                self._current = True
            with (self._writing if writing else self._engine).begin() as connection:
                yield connection

    def insert(self, table: Table) -> Any:
        """The database's own INSERT, which can be told what to do where the row is there already."""
        return self._insert(table)

    def write(self, records: Sequence[Record], counts: Sequence[Record] = ()) -> None:
        """Stores predictions, those that are there already left as they are, and request counts, which replace."""
        with self.connection(writing=True) as connection:
            if records:
                for table, rows in _rows_of(records):
                    connection.execute(self._insert(table).on_conflict_do_nothing(), rows)
                _keep_words_once(connection, records)
                if self._after_write is not None:
                    self._after_write(connection, self._insert, records)
            if counts:
                statement = self._insert(request_counts)
                keys = [column.name for column in request_counts.primary_key]
                changed = {"requests": statement.excluded.requests}
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(counts))

    def write_trial_scores(self, scores: Sequence[Record]) -> None:
        """Stores what versions on trial said; those that are there already are left as they are."""
        with self.connection(writing=True) as connection:
            connection.execute(self._insert(trial_scores).on_conflict_do_nothing(), list(scores))

    def note(self, entry: Record) -> None:
        """Stores a row of the audit log."""
        with self.connection(writing=True) as connection:
            connection.execute(self._insert(audit).values(entry))

    def first_came(self, request: Repeatable) -> int:
        """When a request came first, in milliseconds since 1970. Raises ReusedKeyError."""
        with self.connection(writing=True) as connection:
            return remember(connection, self._insert, request)[0]

    def remove(self, prediction_id: str, actor: Actor) -> bool:
        """Deletes a prediction and its feedback; False where there is none."""
        condition = predictions.c.prediction_id == prediction_id
        return self._remove(condition, audit_row(actor, "prediction deleted", prediction_id)) > 0

    def remove_conversation(self, conversation_id: str, actor: Actor) -> int:
        """Deletes all predictions of a conversation and their feedback, and its words and what was found in them wherever a
        deal was predicted with it, of which the figures stay; how many predictions either.
        """
        stored_id = stored_conversation_id(conversation_id)
        said = audit_row(actor, "conversation deleted", conversation_subject(conversation_id))
        return self._remove(predictions.c.conversation_id == stored_id, said, deal_parts.c.conversation_id == stored_id)

    def empty_the_log(self) -> bool:
        """SQLite's -wal file has deleted rows until it is emptied, which this does; False where a reader is in the way.

        Who writes meanwhile waits for it, so each try is short.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        with contextlib.suppress(StoreAwayError), database_errors(), self._engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute(f"PRAGMA busy_timeout={_TRY_SECONDS * 1000:.0f}")
            try:
                return any(self._emptied(raw) for _ in range(_TRIES))
            finally:
                raw.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1000}")
        return False

    def _emptied(self, raw: Any) -> bool:
        with contextlib.suppress(sqlite3.OperationalError):
            if raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                return True
        time.sleep(_LET_WRITERS_IN)
        return False

    def _remove(self, condition: ColumnElement[bool], said: Record, part: ColumnElement[bool] | None = None) -> int:
        """Deletes, and says so in the audit log, both or neither. part: of `deal_parts`, whose words go."""
        with self.connection(writing=True) as connection:
            removed = _delete(connection, condition)
            if part is not None:
                removed += _forget_part(connection, part)
            if removed:
                entry = said | {"detail": {"predictions": removed}}
                connection.execute(self._insert(audit).values(entry))
        if removed:
            self.empty_the_log()
        return removed

    def purge(
        self,
        before: datetime,
        progress: Callable[[float], None] = lambda share: None,
        audit_before: datetime | None = None,
    ) -> int:
        """Deletes everything older than `before`, PURGE_BATCH rows at a time; gives the number of predictions.

        What was deleted stays deleted where it is stopped or the database goes away between two batches.
        audit_before: for the audit log, which keeps all where it is None.
        """
        old = predictions.c.created_at < before
        total = int(self.rows(select(func.count()).select_from(predictions).where(old))[0][0])
        removed = 0
        for condition in self._batches(predictions.c.created_at, before):
            with self.connection(writing=True) as connection:
                removed += _delete(connection, condition)
            progress(min(1.0, removed / max(1, total)))
        for condition in self._batches(request_counts.c.minute, before):
            with self.connection(writing=True) as connection:
                connection.execute(delete(request_counts).where(condition))
        for condition in self._batches(trial_scores.c.created_at, before):
            with self.connection(writing=True) as connection:
                connection.execute(delete(trial_scores).where(condition))
        for condition in self._batches(audit.c.at, audit_before) if audit_before is not None else ():
            with self.connection(writing=True) as connection:
                connection.execute(delete(audit).where(condition))
        if removed:
            self.note(audit_row(OPERATOR, "purged", f"before {before:%Y-%m-%d}", predictions=removed))
        self.empty_the_log()
        return removed

    def _batches(self, moment: Column[Any], before: datetime) -> Iterator[ColumnElement[bool]]:
        """Conditions that about PURGE_BATCH rows meet each, the oldest first: more only where as many share a moment."""
        last = select(moment).where(moment < before).order_by(moment).offset(PURGE_BATCH - 1).limit(1)
        while found := self.rows(last):
            yield moment <= found[0][0]
            if self._engine.dialect.name == "sqlite":
                time.sleep(_LET_WRITERS_IN)
        yield moment < before

    def rows(self, statement: Executable) -> list[Any]:
        """All rows of a query."""
        with self.connection() as connection:
            return list(connection.execute(statement))

    def count(self) -> int:
        """How many predictions are stored."""
        return int(self.rows(select(func.count()).select_from(predictions))[0][0])

    def check(self) -> None:
        """Raises StoreAwayError where the database does not answer."""
        with self.connection() as connection:
            connection.execute(text("SELECT 1"))


def _delete(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Deletes predictions with their feedback, labelled sentences and what trials said of them; how many predictions."""
    theirs = select(predictions.c.prediction_id).where(condition)
    for table in (trial_scores, feedback, labelled_sentences, deal_readings, deal_parts):
        connection.execute(delete(table).where(table.c.prediction_id.in_(theirs)))
    return connection.execute(delete(predictions).where(condition)).rowcount


def _forget_part(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Takes a conversation out of the deals that were predicted with it, and all that was found in the words of these; of
    how many predictions. Its quotes may stand anywhere in what was found.
    """
    theirs = [row.prediction_id for row in connection.execute(select(deal_parts.c.prediction_id).where(condition))]
    connection.execute(delete(deal_readings).where(deal_readings.c.prediction_id.in_(theirs)))
    connection.execute(delete(deal_parts).where(condition))
    return len(set(theirs))


def _keep_words_once(connection: Connection, records: Sequence[Record]) -> None:
    """Of a conversation that a newer prediction of its deal has, too, the older ones lose the words: who scores all deals
    every night would else store everything that was ever said every night.
    """
    for record in records:
        if not record.get(DEAL):
            continue
        names = [part["conversation_id"] for part in record[DEAL]["parts"] if part["transcript"] is not None]
        older = select(predictions.c.prediction_id).where(
            predictions.c.deal_id == record["deal_id"], predictions.c.prediction_id < record["prediction_id"]
        )
        repeated = (deal_parts.c.prediction_id.in_(older), deal_parts.c.conversation_id.in_([*filter(None, names)]))
        connection.execute(update(deal_parts).where(*repeated).values(transcript=None))


def _rows_of(records: Sequence[Record]) -> Iterator[tuple[Table, list[Record]]]:
    """Rows by table, those that others point to first."""
    yield predictions, [{name: value for name, value in record.items() if name != DEAL} for record in records]
    deals = [record[DEAL] for record in records if record.get(DEAL)]
    if deals:
        yield deal_readings, [deal["reading"] for deal in deals]
        yield deal_parts, [part for deal in deals for part in deal["parts"]]
