"""How the project speaks to a database: engines for SQLite and PostgreSQL, migrations, and the error of one that is away.

Knows no table. A database that can't be reached raises StoreAwayError after at most a few seconds.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from foundations.atomic_files import PRIVATE_FILE, make_private_folder
from foundations.errors import UnavailableError

_MIGRATIONS = Path(__file__).with_name("migrations")  # how they are run; each room keeps its own beside its tables
WRITING = "sales_writing"  # execution option of transactions that will write
WAIT_SECONDS = 5  # for a lock, a connection, a statement
_LONGEST_STATEMENT_MS = 20_000
_MIGRATING = threading.Lock()  # Alembic keeps the migration that runs in global variables


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

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.args = (
            "The prediction database did not take this record; its operator finds the reason in the service's log.",
        )


@contextlib.contextmanager
def database_errors() -> Iterator[None]:
    """SQLAlchemy's errors as RefusedRecordError, where the values are at fault, or StoreAwayError."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise RefusedRecordError(_reason(error)) from error
    except SQLAlchemyError as error:
        raise StoreAwayError(_reason(error)) from error


def make_engine(url: str, durable: bool = False, options: Mapping[str, Any] | None = None) -> Engine:
    """Connects at the first use. durable: SQLite also survives a loss of power; options: PostgreSQL's, per connection."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": WAIT_SECONDS}, poolclass=QueuePool)
        event.listen(engine, "connect", lambda raw, _: _prepare_sqlite(raw, durable))
        event.listen(engine, "begin", _begin_sqlite)
        if parsed.database:
            event.listen(engine, "do_connect", lambda *_: _make_private(Path(parsed.database or "")))
            _leave_deleted_files(engine, Path(parsed.database))
            with contextlib.suppress(OSError):  # the first connection says what is wrong
                make_private_folder(Path(parsed.database).parent)
        return engine
    limits = {"statement_timeout": _LONGEST_STATEMENT_MS, "lock_timeout": WAIT_SECONDS * 1000}
    arguments = {
        "connect_timeout": WAIT_SECONDS,
        "tcp_user_timeout": WAIT_SECONDS * 1000,  # a server that fell silent
        "options": " ".join(f"-c {name}={value}" for name, value in {**limits, **(options or {})}.items()),
        "application_name": "sales-service",
    }
    return create_engine(
        parsed, connect_args=arguments, pool_pre_ping=True, pool_recycle=900, pool_timeout=WAIT_SECONDS
    )


def bring_up_to_date(connection: Connection, newest: str, folder: Path, version_table: str) -> None:
    """Runs those migrations of a folder that are missing; who comes together does it one after the other.

    newest: the last revision there; version_table: where the database says which one it has. Raises StoreAwayError where
    that is a later one than this program knows, as after a return to an older one: its columns may mean something else.
    """
    found = _schema_version(connection, version_table)
    if found == newest:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder's name may have spaces
    config.set_main_option("version_locations", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
    with _MIGRATING:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreAwayError(
                f"its tables have revision {found!r}, which this program does not know ({newest!r} is its last): start the "
                "version that made them, or bring back a copy from before"
            ) from error


def _make_private(path: Path) -> None:
    """Before SQLite makes the file, readable for all; its -wal and -shm get the mode of the file.

    It opens no file that is there: closing it would drop the locks that SQLite holds on it in this process.
    """
    with contextlib.suppress(OSError):  # the connection says what is wrong
        if path.exists():
            path.chmod(PRIVATE_FILE)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def _leave_deleted_files(engine: Engine, path: Path) -> None:
    """Opens SQLite's file again where it was deleted or replaced; else records would go to one that nobody can read."""

    def opened(raw: Any, record: Any) -> None:
        record.info["file"] = _file_number(path)

    def used(raw: Any, record: Any, proxy: Any) -> None:
        if record.info["file"] != _file_number(path):
            raise DisconnectionError  # the pool makes another connection

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", used)


def _file_number(path: Path) -> tuple[int, int] | None:
    """Device and inode, which a new file of the same name does not share; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Connection) -> None:
    """Who will write waits for the writer before it from the start; who reads waits for nobody."""
    writing = connection.get_execution_options().get(WRITING)
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


def _schema_version(connection: Connection, version_table: str) -> str | None:
    if not connection.dialect.has_table(connection, version_table):
        return None
    return connection.execute(text(f"SELECT version_num FROM {version_table}")).scalar()


def _reason(error: SQLAlchemyError) -> str:
    """The driver's first line, without the statement and its values, which may hold what a customer said."""
    if isinstance(error, DBAPIError):
        return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0][:200].rstrip(".")
    return type(error).__name__
