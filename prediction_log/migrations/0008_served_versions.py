"""Which version of each model is champion and which is on trial, and what a version on trial said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Makes both tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "served_versions",
        sa.Column("entry_id", sa.String(32), primary_key=True),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("share", sa.Float),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("wanted", sa.Boolean, nullable=False),
        sa.Column("trained_at", moment),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("replaces", sa.String(32)),
        sa.Column("against", sa.String(64)),
        sa.Column("since", moment, nullable=False),
        sa.Column("until", moment),
        sa.Column("ended", sa.String(32)),
    )
    op.create_index("ix_served_versions_until", "served_versions", ["until"])
    op.create_table(
        "trial_scores",
        sa.Column("prediction_id", sa.String(32), primary_key=True),
        sa.Column("trial_id", sa.String(32), nullable=False),
        sa.Column("unit", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("champion", sa.Float),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_trial_scores_trial_id", "trial_scores", ["trial_id"])
    op.create_index("ix_trial_scores_created_at", "trial_scores", ["created_at"])


def downgrade() -> None:
    """Drops them."""
    for table in ("trial_scores", "served_versions"):
        op.drop_table(table)
