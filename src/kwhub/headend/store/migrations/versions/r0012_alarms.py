"""What people say about events."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "acknowledgement",
        sa.Column("terminal_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id", "digest"],
            ["terminal_event.terminal_id", "terminal_event.digest"],
            name=op.f("fk_acknowledgement_terminal_id_digest_terminal_event"),
        ),
        sa.PrimaryKeyConstraint("terminal_id", "digest", name=op.f("pk_acknowledgement")),
    )
    op.create_index("ix_terminal_event_at", "terminal_event", ["at"])


def downgrade() -> None:
    """Remove the table, and with it the data."""
    op.drop_index("ix_terminal_event_at", table_name="terminal_event")
    op.drop_table("acknowledgement")
