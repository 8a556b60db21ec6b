"""The conversation that a prediction is about, as its sender named it; predictions of before have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column and its index."""
    op.add_column("predictions", sa.Column("conversation_id", sa.String(200)))
    op.create_index("ix_predictions_conversation_id", "predictions", ["conversation_id"])


def downgrade() -> None:
    """Drops both."""
    op.drop_index("ix_predictions_conversation_id", "predictions")
    op.drop_column("predictions", "conversation_id")
