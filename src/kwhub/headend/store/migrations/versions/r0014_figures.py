"""Figures of areas by day, kept for the pages of large fleets."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, which the head-end fills by itself, and what finds supply meters and the ends of alarms."""
    op.create_table(
        "area_day",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("area_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("meters", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("got", sa.Integer(), nullable=False),
        sa.Column("supply_kwh", sa.String(length=40), nullable=True),
        sa.Column("sold_kwh", sa.String(length=40), nullable=True),
        sa.Column("loss_kwh", sa.String(length=40), nullable=True),
        sa.Column("loss_percent", sa.String(length=40), nullable=True),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("day", "area_id", name=op.f("pk_area_day")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "area_stale",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("area_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "area_id", name=op.f("pk_area_stale")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "area_silence",
        sa.Column("area_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("silent", sa.Integer(), nullable=False),
        sa.Column("longest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("area_id", name=op.f("pk_area_silence")),
    )
    op.create_index("ix_meter_kind", "meter", ["kind"])
    op.create_index(
        "ix_terminal_event_terminal_id_point_code_at",
        "terminal_event",
        ["terminal_id", "point", "code", "at"],
    )


def downgrade() -> None:
    """Remove the tables; nothing in them is the only copy."""
    op.drop_index("ix_terminal_event_terminal_id_point_code_at", table_name="terminal_event")
    op.drop_index("ix_meter_kind", table_name="meter")
    for name in ("area_silence", "area_stale", "area_day"):
        op.drop_table(name)
