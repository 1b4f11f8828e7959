"""Statements are looked at again when a reading that they stand on has changed."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; every statement that there is will be looked at once."""
    for column in (
        sa.Column("look_again", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("due_kwh", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("due_why", sa.Text(), nullable=False, server_default=""),
    ):
        op.add_column("statement", column)
    op.create_index("ix_statement_last_day", "statement", ["last_day"])


def downgrade() -> None:
    """Remove the columns; nothing in them is the only copy."""
    op.drop_index("ix_statement_last_day", table_name="statement")
    for name in ("due_why", "due_kwh", "due", "look_again"):
        op.drop_column("statement", name)
