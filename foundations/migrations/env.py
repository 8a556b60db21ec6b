"""Runs migrations on the connection that `foundations.database` hands over, in its transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

LOCK = 727274  # any number, the same in every worker

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":  # SQLite's transaction has the whole file to itself already
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
context.configure(
    connection=connection,
    version_table=context.config.attributes["version_table"],
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
