"""Versions of values, findings of validation, rules of groups and the ledger of completeness."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LONG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "edit_set",
        sa.Column("id", _LONG_ID, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("method", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edit_set")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "quality_rule",
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("bounds", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "scope_id", "rule", name=op.f("pk_quality_rule")),
    )
    op.create_table(
        "finding",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=False),
        sa.Column("first_s", sa.BigInteger(), nullable=False),
        sa.Column("last_s", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name=op.f("fk_finding_meter_id_meter")),
        sa.PrimaryKeyConstraint(
            "meter_id", "day", "register", "interval_s", "rule", name=op.f("pk_finding")
        ),
    )
    op.create_index(op.f("ix_finding_day_state"), "finding", ["day", "state"], unique=False)
    _holes()
    _values()


def _holes() -> None:
    op.create_table(
        "ledger_day",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_ledger_day")),
    )
    op.create_table(
        "hole",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("got", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name=op.f("fk_hole_meter_id_meter")),
        sa.PrimaryKeyConstraint("meter_id", "day", "register", "interval_s", name=op.f("pk_hole")),
    )
    op.create_index(op.f("ix_hole_day"), "hole", ["day"], unique=False)
    op.create_index(op.f("ix_hole_state_next_at"), "hole", ["state", "next_at"], unique=False)


def _values() -> None:
    op.create_table(
        "to_check",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meter_id"], ["meter.id"], name=op.f("fk_to_check_meter_id_meter")
        ),
        sa.PrimaryKeyConstraint("meter_id", "day", name=op.f("pk_to_check")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "value_edit",
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("set_id", _LONG_ID, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("over", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["meter_id"], ["meter.id"], name=op.f("fk_value_edit_meter_id_meter")
        ),
        sa.ForeignKeyConstraint(
            ["set_id"], ["edit_set.id"], name=op.f("fk_value_edit_set_id_edit_set")
        ),
        sa.PrimaryKeyConstraint(
            "meter_id", "interval_s", "register", "at", "set_id", name=op.f("pk_value_edit")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the tables, and with them the data."""
    op.drop_table("value_edit")
    op.drop_table("to_check")
    op.drop_index(op.f("ix_hole_state_next_at"), table_name="hole")
    op.drop_index(op.f("ix_hole_day"), table_name="hole")
    op.drop_table("hole")
    op.drop_table("ledger_day")
    op.drop_index(op.f("ix_finding_day_state"), table_name="finding")
    op.drop_table("finding")
    op.drop_table("quality_rule")
    op.drop_table("edit_set")
