"""Records in PostgreSQL, searched by pgvector: by cosine in an HNSW graph, and exactly among those that match a filter.

The same contract as FAISS in memory, for all machines that reach the database; nothing of it is held here. A search
costs a query. A filter is answered exactly because HNSW looks for what is near first and filters then: where the filter
is what the embedding tells apart, as the outcome is, it gives up among the wrong ones. Metadata and what a filter asks
for are compared as JSON values, in the database.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import ColumnElement, Connection, Float, Row, Table, Text, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from foundations.errors import InputError
from similarity import pgvector_database as vector_database
from similarity.pgvector_database import WIDEST, Located, VectorDatabase
from similarity.pgvector_tables import partition
from similarity.vector_index import Filter, Hit, IndexReplacedError, Record, SharedPlace, VectorIndex

FINGERPRINT = "model_fingerprint"  # of a description: which training the vectors come from
_PAGE = 1000  # records read at once
_TRIES = 3  # for an index that is replaced between the look at which version counts and the search in it

T = TypeVar("T")


class PgVectorIndex(VectorIndex):
    """A named index of a database, which the first records added to it make."""

    def __init__(self, database: VectorDatabase, name: str, only: str | None = None) -> None:
        """only: the fingerprint whose records are wanted; the index can then be searched but not changed."""
        self._database = database
        self._name = name
        self._only = only

    def add(self, records: Sequence[Record]) -> None:
        """See VectorIndex."""
        self._refuse_if_shared()
        if not records:
            return
        vector_database.width_of(records)
        with self._database.changing() as connection:
            found = vector_database.located(connection, self._name)
            if found is None:
                vector_database.create(connection, self._name, {}, records)
            else:
                vector_database.upsert(connection, self._name, found, records)

    def delete(self, ids: Sequence[str]) -> None:
        """See VectorIndex."""
        self._refuse_if_shared()
        with self._database.changing() as connection:
            if (found := vector_database.located(connection, self._name)) is not None:
                vector_database.remove(connection, found, ids)

    def get(self, ids: Sequence[str]) -> list[Record]:
        """See VectorIndex."""

        def ask(connection: Connection, found: Located) -> list[Record]:
            table = partition(found.version)
            rows = connection.execute(select(table).where(table.c.id.in_(list(ids))))
            records = {row.id: _record(row) for row in rows}
            return [records[identifier] for identifier in ids if identifier in records]

        return self._asked(ask, [])

    def search(self, vector: NDArray[np.float32], count: int, where: Filter | None = None) -> list[Hit]:
        """See VectorIndex."""
        if count < 1:
            return []

        def ask(connection: Connection, found: Located) -> list[Hit]:
            width = found.dimensions
            if width is None:
                return []
            if len(vector) != width:
                raise InputError(f"The vector has {len(vector)} dimensions, the index has {width}.")
            table = partition(found.version)
            if not where and width <= WIDEST:
                hits = _nearest(connection, table, cast(table.c.embedding, VECTOR(width)), vector, count, {})
                if len(hits) == count:
                    return hits
            # Written without the cast the graph is not used, and every record that matches is looked at.
            return _nearest(connection, table, table.c.embedding, vector, count, where or {})

        return self._asked(ask, [])

    def __iter__(self) -> Iterator[Record]:
        page = self._page(-1)
        while page:
            yield from (_record(row) for row in page)
            page = self._page(page[-1].ordinal)

    def __len__(self) -> int:
        return self._asked(_count, 0)

    def _page(self, after: int) -> list[Row[Any]]:
        """The next records behind an ordinal."""

        def ask(connection: Connection, found: Located) -> list[Row[Any]]:
            table = partition(found.version)
            wanted = select(table).where(table.c.ordinal > after).order_by(table.c.ordinal).limit(_PAGE)
            return list(connection.execute(wanted))

        return self._asked(ask, [])

    def _asked(self, ask: Callable[[Connection, Located], T], nothing: T) -> T:
        """What `ask` says of the version that counts, `nothing` where there is none; asked again if it is replaced."""
        for attempt in range(_TRIES - 1):
            with contextlib.suppress(IndexReplacedError):
                return self._asked_once(ask, nothing, now=attempt > 0)
        return self._asked_once(ask, nothing, now=True)

    def _asked_once(self, ask: Callable[[Connection, Located], T], nothing: T, now: bool = False) -> T:
        found = self._database.locate(self._name, now)
        if self._only is not None and (found is None or found.description.get(FINGERPRINT) != self._only):
            raise IndexReplacedError("the index in the database is now one of another training of its model")
        return nothing if found is None else self._database.read(lambda connection: ask(connection, found))

    def _refuse_if_shared(self) -> None:
        if self._only is not None:
            raise InputError(
                f"The index {self._name!r} is what every machine searches in; add closed conversations to it with: "
                "python main.py --mode add --data FILE"
            )


class DatabasePlace(SharedPlace):
    """An index in a database; `remedy` ends the sentence where there is none."""

    def __init__(self, database: VectorDatabase, name: str, remedy: str) -> None:
        self._database = database
        self._name = name
        self._remedy = remedy

    def __str__(self) -> str:
        return "the database"

    def stamp(self) -> Hashable:
        """See IndexPlace."""
        found = self._database.locate(self._name)
        return None if found is None else found.version

    def manifest(self) -> dict[str, Any]:
        """See IndexPlace."""
        return self.open()[1]

    def open(self) -> tuple[PgVectorIndex, dict[str, Any]]:
        """See IndexPlace."""
        found = self._database.locate(self._name)
        if found is None:
            raise InputError(f"There is no index {self._name!r} in the database; {self._remedy}.")
        index = PgVectorIndex(self._database, self._name, found.description[FINGERPRINT])
        return index, {**found.description, "count": len(index)}

    def replace(self, records: Sequence[Record], description: Mapping[str, Any]) -> int:
        """See SharedPlace."""
        with self._database.changing() as connection:
            old, new = vector_database.create(connection, self._name, description, records)
            if old is None:
                return 0
            left_out = vector_database.lacking(connection, old, new)
            vector_database.drop(connection, old)
            return left_out

    def add(self, records: Sequence[Record], description: Mapping[str, Any]) -> int:
        """See SharedPlace."""
        with self._database.changing() as connection:
            found = vector_database.located(connection, self._name)
            if found is None or found.description.get(FINGERPRINT) != description[FINGERPRINT]:
                raise InputError(f"The index in the database is one of another training of the model; {self._remedy}.")
            table = partition(found.version)
            there = select(func.count()).where(table.c.id.in_([record.id for record in records]))
            replaced = int(connection.execute(there).scalar_one())
            vector_database.upsert(connection, self._name, found, records)
            return replaced

    def remove(self, ids: Sequence[str]) -> None:
        """See SharedPlace."""
        PgVectorIndex(self._database, self._name).delete(ids)

    def close(self) -> None:
        """See IndexPlace."""
        self._database.close()


def _nearest(
    connection: Connection,
    table: Table,
    embedding: ColumnElement[Any],
    vector: NDArray[np.float32],
    count: int,
    where: Filter,
) -> list[Hit]:
    distance = embedding.op("<=>", return_type=Float())(literal(vector, VECTOR(len(vector))))  # 1 − cosine
    wanted = select(table, distance.label("distance")).where(*_conditions(table, where)).order_by(distance).limit(count)
    # A vector of zeros has no direction, and its distance is no number: FAISS calls that 0.
    return [Hit(_record(row), _cosine(row.distance)) for row in connection.execute(wanted)]


def _conditions(table: Table, where: Filter) -> list[ColumnElement[bool]]:
    """Of the whole filter, its keys and values as bound parameters."""
    conditions: list[ColumnElement[bool]] = []
    for key, wanted in where.items():
        values = wanted if isinstance(wanted, (list, tuple, set)) else [wanted]
        found = table.c.metadata.op("->", return_type=JSONB())(literal(key, Text()))
        conditions.append(found.in_([cast(literal(_as_json(key, value), Text()), JSONB) for value in values]))
    return conditions


def _as_json(key: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"The filter's value for {key!r} is no JSON value ({error}).") from error


def _cosine(distance: float) -> float:
    return 0.0 if math.isnan(distance) else 1.0 - distance


def _count(connection: Connection, found: Located) -> int:
    return int(connection.execute(select(func.count()).select_from(partition(found.version))).scalar_one())


def _record(row: Row[Any]) -> Record:
    lines = None
    if row.line_count is not None:
        lines = np.frombuffer(row.lines, dtype=np.int8)
        lines = lines.reshape(row.line_count, -1) if row.line_count else lines.reshape(0, 1)
    return Record(row.id, np.asarray(row.embedding, dtype=np.float32), row.text, dict(row.metadata), lines)
