"""Data of points that the archive does not know yet, kept whole."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "unplaced",
        sa.Column("terminal_id", sa.Integer(), nullable=False),
        sa.Column("point", sa.Integer(), nullable=False),
        sa.Column("afn", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"], ["terminal.id"], name=op.f("fk_unplaced_terminal_id_terminal")
        ),
        sa.PrimaryKeyConstraint("terminal_id", "point", "afn", "digest", name=op.f("pk_unplaced")),
    )


def downgrade() -> None:
    """Remove the table, and with it the data."""
    op.drop_table("unplaced")
