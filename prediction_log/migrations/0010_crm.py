"""What was read from a CRM, written into it, and is still to be looked at there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Makes the three tables."""
    op.create_table(
        "crm_cursors",
        sa.Column("account", sa.String(80), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "crm_deals",
        sa.Column("account", sa.String(80), primary_key=True),
        sa.Column("deal_id", sa.String(64), primary_key=True),
        sa.Column("read_sha256", sa.String(64), nullable=False),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("band", sa.String(16), nullable=False),
        sa.Column("change", sa.Float),
        sa.Column("note_id", sa.String(64), nullable=False),
        sa.Column("note_sha256", sa.String(64), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "crm_queue",
        sa.Column("account", sa.String(80), primary_key=True),
        sa.Column("deal_id", sa.String(64), primary_key=True),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("crm_queue", "crm_deals", "crm_cursors"):
        op.drop_table(table)
