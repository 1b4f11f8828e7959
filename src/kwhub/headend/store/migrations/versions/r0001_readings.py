"""The first form: archive, journal, day vectors and the sessions of terminals."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _archive()
    _readings()
    _derived()
    _front()


def downgrade() -> None:
    """Remove the tables, and with them every reading."""
    op.drop_table("terminal_session")
    op.drop_table("unknown")
    op.drop_table("tally")
    op.drop_table("latest")
    op.drop_table("day_vector")
    op.drop_table("journal")
    op.drop_table("meter")
    op.drop_table("terminal")
    op.drop_table("area")


def _archive() -> None:
    op.create_table(
        "area",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_area")),
        sa.UniqueConstraint("code", name=op.f("uq_area_code")),
    )
    op.create_table(
        "terminal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("area_id", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(length=4), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["area_id"], ["area.id"], name=op.f("fk_terminal_area_id_area")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terminal")),
        sa.UniqueConstraint("region", "number", name=op.f("uq_terminal_region_number")),
    )
    op.create_index(op.f("ix_terminal_area_id"), "terminal", ["area_id"], unique=False)
    op.create_table(
        "meter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("terminal_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=12), nullable=False),
        sa.Column("point", sa.Integer(), nullable=False),
        sa.Column("port", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("phases", sa.SmallInteger(), nullable=False),
        sa.Column("ratio", sa.String(length=32), nullable=False),
        sa.Column("baud", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.String(length=32), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"], ["terminal.id"], name=op.f("fk_meter_terminal_id_terminal")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter")),
        sa.UniqueConstraint("address", name=op.f("uq_meter_address")),
    )
    op.create_index(op.f("ix_meter_terminal_id"), "meter", ["terminal_id"], unique=False)


def _readings() -> None:
    op.create_table(
        "journal",
        sa.Column("sequence", _LONG_ID, nullable=False),
        sa.Column("terminal_id", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"], ["terminal.id"], name=op.f("fk_journal_terminal_id_terminal")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "day_vector",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.Column("moments", sa.Integer(), nullable=False),
        sa.Column("present", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meter_id"], ["meter.id"], name=op.f("fk_day_vector_meter_id_meter")
        ),
        sa.PrimaryKeyConstraint(
            "meter_id", "interval_s", "register", "day", "version", name=op.f("pk_day_vector")
        ),
        sqlite_with_rowid=False,
    )


def _derived() -> None:
    op.create_table(
        "latest",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("captured_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name=op.f("fk_latest_meter_id_meter")),
        sa.PrimaryKeyConstraint("meter_id", "register", "interval_s", name=op.f("pk_latest")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", name=op.f("pk_tally")),
    )


def _front() -> None:
    op.create_table(
        "unknown",
        sa.Column("terminal_id", sa.Integer(), nullable=False),
        sa.Column("point", sa.Integer(), nullable=False),
        sa.Column("afn", sa.SmallInteger(), nullable=False),
        sa.Column("function", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"], ["terminal.id"], name=op.f("fk_unknown_terminal_id_terminal")
        ),
        sa.PrimaryKeyConstraint(
            "terminal_id", "point", "afn", "function", "reason", name=op.f("pk_unknown")
        ),
    )
    op.create_table(
        "terminal_session",
        sa.Column("id", _LONG_ID, nullable=False),
        sa.Column("terminal_id", sa.Integer(), nullable=True),
        sa.Column("region", sa.String(length=4), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("peer", sa.String(length=200), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"], ["terminal.id"], name=op.f("fk_terminal_session_terminal_id_terminal")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terminal_session")),
    )
    op.create_index(
        op.f("ix_terminal_session_terminal_id"), "terminal_session", ["terminal_id"], unique=False
    )
