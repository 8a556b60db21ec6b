"""The database of predictions and feedback: SQLite or PostgreSQL, through SQLAlchemy; everything here waits for it.

What writes without waiting is `prediction_writer`, what the figures mean is `performance_report`. A database that can't
be reached raises StoreAwayError after at most a few seconds. The schema is brought up to date at the first contact.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, delete, event, func, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from input_error import UnavailableError
from store_tables import Record, feedback, predictions, request_counts

SCHEMA_VERSION = "0001"  # the newest in migrations/versions
MIGRATIONS = Path(__file__).parent / "migrations"
_WRITING = "sales_writing"  # execution option of transactions that will write
_WAIT_SECONDS = 5  # for a lock, a connection, a statement
_LONGEST_STATEMENT_MS = 20_000


class StoreAwayError(UnavailableError):
    """The database can't be reached or can't be used now. `reason` is for the log: it may name the host."""

    code = "database_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The prediction database can't be used now; its operator finds the reason in the service's log."
        )
        self.reason = reason


class RefusedRecordError(StoreAwayError):
    """The database works and takes other records, but not these."""


class PredictionStore:
    """Queries on one database; safe to use from many threads."""

    def __init__(self, url: str, durable: bool = False) -> None:
        """Connects at the first use. durable: SQLite also survives a loss of power at any moment."""
        self._engine = _engine(url, durable)
        self._writing = self._engine.execution_options(**{_WRITING: True})
        self._insert: Any = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self._current = False  # whether the schema is

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def connection(self, writing: bool = False) -> Iterator[Connection]:
        """A transaction on the current schema. Raises StoreAwayError."""
        try:
            if not self._current:
                with self._writing.begin() as connection:
                    self._bring_up_to_date(connection)
            with (self._writing if writing else self._engine).begin() as connection:
                yield connection
        except (DataError, IntegrityError) as error:
            raise RefusedRecordError(_reason(error)) from error
        except SQLAlchemyError as error:
            raise StoreAwayError(_reason(error)) from error

    def write(self, records: Sequence[Record], counts: Sequence[Record] = ()) -> None:
        """Stores predictions, those that are there already left as they are, and request counts, which replace."""
        with self.connection(writing=True) as connection:
            if records:
                connection.execute(self._insert(predictions).on_conflict_do_nothing(), list(records))
            if counts:
                statement = self._insert(request_counts)
                keys = [column.name for column in request_counts.primary_key]
                changed = {"requests": statement.excluded.requests}
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(counts))

    def give_feedback(self, prediction_id: str, actual_outcome: str) -> Any:
        """Records how a deal ended, in place of what was said before; the prediction's row or None."""
        with self.connection(writing=True) as connection:
            row = connection.execute(select(predictions).where(predictions.c.prediction_id == prediction_id)).first()
            if row is not None:
                values = {"actual_outcome": actual_outcome, "received_at": datetime.now(UTC)}
                statement = self._insert(feedback).values(prediction_id=prediction_id, **values)
                connection.execute(statement.on_conflict_do_update(index_elements=["prediction_id"], set_=values))
            return row

    def remove(self, prediction_id: str) -> bool:
        """Deletes a prediction and its feedback; False where there is none."""
        with self.connection(writing=True) as connection:
            connection.execute(delete(feedback).where(feedback.c.prediction_id == prediction_id))
            found = connection.execute(delete(predictions).where(predictions.c.prediction_id == prediction_id))
            return found.rowcount > 0

    def purge(self, before: datetime) -> int:
        """Deletes everything older than `before`; gives the number of predictions."""
        old = predictions.c.created_at < before
        with self.connection(writing=True) as connection:
            connection.execute(
                delete(feedback).where(feedback.c.prediction_id.in_(select(predictions.c.prediction_id).where(old)))
            )
            connection.execute(delete(request_counts).where(request_counts.c.minute < before))
            return connection.execute(delete(predictions).where(old)).rowcount

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

    def _bring_up_to_date(self, connection: Connection) -> None:
        """Runs the migrations that are missing; workers that start together do it one after the other."""
        if _schema_version(self._engine, connection) != SCHEMA_VERSION:
            from alembic import command
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        self._current = True


def _engine(url: str, durable: bool) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": _WAIT_SECONDS}, poolclass=QueuePool)
        event.listen(engine, "connect", lambda raw, _: _prepare_sqlite(raw, durable))
        event.listen(engine, "begin", _begin_sqlite)
        if parsed.database:
            with contextlib.suppress(OSError):  # the first connection says what is wrong
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        return engine
    arguments = {
        "connect_timeout": _WAIT_SECONDS,
        "tcp_user_timeout": _WAIT_SECONDS * 1000,  # a server that fell silent
        "options": f"-c statement_timeout={_LONGEST_STATEMENT_MS} -c lock_timeout={_WAIT_SECONDS * 1000}",
        "application_name": "sales-service",
    }
    return create_engine(
        parsed, connect_args=arguments, pool_pre_ping=True, pool_recycle=900, pool_timeout=_WAIT_SECONDS
    )


def _begin_sqlite(connection: Connection) -> None:
    """Who will write waits for the writer before it from the start; who reads waits for nobody."""
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_sqlite(raw: Any, durable: bool) -> None:
    raw.isolation_level = None  # the driver would begin by itself, and later than SQLAlchemy says
    for pragma in (
        "journal_mode=WAL",  # readers do not wait for the writer
        f"synchronous={'FULL' if durable else 'NORMAL'}",  # either way a killed process loses nothing that was committed
        "foreign_keys=ON",
        "secure_delete=ON",  # what is deleted is overwritten
    ):
        raw.execute(f"PRAGMA {pragma}")


def _schema_version(engine: Engine, connection: Connection) -> str | None:
    if not engine.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _reason(error: SQLAlchemyError) -> str:
    """The driver's first line, without the statement and its values, which may hold what a customer said."""
    if isinstance(error, DBAPIError):
        return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0][:200].rstrip(".")
    return type(error).__name__
