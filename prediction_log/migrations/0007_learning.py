"""When a conversation took place and when its deal was closed, and what became of each retraining."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds the two days, unknown of what is there already, and makes the table of retrainings."""
    op.add_column("predictions", sa.Column("conversation_day", sa.String(10)))
    op.add_column("feedback", sa.Column("closed_at", sa.String(10)))
    op.create_table(
        "retrainings",
        sa.Column("retraining_id", sa.String(32), primary_key=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("started_by", sa.String(200), nullable=False),
        sa.Column("champion_version", sa.String(64), nullable=False),
        sa.Column("promoted_version", sa.String(64)),
        sa.Column("learned", sa.Integer, nullable=False),
        sa.Column("new_outcomes", sa.Integer, nullable=False),
        sa.Column("held_out", sa.Integer, nullable=False),
        sa.Column("held_out_successful", sa.Integer, nullable=False),
        sa.Column("champion_loss", sa.Float),
        sa.Column("challenger_loss", sa.Float),
        sa.Column("difference", sa.Float),
        sa.Column("interval_low", sa.Float),
        sa.Column("interval_high", sa.Float),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("outcomes_until", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("retrainings")
    op.drop_column("feedback", "closed_at")
    op.drop_column("predictions", "conversation_day")
