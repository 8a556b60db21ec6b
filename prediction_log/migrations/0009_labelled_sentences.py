"""Sentences that people labelled with the signal that they give."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Makes the table; a labelled sentence goes with its prediction."""
    op.create_table(
        "labelled_sentences",
        sa.Column("label_id", sa.String(32), primary_key=True),
        sa.Column(
            "prediction_id",
            sa.String(32),
            sa.ForeignKey("predictions.prediction_id", name="fk_labelled_sentences_prediction_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("said_signal", sa.String(32)),
        sa.Column("said_polarity", sa.String(8)),
        sa.Column("true_signal", sa.String(32)),
        sa.Column("true_polarity", sa.String(8)),
    )
    op.create_index("ix_labelled_sentences_prediction_id", "labelled_sentences", ["prediction_id"])


def downgrade() -> None:
    """Drops it, with all that was labelled."""
    op.drop_table("labelled_sentences")
