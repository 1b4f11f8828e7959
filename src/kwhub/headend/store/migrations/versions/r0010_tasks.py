"""Tasks of many orders; orders to terminals, with approval, retries, deadline and key."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OLD = "id, meter_id, kind, state, detail, ordered_by, created_at, finished_at"
_ITEM = "order_id, number, register, identifier, value, unit, request_raw, answer_raw, error"
_INDEXES = (
    ("ix_orders_meter_id_id", ("meter_id", "id"), False),
    ("ix_orders_state", ("state",), False),
    ("ix_orders_terminal_id_state", ("terminal_id", "state"), False),
    ("ix_orders_task_id_state", ("task_id", "state"), False),
    ("uq_orders_once_key", ("once_key",), True),
)
_OLD_INDEXES = _INDEXES[:2]


def upgrade() -> None:
    """Make the tables, and give the orders what they lack."""
    _tasks()
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("orders", "meter_id", nullable=True)
        for column in _new_columns():
            op.add_column("orders", column)
        for name in ("terminal", "task"):
            key = f"fk_orders_{name}_id_{name}"
            op.create_foreign_key(op.f(key), "orders", name, [f"{name}_id"], ["id"])
        for name, columns, unique in _INDEXES[2:]:
            op.create_index(op.f(name), "orders", list(columns), unique=unique)
    else:
        _rebuild(new=True)
    op.execute(
        "UPDATE orders SET terminal_id ="
        " (SELECT meter.terminal_id FROM meter WHERE meter.id = orders.meter_id)"
    )


def downgrade() -> None:
    """Remove the tables and columns, and with them the orders to terminals."""
    op.execute(
        "DELETE FROM order_item WHERE order_id IN (SELECT id FROM orders WHERE meter_id IS NULL)"
    )
    op.execute("DELETE FROM orders WHERE meter_id IS NULL")
    if op.get_context().dialect.name == "postgresql":
        for name, _, _ in _INDEXES[2:]:
            op.drop_index(op.f(name), "orders")
        for column in _new_columns():
            op.drop_column("orders", column.name)
        op.alter_column("orders", "meter_id", nullable=False)
    else:
        _rebuild(new=False)
    op.drop_table("order_file")
    op.drop_table("task")


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("tries_max", sa.SmallInteger(), nullable=False),
        sa.Column("retry_of", sa.Integer(), nullable=True),
        sa.Column("once_key", sa.String(length=400), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_state"), "task", ["state"], unique=False)
    op.create_index("uq_task_once_key", "task", ["once_key"], unique=True)
    op.create_table(
        "order_file",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_order_file")),
    )


def _new_columns() -> list[sa.Column[object]]:
    small, text = sa.SmallInteger(), sa.Text()
    return [
        sa.Column("terminal_id", sa.Integer(), nullable=True),
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.Column("wanted", text, nullable=False, server_default=""),
        sa.Column("result", text, nullable=False, server_default=""),
        sa.Column("approved_by", sa.String(length=100), nullable=False, server_default=""),
        sa.Column("once_key", sa.String(length=400), nullable=True),
        sa.Column("patient", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("tries", small, nullable=False, server_default="0"),
        sa.Column("tries_max", small, nullable=False, server_default="1"),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("deadline_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("progress", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
    ]


def _rebuild(*, new: bool) -> None:
    """SQLite changes no column in place: the old tables step aside, and their rows are copied."""
    for name, _, _ in _OLD_INDEXES if new else _INDEXES:
        op.drop_index(op.f(name), "orders")
    op.rename_table("order_item", "order_item_old")
    op.rename_table("orders", "orders_old")
    keys = [
        sa.ForeignKeyConstraint(["meter_id"], ["meter.id"], name=op.f("fk_orders_meter_id_meter"))
    ]
    if new:
        keys += [
            sa.ForeignKeyConstraint(
                [f"{name}_id"], [f"{name}.id"], name=op.f(f"fk_orders_{name}_id_{name}")
            )
            for name in ("terminal", "task")
        ]
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=new),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        *(_new_columns() if new else ()),
        *keys,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    _items()
    for table, columns in (("orders", _OLD), ("order_item", _ITEM)):
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_old")  # noqa: S608
    op.drop_table("order_item_old")
    op.drop_table("orders_old")
    for name, names, unique in _INDEXES if new else _OLD_INDEXES:
        op.create_index(op.f(name), "orders", list(names), unique=unique)


def _items() -> None:
    op.create_table(
        "order_item",
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("register", sa.String(length=24), nullable=False),
        sa.Column("identifier", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=40), nullable=True),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("request_raw", sa.LargeBinary(), nullable=False),
        sa.Column("answer_raw", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_item_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("order_id", "number", name=op.f("pk_order_item")),
    )
