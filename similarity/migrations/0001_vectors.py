"""Indexes of vectors in PostgreSQL with pgvector; another database has none of this, and keeps working without."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import JSONB

from foundations.errors import InputError

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the extension, the list of indexes and the table whose partitions they are."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    if not connection.execute(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")).first():
        raise InputError(
            "SALES_VECTOR_STORE is 'pgvector', but the PostgreSQL server has no extension 'vector'; install pgvector "
            "there, or set SALES_VECTOR_STORE=faiss."
        )
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute(sa.schema.CreateSequence(sa.Sequence("vector_versions")))
    op.execute(sa.schema.CreateSequence(sa.Sequence("vector_ordinals")))
    op.create_table(
        "vector_indexes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("dimensions", sa.Integer),
        sa.Column("description", JSONB, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "vector_records",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.BigInteger, nullable=False, server_default=sa.text("nextval('vector_ordinals')")),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("metadata", JSONB, nullable=False),
        sa.Column("embedding", VECTOR, nullable=False),
        sa.Column("lines", sa.LargeBinary),
        sa.Column("line_count", sa.Integer),
        postgresql_partition_by="LIST (version)",
    )


def downgrade() -> None:
    """Drops them; the extension stays, as others may use it."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("vector_records", "vector_indexes"):
        op.drop_table(table)
    for sequence in ("vector_ordinals", "vector_versions"):
        op.execute(sa.schema.DropSequence(sa.Sequence(sequence)))
