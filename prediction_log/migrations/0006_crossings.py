"""Scores that crossed a line and wait to be told; an index that has a conversation's predictions in order of time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_INDEX = "ix_predictions_conversation_id"


def upgrade() -> None:
    """Makes the table; the new index does what the old one did."""
    op.create_table(
        "crossings",
        sa.Column(
            "prediction_id",
            sa.String(32),
            sa.ForeignKey("predictions.prediction_id", name="fk_crossings_prediction_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("before", sa.Float, nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.String(16)),
    )
    op.create_index("ix_crossings_due_at", "crossings", ["due_at"])
    op.drop_index(_INDEX, "predictions")
    op.create_index(_INDEX, "predictions", ["conversation_id", "prediction_id"])


def downgrade() -> None:
    """Drops the table, with what waits, and makes the old index."""
    op.drop_index(_INDEX, "predictions")
    op.create_index(_INDEX, "predictions", ["conversation_id"])
    op.drop_table("crossings")
