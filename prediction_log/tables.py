"""The tables of the prediction store, for SQLAlchemy; `migrations/` makes them, and a test holds the two together.

predictions     one row a predicted conversation; its id starts with the time, so that ids sort by it
deal_readings   what was found in a deal's words when it was predicted: one row a prediction, none where nothing was read
deal_parts      the conversations that such a prediction rests on, in order of time, with their words
feedback        how a predicted deal ended
request_counts  requests by minute, worker, route and status: a worker's row holds its whole count of that minute, so
                that writing it again changes nothing
audit           who did what, from where; feedback's rows are its history
repeatable      requests that came with a key of their own, so that the same again stores nothing twice
crossings       predictions on the other side of a line than the one before, which are told by the webhook
served_versions which version of each model is champion and which is on trial, now and before
trial_scores    what a version on trial said of a predicted conversation
retrainings     what was decided about each retrained model, with the figures it was decided by
labelled_sentences  what people said of a signal; each goes with its prediction
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
    Boolean,
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
    Column("conversation_day", String(10)),  # when it took place, as 2026-03-31, where its sender said so
    Index("ix_predictions_deal_id", "deal_id", "prediction_id"),
    Index("ix_predictions_created_at", "created_at"),
    Index("ix_predictions_request_id", "request_id"),
    Index("ix_predictions_conversation_id", "conversation_id", "prediction_id"),
)

deal_readings = Table(
    "deal_readings",
    metadata,
    Column("prediction_id", String(32), ForeignKey("predictions.prediction_id", ondelete="CASCADE"), primary_key=True),
    Column("band", String(1), nullable=False),
    Column("next_step", String(LONGEST_STEP)),  # the most urgent
    Column("lasting_warnings", Integer, nullable=False),  # those that no day makes or ends
    Column("last_day", String(10)),  # of its last conversation, as 2024-03-14: days sort as text
    Column("silent_since", String(10)),  # alike, see `deals.warnings.Silence`
    Column("found", JSON, nullable=False),  # as `prediction_log.deal_readings` keeps it
)

deal_parts = Table(
    "deal_parts",
    metadata,
    Column("prediction_id", String(32), ForeignKey("predictions.prediction_id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),  # 0 for the oldest
    Column("conversation_id", String(LONGEST_ID)),  # as in predictions
    Column("date", String(LONGEST_DATE)),  # as it was given
    Column("probability", Float, nullable=False),  # of the deal after it
    Column("transcript", Text),  # as SALES_STORE_TRANSCRIPTS says
    Index("ix_deal_parts_conversation_id", "conversation_id"),
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
    Column("closed_at", String(10)),  # the day it ended, as 2026-03-31, where its sender said so
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

crossings = Table(
    "crossings",
    metadata,
    Column(
        "prediction_id",
        String(32),
        ForeignKey("predictions.prediction_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("before", Float, nullable=False),  # probability of the prediction before
    Column("lines", JSON, nullable=False),  # those that lie between, rising
    Column("queued_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", UtcDateTime),  # of the next try, or until when somebody has it; null once it ended
    Column("ended", String(16)),  # sent, or given up
    Index("ix_crossings_due_at", "due_at"),
)

served_versions = Table(
    "served_versions",
    metadata,
    Column("entry_id", String(32), primary_key=True),
    Column("model", String(64), nullable=False),
    Column("role", String(16), nullable=False),  # champion, shadow or split
    Column("version", String(64), nullable=False),
    Column("share", Float),  # of a split: percent of the deals
    Column("pinned", Boolean, nullable=False),  # of a champion: a new start keeps it
    Column("wanted", Boolean, nullable=False),  # every worker keeps it in memory
    Column("trained_at", UtcDateTime),  # None: not known, as its files were on another machine
    Column("metrics", JSON, nullable=False),  # its cross-validated figures, so that `auto` is the same everywhere
    Column("replaces", String(32)),  # of a champion: the entry of the one before, to which one may go back
    Column("against", String(64)),  # of a trial: the champion's version
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),  # None: now
    Column("ended", String(32)),  # why
    Index("ix_served_versions_until", "until"),
)

trial_scores = Table(
    "trial_scores",
    metadata,
    Column("prediction_id", String(32), primary_key=True),  # its prediction is stored on another way, so no foreign key
    Column("trial_id", String(32), nullable=False),  # an entry of `served_versions`
    Column("unit", String(64), nullable=False),  # SHA-256 of what deals are told apart by
    Column("version", String(64), nullable=False),  # of a split the one that answered, else the one on trial
    Column("probability", Float, nullable=False),  # what that version said
    Column("champion", Float),  # of a shadow: what the champion answered
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_trial_scores_trial_id", "trial_id"),
    Index("ix_trial_scores_created_at", "created_at"),
)

retrainings = Table(
    "retrainings",
    metadata,
    Column("retraining_id", String(32), primary_key=True),  # sorts by time
    Column("decided_at", UtcDateTime, nullable=False),
    Column("model", String(64), nullable=False),
    Column("decision", String(16), nullable=False),  # refused, promoting, promoted, or interrupted before it was served
    Column("reason", Text, nullable=False),
    Column("started_by", String(200), nullable=False),  # the trigger that was met
    Column("champion_version", String(64), nullable=False),
    Column("promoted_version", String(64)),
    Column("learned", Integer, nullable=False),  # conversations that the challenger learned from
    Column("new_outcomes", Integer, nullable=False),  # that the champion has not learned from
    Column("held_out", Integer, nullable=False),  # of them, which both models were judged by
    Column("held_out_successful", Integer, nullable=False),
    Column("champion_loss", Float),  # mean log loss in nats on those held out; none where they were too few
    Column("challenger_loss", Float),
    Column("difference", Float),  # challenger − champion
    Column("interval_low", Float),  # 95 %
    Column("interval_high", Float),
    Column("threshold", Float, nullable=False),  # what interval_high has to stay below
    Column("outcomes_until", UtcDateTime),  # when the newest of the outcomes came that were looked at
)

labelled_sentences = Table(
    "labelled_sentences",
    metadata,
    Column("label_id", String(32), primary_key=True),  # sorts by time
    Column("prediction_id", String(32), ForeignKey("predictions.prediction_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("caller", String(64), nullable=False),  # a key's name or an address
    Column("sentence", Text, nullable=False),  # as SALES_STORE_TRANSCRIPTS says
    Column("said_signal", String(32)),  # what the finder found; none for a signal that it missed
    Column("said_polarity", String(8)),
    Column("true_signal", String(32)),  # what it should be; none where the sentence gives no signal
    Column("true_polarity", String(8)),
    Index("ix_labelled_sentences_prediction_id", "prediction_id"),
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


Record = dict[str, Any]  # a row of `predictions` by column; of a deal that was read also DEAL, with rows of its tables
DEAL = "deal"  # {"reading": a row of `deal_readings`, "parts": rows of `deal_parts`}
