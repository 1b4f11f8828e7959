"""What the concentrator's plan asks of each meter."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, with the plan that every meter had so far."""
    for name, kind, value in (
        ("curve_minutes", sa.SmallInteger(), sa.text("15")),
        ("hourly", sa.Boolean(), sa.true()),
        ("day_freeze", sa.Boolean(), sa.true()),
        ("tariffs", sa.SmallInteger(), sa.text("4")),
    ):
        op.add_column("meter", sa.Column(name, kind, nullable=False, server_default=value))


def downgrade() -> None:
    """Remove the columns."""
    for name in ("tariffs", "day_freeze", "hourly", "curve_minutes"):
        op.drop_column("meter", name)
