"""Handhelds, their identities and their work."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    for make in (_device, _device_generation, _device_work, _device_grant, _device_order):
        make()
    _device_upload()


def downgrade() -> None:
    """Remove the tables, and with them the data."""
    for name in ("upload", "order", "grant", "work", "generation"):
        op.drop_table(f"device_{name}")
    op.drop_table("device")


def _device() -> None:
    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("serial", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("area", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=True),
        sa.Column("secret_until", sa.BigInteger(), nullable=True),
        sa.Column("secret_key", sa.LargeBinary(), nullable=True),
        sa.Column("wrong_secrets", sa.Integer(), nullable=False),
        sa.Column("allocated_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("name", name=op.f("uq_device_name")),
        sqlite_autoincrement=True,
    )


def _device_generation() -> None:
    op.create_table(
        "device_generation",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("died_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_generation_device_id_device")
        ),
        sa.PrimaryKeyConstraint("device_id", "number", name=op.f("pk_device_generation")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_device_generation_key_digest")),
        sa.UniqueConstraint("serial", name=op.f("uq_device_generation_serial")),
    )
    op.create_index(
        "uq_device_generation_current",
        "device_generation",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )


def _device_grant() -> None:
    op.create_table(
        "device_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("work_id", sa.Integer(), nullable=False),
        sa.Column("meter", sa.String(length=12), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["work_id"], ["device_work.id"], name=op.f("fk_device_grant_work_id_device_work")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_grant")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_grant_work_id"), "device_grant", ["work_id"], unique=False)


def _device_order() -> None:
    op.create_table(
        "device_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("meter", sa.String(length=12), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ordered_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("obeyed", sa.Boolean(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_order_device_id_device")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_order")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_order_device_id"), "device_order", ["device_id"], unique=False)


def _device_upload() -> None:
    op.create_table(
        "device_upload",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("operator", sa.String(length=100), nullable=False),
        sa.Column("lent_to", sa.String(length=100), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_upload_device_id_device")
        ),
        sa.PrimaryKeyConstraint("device_id", "name", name=op.f("pk_device_upload")),
    )


def _device_work() -> None:
    op.create_table(
        "device_work",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("ordered_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_work_device_id_device")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_work")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_work_device_id"), "device_work", ["device_id"], unique=False)
