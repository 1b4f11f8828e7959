"""What an administrator chooses at run time, answers to requests with an Idempotency-Key, languages of users."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the column."""
    op.create_table(
        "chosen",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chosen")),
    )
    op.create_table(
        "answered",
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("once_key", sa.String(300), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who", "once_key", name=op.f("pk_answered")),
    )
    op.create_index("ix_answered_at", "answered", ["at"])
    op.add_column("users", sa.Column("language", sa.String(8), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove them, and with them the data."""
    op.drop_column("users", "language")
    op.drop_index("ix_answered_at", table_name="answered")
    op.drop_table("answered")
    op.drop_table("chosen")
