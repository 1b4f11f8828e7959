"""Organisations, customers, accounts, dated places and meter exchanges."""

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NEW = (
    "archive_state",
    "import_error",
    "import_job",
    "group_member",
    "meter_group",
    "exchange_reading",
    "meter_exchange",
    "placement",
    "account",
    "customer",
    "organisation",
)

_COLUMNS: tuple[tuple[str, str, int, str], ...] = (
    ("area", "feeder", 100, ""),
    ("area", "transformer", 100, ""),
    ("area", "rated_kva", 32, ""),
    ("area", "origin", 8, "file"),
    ("terminal", "maker", 100, ""),
    ("terminal", "serial", 64, ""),
    ("terminal", "origin", 8, "file"),
    ("meter", "ct", 32, ""),
    ("meter", "pt", 32, "1"),
    ("meter", "medium", 16, "electricity"),
    ("meter", "maker", 100, ""),
    ("meter", "model", 100, ""),
    ("meter", "current_max", 32, ""),
    ("meter", "voltage", 32, "220"),
    ("meter", "origin", 8, "file"),
)
"""Table, name, length and default of the texts that old tables gain."""


def upgrade() -> None:
    """Make the tables, and give the old ones what they lack."""
    _owners()
    for table, name, length, default in _COLUMNS:
        op.add_column(
            table,
            sa.Column(name, sa.String(length=length), nullable=False, server_default=default),
        )
    op.add_column(
        "area", sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    _refer("area", "organisation_id", "organisation")
    _refer("meter", "parent_id", "meter")
    op.create_index(op.f("ix_area_organisation_id"), "area", ["organisation_id"])
    op.create_index(
        "uq_meter_place",
        "meter",
        ["terminal_id", "point"],
        unique=True,
        sqlite_where=sa.text("active"),
        postgresql_where=sa.text("active"),
    )
    _dated()
    _groups()
    _imports()


def downgrade() -> None:
    """Remove the tables, and with them the data."""
    op.drop_index("uq_meter_place", "meter")
    op.drop_index(op.f("ix_area_organisation_id"), "area")
    for table, name in (("area", "organisation_id"), ("meter", "parent_id"), ("area", "active")):
        op.drop_column(table, name)
    for table, name, _, _ in _COLUMNS:
        op.drop_column(table, name)
    for name in _NEW:
        op.drop_table(name)


def _refer(table: str, name: str, other: str) -> None:
    """A column with a foreign key, in the only words that both databases take."""
    constraint = op.f(f"fk_{table}_{name}_{other}")
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN {name} INTEGER"
        f" CONSTRAINT {constraint} REFERENCES {other} (id)"
    )


def _key(table: str, name: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [f"{other}.id"], name=op.f(f"fk_{table}_{name}_{other}"))


def _active() -> sa.Column[bool]:
    return sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true())


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _owners() -> None:
    op.create_table(
        "organisation",
        _number("id"),
        _number("parent_id", nullable=True),
        _text("code", 64),
        _text("name", 200),
        _text("name_zh", 200),
        _active(),
        _key("organisation", "parent_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("code", name=op.f("uq_organisation_code")),
    )
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"])
    op.create_table(
        "customer",
        _number("id"),
        _number("organisation_id", nullable=True),
        _text("number", 32),
        _text("name", 200),
        _text("phone", 40),
        _text("postal_address", 300),
        _text("note", 300),
        _active(),
        _key("customer", "organisation_id", "organisation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("number", name=op.f("uq_customer_number")),
    )
    op.create_index(op.f("ix_customer_organisation_id"), "customer", ["organisation_id"])
    op.create_table(
        "account",
        _number("id"),
        _text("number", 32),
        _number("customer_id"),
        _number("meter_id"),
        _number("from_day"),
        _number("to_day", nullable=True),
        _key("account", "customer_id", "customer"),
        _key("account", "meter_id", "meter"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("number", name=op.f("uq_account_number")),
    )
    op.create_index(op.f("ix_account_customer_id"), "account", ["customer_id"])
    op.create_index(op.f("ix_account_meter_id"), "account", ["meter_id"])


def _dated() -> None:
    op.create_table(
        "placement",
        _number("id"),
        _number("meter_id"),
        _moment("valid_from", nullable=True),
        _moment("valid_to", nullable=True),
        _number("terminal_id"),
        _number("point"),
        sa.Column("port", sa.SmallInteger(), nullable=False),
        _text("ct", 32),
        _text("pt", 32),
        _text("ratio", 32),
        _key("placement", "meter_id", "meter"),
        _key("placement", "terminal_id", "terminal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement")),
    )
    op.create_index(
        op.f("ix_placement_meter_id_valid_from"), "placement", ["meter_id", "valid_from"]
    )
    op.create_table(
        "meter_exchange",
        _number("id"),
        _number("meter_id"),
        _moment("at"),
        _text("old_address", 12),
        _text("new_address", 12),
        _text("reason", 300),
        _text("recorded_by", 100),
        _moment("recorded_at"),
        _key("meter_exchange", "meter_id", "meter"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_exchange")),
        sa.UniqueConstraint("meter_id", "at", name=op.f("uq_meter_exchange_meter_id_at")),
    )
    op.create_table(
        "exchange_reading",
        _number("exchange_id"),
        _text("register", 24),
        _moment("final"),
        _moment("first"),
        _key("exchange_reading", "exchange_id", "meter_exchange"),
        sa.PrimaryKeyConstraint("exchange_id", "register", name=op.f("pk_exchange_reading")),
    )


def _groups() -> None:
    op.create_table(
        "meter_group",
        _number("id"),
        _text("code", 64),
        _text("name", 200),
        _text("name_zh", 200),
        _text("kind", 16),
        _number("organisation_id", nullable=True),
        _number("area_id", nullable=True),
        _number("terminal_id", nullable=True),
        _active(),
        _key("meter_group", "organisation_id", "organisation"),
        _key("meter_group", "area_id", "area"),
        _key("meter_group", "terminal_id", "terminal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_group")),
        sa.UniqueConstraint("code", name=op.f("uq_meter_group_code")),
    )
    op.create_table(
        "group_member",
        _number("group_id"),
        _number("meter_id"),
        _key("group_member", "group_id", "meter_group"),
        _key("group_member", "meter_id", "meter"),
        sa.PrimaryKeyConstraint("group_id", "meter_id", name=op.f("pk_group_member")),
    )
    op.create_index(op.f("ix_group_member_meter_id"), "group_member", ["meter_id"])


def _imports() -> None:
    op.create_table(
        "import_job",
        _number("id"),
        _text("kind", 16),
        _text("state", 16),
        _text("file_name", 200),
        _text("asked_by", 100),
        _moment("created_at"),
        _moment("finished_at", nullable=True),
        *(_number(name) for name in ("row_count", "created", "changed", "errors")),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("undo", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_job")),
    )
    op.create_table(
        "import_error",
        _number("job_id"),
        _number("number"),
        _text("sheet", 16),
        _number("row"),
        _text("column", 64),
        _text("problem", 32),
        _text("value", 300),
        _key("import_error", "job_id", "import_job"),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_import_error")),
    )
    op.create_table(
        "archive_state",
        _number("id"),
        _number("version"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_state")),
    )
    op.execute("INSERT INTO archive_state (id, version) VALUES (1, 0)")
