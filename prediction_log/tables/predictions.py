"""The tables of what was predicted, and of what became of it.

predictions     one row a predicted conversation; its id starts with the time, so that ids sort by it
deal_readings   what was found in a deal's words when it was predicted: one row a prediction, none where nothing was read
deal_parts      the conversations that such a prediction rests on, in order of time, with their words
feedback        how a predicted deal ended
crossings       predictions on the other side of a line than the one before, which are told by the webhook
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from prediction_log.tables.rows import LONGEST_DATE, LONGEST_ID, LONGEST_STEP, UtcDateTime, metadata

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
