"""The tables of who asked what.

request_counts  requests by minute, worker, route and status: a worker's row holds its whole count of that minute, so
                that writing it again changes nothing
audit           who did what, from where; feedback's rows are its history
repeatable      requests that came with a key of their own, so that the same again stores nothing twice
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table

from prediction_log.tables.rows import UtcDateTime, metadata

request_counts = Table(
    "request_counts",
    metadata,
    Column("minute", UtcDateTime, primary_key=True),
    Column("worker", String(32), primary_key=True),
    Column("route", String(128), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    Column("requests", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("entry_id", String(32), primary_key=True),  # sorts by time
    Column("at", UtcDateTime, nullable=False),
    Column("caller", String(64), nullable=False),  # a key's name or an address
    Column("address", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(80), nullable=False),  # a prediction's id, a model's name, a route
    Column("detail", JSON, nullable=False),
    Index("ix_audit_at", "at"),
    Index("ix_audit_subject", "subject"),
)

repeatable = Table(
    "repeatable",
    metadata,
    Column("key", String(64), primary_key=True),  # SHA-256 of caller, route and Idempotency-Key
    Column("content", String(64), nullable=False),  # SHA-256 of what was sent
    Column("first_ms", BigInteger, nullable=False),  # when it came first, in milliseconds since 1970
    Index("ix_repeatable_first_ms", "first_ms"),
)
