"""The few statements that are to be looked at, or corrected, are found among all others."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_DUE = "due IS NOT NULL OR due_why <> ''"


def upgrade() -> None:
    """Make the indexes."""
    _make("ix_statement_look_again", "look_again = 1", "look_again")
    _make("ix_statement_due", _DUE, _DUE)


def downgrade() -> None:
    """Remove them."""
    for name in ("ix_statement_due", "ix_statement_look_again"):
        op.drop_index(name, table_name="statement")


def _make(name: str, sqlite: str, postgresql: str) -> None:
    op.create_index(
        name,
        "statement",
        ["id"],
        sqlite_where=sa.text(sqlite),
        postgresql_where=sa.text(postgresql),
    )
