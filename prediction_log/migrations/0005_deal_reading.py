"""What was found in a deal's words, and the conversations that a deal's prediction rests on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes both tables, and an index by which a conversation's words are found to be deleted."""
    op.create_table(
        "deal_readings",
        sa.Column("prediction_id", sa.String(32), primary_key=True),
        sa.Column("band", sa.String(1), nullable=False),
        sa.Column("next_step", sa.String(400)),
        sa.Column("lasting_warnings", sa.Integer, nullable=False),
        sa.Column("last_day", sa.String(10)),
        sa.Column("silent_since", sa.String(10)),
        sa.Column("found", sa.JSON, nullable=False),
        _of_prediction("fk_deal_readings_prediction_id"),
    )
    op.create_table(
        "deal_parts",
        sa.Column("prediction_id", sa.String(32), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("conversation_id", sa.String(200)),
        sa.Column("date", sa.String(40)),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("transcript", sa.Text),
        _of_prediction("fk_deal_parts_prediction_id"),
    )
    op.create_index("ix_deal_parts_conversation_id", "deal_parts", ["conversation_id"])


def _of_prediction(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["prediction_id"], ["predictions.prediction_id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    """Drops them."""
    op.drop_table("deal_parts")
    op.drop_table("deal_readings")
