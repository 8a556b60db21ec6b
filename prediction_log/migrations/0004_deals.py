"""The deal that a prediction is about, and its group; predictions of before have neither."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the columns, and an index that has a deal's predictions in order of time."""
    op.add_column("predictions", sa.Column("deal_id", sa.String(200)))
    op.add_column("predictions", sa.Column("deal_group", sa.String(200)))
    op.create_index("ix_predictions_deal_id", "predictions", ["deal_id", "prediction_id"])


def downgrade() -> None:
    """Drops them."""
    op.drop_index("ix_predictions_deal_id", "predictions")
    op.drop_column("predictions", "deal_group")
    op.drop_column("predictions", "deal_id")
