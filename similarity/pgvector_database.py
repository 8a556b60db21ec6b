"""PostgreSQL with pgvector: named indexes of vectors, each in one version that all machines see, changed by one at a
time.

Needs PostgreSQL with pgvector 0.8 or later; makes its tables at the first contact. A version is loaded with COPY, gets
its HNSW index, and takes the old one's place as the transaction ends, so that others see the one or the other. A
database that is away is asked again after AWAY_SECONDS only: until then everybody hears at once that it is.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psycopg
from pgvector import Vector
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError

from foundations.database import RefusedRecordError, StoreAwayError, bring_up_to_date, database_errors, make_engine
from foundations.errors import InputError
from foundations.settings import with_driver
from similarity.pgvector_tables import indexes, partition, records, versions
from similarity.vector_index import IndexAwayError, IndexReplacedError, Record

MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_VERSION = "0001"  # the newest of them
AWAY_SECONDS = 2.0
FRESH_SECONDS = 1.0  # that which version counts is believed without asking again
EF_SEARCH = 100  # candidates of an HNSW search; docs/scaling.md has what it finds
WIDEST = 2000  # dimensions that pgvector's HNSW takes; wider vectors are searched exactly
_VERSION_TABLE = "vector_schema_version"
_LOCK = 727275  # any number, the same for everybody who changes an index
_OPTIONS = {
    "hnsw.iterative_scan": "strict_order",  # where more are wanted than there are candidates it looks further
    "plan_cache_mode": "force_custom_plan",  # how many records there are and are wanted decides how to search
}
_BUILD = "WITH (m = 16, ef_construction = 128)"
_BUILD_MEMORY = "256MB"  # a graph that doesn't fit is built many times slower
_COLUMNS = ("version", "id", "text", "metadata", "embedding", "lines", "line_count")

T = TypeVar("T")


class Located(NamedTuple):
    """The version of an index that counts now."""

    version: int
    dimensions: int | None  # None: no record yet
    description: dict[str, Any]


class VectorDatabase:
    """One database; safe to use from many threads."""

    def __init__(self, url: str, ef_search: int = EF_SEARCH) -> None:
        """Connects at the first use. url: postgresql://…, as SALES_DATABASE_URL has it."""
        if not url.startswith("postgres"):
            raise InputError("Vectors need a database at postgresql://user:password@host/database.")
        self._engine = make_engine(with_driver(url), options={"hnsw.ef_search": ef_search, **_OPTIONS})
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._current = False  # whether the schema is
        self._located: dict[str, tuple[float, Located | None]] = {}
        self._away_until = 0.0

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def locate(self, name: str, now: bool = False) -> Located | None:
        """The version of an index that counts now, or did a second ago; None where there is no such index."""
        kept = self._located.get(name)
        if now or kept is None or time.monotonic() - kept[0] > FRESH_SECONDS:
            kept = time.monotonic(), self.read(lambda connection: located(connection, name))
            self._located[name] = kept
        return kept[1]

    def read(self, ask: Callable[[Connection], T]) -> T:
        """What `ask` gives. Raises IndexAwayError, and IndexReplacedError where a table is there no more."""
        with self._connected(), self._reading.connect() as connection:
            try:
                return ask(connection)
            except ProgrammingError as error:
                if not isinstance(error.orig, psycopg.errors.UndefinedTable):
                    raise
                self._located.clear()
                self._current = False  # perhaps all tables are gone
                raise IndexReplacedError("the index was replaced while it was searched") from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction that nobody else changes an index in, however long it takes. Raises IndexAwayError."""
        with self._connected(), self._engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            connection.execute(text(f"SET LOCAL maintenance_work_mem = '{_BUILD_MEMORY}'"))
            yield connection
        self._located.clear()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        if time.monotonic() < self._away_until:
            raise IndexAwayError("as it was a moment ago")
        try:
            with database_errors():
                if not self._current:
                    with self._engine.begin() as connection:
                        bring_up_to_date(connection, SCHEMA_VERSION, MIGRATIONS, _VERSION_TABLE)
                    self._current = True
                yield
        except RefusedRecordError as error:
            raise InputError(f"The database does not take what it was given ({error.reason}).") from error
        except StoreAwayError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise IndexAwayError(error.reason) from error


def located(connection: Connection, name: str) -> Located | None:
    """The version of an index that counts now."""
    columns = indexes.c.version, indexes.c.dimensions, indexes.c.description
    row = connection.execute(select(*columns).where(indexes.c.name == name)).first()
    return None if row is None else Located(*row)


def create(
    connection: Connection, name: str, description: Mapping[str, Any], given: Sequence[Record] = ()
) -> tuple[Located | None, Located]:
    """Puts a new version in the place of the one that counts; both. The old one's records are still there."""
    old, version = located(connection, name), connection.execute(versions.next_value()).scalar_one()
    table = partition(version)
    connection.execute(text(f"CREATE TABLE {table.name} (LIKE {records.name} INCLUDING ALL)"))
    _copy(connection, table.name, version, given)
    new = Located(version, None, dict(description))
    if given:
        new = _index_by_width(connection, new, width_of(given))
    connection.execute(text(f"ALTER TABLE {records.name} ATTACH PARTITION {table.name} FOR VALUES IN ({version:d})"))
    row = {
        "version": version,
        "dimensions": new.dimensions,
        "description": dict(description),
        "changed_at": datetime.now(UTC),
    }
    put = insert(indexes).values(name=name, **row)
    connection.execute(put.on_conflict_do_update(index_elements=["name"], set_=row))
    return old, new


def upsert(connection: Connection, name: str, found: Located, given: Sequence[Record]) -> None:
    """Adds records to a version; one whose id is there already takes its place and is the newest."""
    width = width_of(given)
    if found.dimensions is None:
        found = _index_by_width(connection, found, width)
        changed = indexes.update().where(indexes.c.name == name).values(dimensions=width)
        connection.execute(changed)
    if width != found.dimensions:
        raise InputError(f"The vectors have {width} dimensions, the index has {found.dimensions}.")
    connection.execute(text(f"CREATE TEMP TABLE incoming (LIKE {records.name} INCLUDING DEFAULTS) ON COMMIT DROP"))
    _copy(connection, "incoming", found.version, given)
    names = ", ".join((*_COLUMNS, "ordinal"))
    replaced = ", ".join(f"{column} = excluded.{column}" for column in (*_COLUMNS[2:], "ordinal"))
    connection.execute(
        text(
            f"INSERT INTO {partition(found.version).name} ({names}) SELECT {names} FROM incoming ORDER BY ordinal "
            f"ON CONFLICT (version, id) DO UPDATE SET {replaced}"
        )
    )
    connection.execute(text("DROP TABLE incoming"))


def drop(connection: Connection, found: Located) -> None:
    """Removes a version with all of its records."""
    partition(found.version).drop(connection)


def remove(connection: Connection, found: Located, ids: Sequence[str]) -> None:
    """Removes records of a version."""
    table = partition(found.version)
    connection.execute(delete(table).where(table.c.id.in_(list(ids))))


def lacking(connection: Connection, old: Located, new: Located) -> int:
    """How many records of one version the other lacks."""
    before, after = partition(old.version), partition(new.version)
    gone = (
        f"SELECT count(*) FROM {before.name} AS o WHERE NOT EXISTS (SELECT 1 FROM {after.name} AS n WHERE n.id = o.id)"
    )
    return int(connection.execute(text(gone)).scalar_one())


def width_of(given: Sequence[Record]) -> int:
    """The dimensions of the records. Raises InputError where they differ."""
    widths = {len(record.vector) for record in given}
    if len(widths) != 1:
        raise InputError(
            f"The vectors have {' and '.join(map(str, sorted(widths)))} dimensions; all must have the same."
        )
    return widths.pop()


def _index_by_width(connection: Connection, found: Located, width: int) -> Located:
    """Makes the HNSW index of a version."""
    table = partition(found.version)
    if width <= WIDEST:
        column = f"((embedding::vector({width:d})) vector_cosine_ops)"
        connection.execute(text(f"CREATE INDEX {table.name}_hnsw ON {table.name} USING hnsw {column} {_BUILD}"))
    connection.execute(text(f"ANALYZE {table.name}"))
    return found._replace(dimensions=width)


def _copy(connection: Connection, table: str, version: int, given: Sequence[Record]) -> None:
    """Of two records with one id the later counts."""
    latest = {record.id: record for record in given}
    raw: Any = connection.connection.driver_connection
    try:
        with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for record in latest.values():
                copy.write_row((version, *_row(record)))
    except psycopg.DataError as error:
        raise InputError(f"The database does not take a record ({str(error).splitlines()[0]}).") from error
    except psycopg.Error as error:
        raise StoreAwayError((str(error).splitlines() or [type(error).__name__])[0]) from error


def _row(record: Record) -> tuple[Any, ...]:
    try:
        metadata = json.dumps(record.metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"The metadata of {record.id!r} are no JSON ({error}).") from error
    lines = None if record.parts is None else record.parts.tobytes()
    return record.id, record.text, metadata, Vector(record.vector).to_text(), lines, _count(record)


def _count(record: Record) -> int | None:
    return None if record.parts is None else len(record.parts)
