"""The tables, once for SQLite and PostgreSQL.

Moments are microseconds since 1970 (UTC) in a 64-bit integer: exact, ordered and the same in both
databases, which ``DateTime`` is not. Local days are day numbers since 1970-01-01. Measured values are
integers in millionths of the register's unit (``MICRO``), so that nothing is ever rounded.
"""

from datetime import UTC, date, datetime, timedelta
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
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
    true,
)

from kwhub.domain.errors import LocalError

__all__ = [
    "MICRO",
    "MICRO_DIGITS",
    "Moment",
    "area",
    "audit",
    "day_number",
    "day_vector",
    "from_micro",
    "journal",
    "latest",
    "local_date",
    "metadata",
    "meter",
    "order_item",
    "orders",
    "tally",
    "terminal",
    "terminal_session",
    "to_micro",
    "unknown",
    "unplaced",
]

MICRO_DIGITS = 6
MICRO = 10**MICRO_DIGITS
"""Stored integer for one whole unit (kWh, V, A ...); the finest format of the standards has four decimals."""

VALUE_MAX = 2**61
"""Bound of a stored integer: two million million units; the difference of any two fits 64 bits."""

DIGITS_MAX = 24
"""Digits before or behind the point beyond which a value is not even looked at."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """To the database. Raises LocalError for a naive time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise LocalError("only aware moments are stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH_DAY).days


def local_date(number: int) -> date:
    """The day with a number; see ``day_number``."""
    return _EPOCH_DAY + timedelta(days=number)


def to_micro(value: Decimal) -> int:
    """A value as the integer that is stored. Raises LocalError when it would have to be rounded, or is no number.

    >>> to_micro(Decimal("0.38"))
    380000
    """
    if not value.is_finite() or (value and abs(value.adjusted()) > DIGITS_MAX):
        raise LocalError(f"{value} cannot be stored exactly")
    scaled = value.scaleb(MICRO_DIGITS)
    number = int(scaled)
    if number != scaled or abs(number) > VALUE_MAX:
        raise LocalError(f"{value} cannot be stored exactly")
    return number


def from_micro(number: int, decimals: int) -> Decimal:
    """A stored integer as a value with ``decimals`` places, more only where they are needed.

    >>> from_micro(380000, 2), from_micro(380500, 2)
    (Decimal('0.38'), Decimal('0.3805'))
    """
    while decimals < MICRO_DIGITS and number % 10 ** (MICRO_DIGITS - decimals):
        decimals += 1
    return Decimal(number // 10 ** (MICRO_DIGITS - decimals)).scaleb(-decimals)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_LongId = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts up by itself there

area = Table(
    "area",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("name_zh", String(200), nullable=False),
    Column("organisation_id", ForeignKey("organisation.id"), index=True),
    Column("feeder", String(100), nullable=False, server_default=""),
    Column("transformer", String(100), nullable=False, server_default=""),
    Column("rated_kva", String(32), nullable=False, server_default=""),  # a decimal in text
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("origin", String(8), nullable=False, server_default="file"),  # or desk
)

terminal = Table(
    "terminal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("area_id", ForeignKey("area.id"), nullable=False, index=True),
    Column("region", String(4), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("last_seen_at", Moment),
    Column("first_connected_at", Moment),  # since then its meters owe; never forgotten
    Column("maker", String(100), nullable=False, server_default=""),
    Column("serial", String(64), nullable=False, server_default=""),
    Column("origin", String(8), nullable=False, server_default="file"),
    UniqueConstraint("region", "number"),
)

meter = Table(
    "meter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("terminal_id", ForeignKey("terminal.id"), nullable=False, index=True),
    Column("address", String(12), nullable=False, unique=True),
    Column("point", Integer, nullable=False),
    Column("port", SmallInteger, nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False, index=True),  # customer or supply
    Column("phases", SmallInteger, nullable=False),
    Column("ratio", String(32), nullable=False),  # a decimal in text: exact in both databases
    Column("baud", Integer, nullable=False),
    Column("protocol", String(32), nullable=False),
    Column("curve_minutes", SmallInteger, nullable=False),
    Column("hourly", Boolean, nullable=False),
    Column("day_freeze", Boolean, nullable=False),
    Column("tariffs", SmallInteger, nullable=False),
    Column(
        "active", Boolean, nullable=False
    ),  # still in the archive; its readings stay in any case
    Column("ct", String(32), nullable=False, server_default=""),  # empty: the whole ratio
    Column("pt", String(32), nullable=False, server_default="1"),
    Column("medium", String(16), nullable=False, server_default="electricity"),
    Column("maker", String(100), nullable=False, server_default=""),
    Column("model", String(100), nullable=False, server_default=""),
    Column("current_max", String(32), nullable=False, server_default=""),  # A, a decimal in text
    Column("voltage", String(32), nullable=False, server_default="220"),  # V of a phase, nominal
    Column("parent_id", ForeignKey("meter.id")),  # the meter that also counts this one's energy
    Column("since_day", Integer, index=True),  # in service since then; null: always
    Column("origin", String(8), nullable=False, server_default="file"),
    Index(
        "uq_meter_place",
        "terminal_id",
        "point",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
)

journal = Table(
    "journal",
    metadata,
    Column("sequence", _LongId, primary_key=True),
    Column("terminal_id", ForeignKey("terminal.id")),  # null: read by an order
    Column("received_at", Moment, nullable=False),
    Column("source", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),  # earliest and latest moment inside, seconds
    Column("last_at", BigInteger, nullable=False),
    Column("columns", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a sequence number is never used again, even after packing
)

day_vector = Table(
    "day_vector",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("version", SmallInteger, primary_key=True),  # 0 measured first; others kept beside it
    Column("scale", SmallInteger, nullable=False),  # decimals of the integers in the vector
    Column("moments", Integer, nullable=False),
    Column("present", Integer, nullable=False),  # moments that have a value
    Column("vector", LargeBinary, nullable=False),
    sqlite_with_rowid=False,  # one tree instead of two
)

latest = Table(
    "latest",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("quality", SmallInteger, nullable=False),
    Column("captured_at", BigInteger, nullable=False),  # seconds
    Column("received_at", Moment, nullable=False),
    Column("source", String(64), nullable=False),
    sqlite_with_rowid=False,
)

tally = Table(
    "tally",
    metadata,
    Column("day", Integer, primary_key=True),
    Column("kind", String(16), primary_key=True),  # repeated, conflict
    Column("count", Integer, nullable=False),
)

unknown = Table(
    "unknown",
    metadata,
    Column("terminal_id", ForeignKey("terminal.id"), primary_key=True),
    Column("point", Integer, primary_key=True),
    Column("afn", SmallInteger, primary_key=True),
    Column("function", Integer, primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("sample", LargeBinary, nullable=False),
)

unplaced = Table(
    "unplaced",
    metadata,
    Column("terminal_id", ForeignKey("terminal.id"), primary_key=True),
    Column("point", Integer, primary_key=True, autoincrement=False),
    Column("afn", SmallInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),  # of the unit
    Column("received_at", Moment, nullable=False),
    Column("unit", LargeBinary, nullable=False),  # whole, as it stood in the frame
)

terminal_event = Table(
    "terminal_event",
    metadata,
    Column("terminal_id", ForeignKey("terminal.id"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),  # of class, number and record
    Column("point", Integer, nullable=False),  # 0: the terminal itself
    Column("code", SmallInteger, nullable=False),  # ERC
    Column("important", Boolean, nullable=False),
    Column("number", SmallInteger, nullable=False),  # counted by the terminal, modulo 256
    Column("begins", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),  # seconds
    Column("received_at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),  # without ERC and Le
    Index(None, "terminal_id", "point", "code", "at"),
)

terminal_session = Table(
    "terminal_session",
    metadata,
    Column("id", _LongId, primary_key=True),
    Column("terminal_id", ForeignKey("terminal.id"), index=True),  # null: unknown, turned away
    Column("region", String(4), nullable=False),
    Column("number", Integer, nullable=False),
    Column("peer", String(200), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("end_reason", String(200), nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_id", ForeignKey("meter.id")),  # null: the terminal itself is meant
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("ordered_by", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("terminal_id", ForeignKey("terminal.id")),
    Column("task_id", ForeignKey("task.id")),
    Column("wanted", Text, nullable=False, server_default=""),  # JSON: what exactly is ordered
    Column("result", Text, nullable=False, server_default=""),  # JSON: what came of it
    Column("approved_by", String(100), nullable=False, server_default=""),
    Column("once_key", String(400)),  # who ordered and an Idempotency-Key
    Column("patient", Boolean, nullable=False, server_default=false()),  # waits for the terminal
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("tries_max", SmallInteger, nullable=False, server_default="1"),
    Column("next_at", Moment),
    Column("deadline_at", Moment),
    Column("sent_at", Moment),  # for the first time
    Column("progress", Integer, nullable=False, server_default="0"),  # parts that are over
    Column("total", Integer, nullable=False, server_default="0"),  # of so many
    Index(None, "meter_id", "id"),
    Index(None, "state"),
    Index(None, "terminal_id", "state"),
    Index(None, "task_id", "state"),
    Index("uq_orders_once_key", "once_key", unique=True),
)

order_item = Table(
    "order_item",
    metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("register", String(24), nullable=False),
    Column("identifier", String(16), nullable=False),
    Column("value", String(40)),  # a decimal in text
    Column("unit", String(16), nullable=False),
    Column("request_raw", LargeBinary, nullable=False),
    Column("answer_raw", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _LongId, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(100), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # chains it to the row before: people.trail
    sqlite_autoincrement=True,
)
