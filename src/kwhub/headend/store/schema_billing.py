"""Tables of money: versions of tariffs, who has which, statements, and the entries of balances."""

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
    true,
)

from kwhub.domain.errors import LocalError
from kwhub.headend.store.schema import Moment, metadata

__all__ = ["Amount", "account_tariff", "balance_entry", "statement", "tariff_version"]

_SCALE = 4
_LongId = BigInteger().with_variant(Integer, "sqlite")


class Amount(TypeDecorator[Decimal]):
    """Money, kept as a whole number of ten-thousandths of the currency's unit."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """To the database. Raises LocalError for an amount that would have to be rounded."""
        if value is None:
            return None
        scaled = value.scaleb(_SCALE)
        if scaled != int(scaled):
            raise LocalError(f"{value} is finer than money is kept")
        return int(scaled)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """From the database, with two decimals or as many as it needs."""
        if value is None:
            return None
        amount = Decimal(value).scaleb(-_SCALE)
        short = amount.quantize(Decimal("0.01"))
        return short if short == amount else amount


tariff_version = Table(
    "tariff_version",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("valid_from", Integer, primary_key=True, autoincrement=False),  # day number
    Column("content", Text, nullable=False),  # JSON
    Column("made_at", Moment, nullable=False),
    Column("made_by", String(100), nullable=False),
)

account_tariff = Table(
    "account_tariff",
    metadata,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("from_day", Integer, primary_key=True, autoincrement=False),
    Column("code", String(64), nullable=False),
    Column("low_balance", Amount),  # null: nobody is warned
)

statement = Table(
    "statement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("issued_by", String(100), nullable=False),
    Column("total", Amount, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("content", Text, nullable=False),  # JSON: lines, and the readings that they stand on
    Column("cancelled_at", Moment),
    Column("cancelled_by", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("look_again", Boolean, nullable=False, server_default=true()),  # a reading changed
    Column("due", Amount),  # that it differs by from what its readings say now
    Column("due_kwh", String(40), nullable=False, server_default=""),  # a decimal in text
    Column("due_why", Text, nullable=False, server_default=""),  # why that cannot be told
    Index(None, "last_day"),
    Index(
        "ix_statement_look_again",
        "id",
        sqlite_where=text("look_again = 1"),
        postgresql_where=text("look_again"),
    ),
    Index(
        "ix_statement_due",
        "id",
        sqlite_where=text("due IS NOT NULL OR due_why <> ''"),
        postgresql_where=text("due IS NOT NULL OR due_why <> ''"),
    ),
    Index(
        "uq_statement_span",
        "account_id",
        "first_day",
        unique=True,
        sqlite_where=text("cancelled_at IS NULL"),
        postgresql_where=text("cancelled_at IS NULL"),
    ),
    sqlite_autoincrement=True,  # the number of a cancelled statement is never used again
)

balance_entry = Table(
    "balance_entry",
    metadata,
    Column("id", _LongId, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 1 for each account, without a gap
    Column("at", Moment, nullable=False),
    Column("kind", String(16), nullable=False),  # statement, cancelled, payment, adjustment
    Column("amount", Amount, nullable=False),  # what the customer gains
    Column("balance", Amount, nullable=False),  # after this entry
    Column("reference", String(100), nullable=False),
    Column("entered_by", String(100), nullable=False),
    Column("note", Text, nullable=False),
    UniqueConstraint("account_id", "number"),
    UniqueConstraint("account_id", "kind", "reference"),
    sqlite_autoincrement=True,
)
