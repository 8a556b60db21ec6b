"""The tables of indexes in PostgreSQL, for SQLAlchemy; `migrations/vectors` makes them, and a test holds the two
together.

vector_indexes   one row an index: which version of it counts now, its dimensions and its description
vector_records   the records of all versions. Each version is a partition, `vector_records_7`, with an HNSW index of its
                 own: HNSW needs one fixed width and has to look at nothing else, and an old version goes by dropping
                 its partition, which leaves no dead rows behind
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Sequence, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
versions = Sequence("vector_versions", metadata=metadata)
ordinals = Sequence("vector_ordinals", metadata=metadata)  # in the order in which records came

indexes = Table(
    "vector_indexes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("dimensions", Integer),  # null: no record yet
    Column("description", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)


def _records(name: str, into: MetaData, **options: Any) -> Table:
    return Table(
        name,
        into,
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("id", Text, primary_key=True),
        Column("ordinal", BigInteger, nullable=False, server_default=text("nextval('vector_ordinals')")),
        Column("text", Text, nullable=False),
        Column("metadata", JSONB, nullable=False),
        Column("embedding", VECTOR, nullable=False),
        Column("lines", LargeBinary),  # int8, line after line
        Column("line_count", Integer),  # null: no vectors of lines
        **options,
    )


records = _records("vector_records", metadata, postgresql_partition_by="LIST (version)")


@lru_cache(maxsize=16)  # of the same table SQLAlchemy keeps the compiled statements
def partition(version: int) -> Table:
    """The table of one version."""
    return _records(f"{records.name}_{version:d}", MetaData())
