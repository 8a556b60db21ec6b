"""The tables of the prediction store, for SQLAlchemy; `migrations/` makes them, and a test holds the two together.

predictions     one row a predicted conversation; its id starts with the time, so that ids sort by it
feedback        how a predicted deal ended
request_counts  requests by minute, worker, route and status: a worker's row holds its whole count of that minute, so
                that writing it again changes nothing
audit           who did what, from where; feedback's rows are its history
repeatable      requests that came with a key of their own, so that the same again stores nothing twice
crm_cursors     up to which moment a CRM's records were looked at
crm_deals       what was written into a deal of a CRM; of its words and of the note nothing but hashes
crm_queue       deals of a CRM that are to be looked at, as it said by a webhook or as writing failed
"""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

LONGEST_ID = 200  # characters of a conversation's id
LONGEST_CRM_ID = 64  # of a record in a CRM: HubSpot's are numbers, Salesforce's have 18 characters

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: always aware and in UTC, also in SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """See TypeDecorator."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """See TypeDecorator."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", String(32), primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("caller", String(64), nullable=False),  # a key's name or an address
    Column("model", String(64), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),  # predicted
    Column("probability", Float, nullable=False),  # of successful
    Column("latency_ms", Float, nullable=False),  # of the whole request, until its answer was ready
    Column("batch_size", Integer, nullable=False),  # conversations in the request
    Column("context", JSON, nullable=False),  # the known fields that were given
    Column("transcript", Text),  # as SALES_STORE_TRANSCRIPTS says
    Column("conversation_id", String(LONGEST_ID)),  # as the sender named it, see `stored_conversation_id`
    Column("deal_id", String(LONGEST_ID)),  # alike; none of a deal that was closed already
    Column("deal_group", String(LONGEST_ID)),  # of a prediction with a deal: what the deal belongs to
    Index("ix_predictions_deal_id", "deal_id", "prediction_id"),
    Index("ix_predictions_created_at", "created_at"),
    Index("ix_predictions_request_id", "request_id"),
    Index("ix_predictions_conversation_id", "conversation_id"),
)

feedback = Table(
    "feedback",
    metadata,
    Column(
        "prediction_id",
        String(32),
        ForeignKey("predictions.prediction_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("actual_outcome", String(16), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

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

crm_cursors = Table(
    "crm_cursors",
    metadata,
    Column("account", String(80), primary_key=True),  # such as hubspot:1234567
    Column("kind", String(16), primary_key=True),  # of records
    Column("moment", UtcDateTime, nullable=False),
)

crm_deals = Table(
    "crm_deals",
    metadata,
    Column("account", String(80), primary_key=True),
    Column("deal_id", String(LONGEST_CRM_ID), primary_key=True),
    Column("read_sha256", String(64), nullable=False),  # of all that the score was made of
    Column("probability", Float, nullable=False),  # as written, rounded
    Column("band", String(16), nullable=False),
    Column("change", Float),
    Column("note_id", String(LONGEST_CRM_ID), nullable=False),
    Column("note_sha256", String(64), nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
)

crm_queue = Table(
    "crm_queue",
    metadata,
    Column("account", String(80), primary_key=True),
    Column("deal_id", String(LONGEST_CRM_ID), primary_key=True),
    Column("events", Integer, nullable=False),  # how often it was named: an entry that grew meanwhile is not done
    Column("received_at", UtcDateTime, nullable=False),  # the first time
)


def milliseconds_now() -> int:
    """Since 1970."""
    return time.time_ns() // 1_000_000


def new_prediction_id() -> str:
    """32 hexadecimal digits: 12 of the time in milliseconds and 20 at random, so that ids sort by time (as UUID 7)."""
    return f"{milliseconds_now():012x}{os.urandom(10).hex()}"


def stored_conversation_id(given: str | None) -> str | None:
    """What stands for a conversation's id in the table: the id, or of a longer one its beginning and its SHA-256.

    None for no id. An index holds only so much, and two long ids that begin alike must not be taken for one.
    """
    plain = (given or "").replace("\x00", "").encode("utf-8", "replace").decode()
    if len(plain) <= LONGEST_ID:
        return plain or None
    return plain[: LONGEST_ID - 65] + "-" + hashlib.sha256(plain.encode()).hexdigest()


Record = dict[str, Any]  # a row of `predictions` by column
