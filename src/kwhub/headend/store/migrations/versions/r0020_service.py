"""The area of a terminal is a dated fact, and a meter is in service since a day."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLE = "terminal_area"


def upgrade() -> None:
    """Make the table and the column. Meters that are there already have always been: nobody knows since when."""
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("terminal_id", sa.Integer(), nullable=False),
        sa.Column("area_id", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        _key("terminal_id", "terminal"),
        _key("area_id", "area"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_TABLE}")),
    )
    op.create_index(op.f(f"ix_{_TABLE}_area_id"), _TABLE, ["area_id"])
    op.create_index(
        op.f(f"ix_{_TABLE}_terminal_id_valid_from"), _TABLE, ["terminal_id", "valid_from"]
    )
    op.add_column("meter", sa.Column("since_day", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_meter_since_day"), "meter", ["since_day"])


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_meter_since_day"), "meter")
    op.drop_column("meter", "since_day")
    op.drop_table(_TABLE)


def _key(name: str, other: str) -> sa.ForeignKeyConstraint:
    constraint = op.f(f"fk_{_TABLE}_{name}_{other}")
    return sa.ForeignKeyConstraint([name], [f"{other}.id"], name=constraint)
