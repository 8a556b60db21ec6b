"""What all tables share: how moments are kept, how long ids may be, and how the ids of rows are made."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator

LONGEST_ID = 200  # characters of a conversation's id
LONGEST_DATE, LONGEST_STEP = 40, 400  # of its date, and of a deal's next step
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


Record = dict[str, Any]  # a row of `predictions` by column; of a deal that was read also DEAL, with rows of its tables
DEAL = "deal"  # {"reading": a row of `deal_readings`, "parts": rows of `deal_parts`}
