"""The second person behind an order that a handheld carries."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; orders that are open already stay open."""
    with op.batch_alter_table("device_order") as batch:
        batch.add_column(
            sa.Column("approved_by", sa.String(length=100), nullable=False, server_default="")
        )


def downgrade() -> None:
    """Remove the column."""
    with op.batch_alter_table("device_order") as batch:
        batch.drop_column("approved_by")
