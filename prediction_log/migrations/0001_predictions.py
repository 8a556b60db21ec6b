"""Predictions, feedback and request counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the three tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.String(32), primary_key=True),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("context", sa.JSON, nullable=False),
        sa.Column("transcript", sa.Text),
    )
    op.create_index("ix_predictions_created_at", "predictions", ["created_at"])
    op.create_index("ix_predictions_request_id", "predictions", ["request_id"])
    op.create_table(
        "feedback",
        sa.Column(
            "prediction_id",
            sa.String(32),
            sa.ForeignKey("predictions.prediction_id", name="fk_feedback_prediction_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("actual_outcome", sa.String(16), nullable=False),
        sa.Column("received_at", moment, nullable=False),
    )
    op.create_table(
        "request_counts",
        sa.Column("minute", moment, primary_key=True),
        sa.Column("worker", sa.String(32), primary_key=True),
        sa.Column("route", sa.String(128), primary_key=True),
        sa.Column("status", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("requests", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drops them, with all that was stored."""
    for table in ("request_counts", "feedback", "predictions"):
        op.drop_table(table)
