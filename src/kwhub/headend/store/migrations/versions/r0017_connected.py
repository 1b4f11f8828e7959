"""Since when a terminal is connected stands with the terminal: rows of connections are forgotten."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_FROM_SESSIONS = """
UPDATE terminal SET first_connected_at =
    (SELECT MIN(began_at) FROM terminal_session WHERE terminal_session.terminal_id = terminal.id)
"""

_DAY = "SELECT MIN(hole.day) FROM hole JOIN meter ON meter.id = hole.meter_id WHERE meter.terminal_id = terminal.id"

_FROM_HOLES = f"""
UPDATE terminal SET first_connected_at = ({_DAY}) * 86400000000 + 43200000000
WHERE (SELECT MIN(id) FROM terminal_session) > 1
AND ({_DAY}) * 86400000000 + 43200000000 < COALESCE(first_connected_at, 9223372036854775807)
"""  # noqa: S608  constants
"""Where rows were forgotten already: the ledger had found holes only of terminals that were connected; noon of the day."""


def upgrade() -> None:
    """Add the column and fill it from the connections that are known, and from the ledger where they are not."""
    op.add_column("terminal", sa.Column("first_connected_at", sa.BigInteger(), nullable=True))
    op.execute(_FROM_SESSIONS)
    op.execute(_FROM_HOLES)


def downgrade() -> None:
    """Remove the column; the oldest connections that are kept stand for it again."""
    op.drop_column("terminal", "first_connected_at")
