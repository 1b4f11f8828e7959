"""Tables of validation: what was found, values beside the measurement, rules of groups, and holes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
)

from kwhub.headend.store.schema import Moment, metadata

__all__ = ["edit_set", "finding", "hole", "ledger_day", "quality_rule", "to_check", "value_edit"]

_LongId = BigInteger().with_variant(Integer, "sqlite")

to_check = Table(
    "to_check",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("count", Integer, nullable=False),  # how often readings of the day were packed since
    sqlite_with_rowid=False,
)

finding = Table(
    "finding",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("rule", String(24), primary_key=True),
    Column("first_s", BigInteger, nullable=False),  # 0: the whole day
    Column("last_s", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("evidence", Text, nullable=False),  # JSON, numbers as text
    Column("state", String(8), nullable=False),  # open, accepted, mended, gone
    Column("found_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_by", String(100), nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "day", "state"),
)

edit_set = Table(
    "edit_set",
    metadata,
    Column("id", _LongId, primary_key=True),
    Column("made_at", Moment, nullable=False),
    Column("made_by", String(100), nullable=False),
    Column("method", String(24), nullable=False),
    Column("reason", Text, nullable=False),
    Column("withdrawn_at", Moment),
    Column("withdrawn_by", String(100), nullable=False),
    sqlite_autoincrement=True,  # a later set always has the higher number
)

value_edit = Table(
    "value_edit",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("at", BigInteger, primary_key=True),  # seconds
    Column("set_id", ForeignKey("edit_set.id"), primary_key=True),
    Column("value", BigInteger, nullable=False),  # millionths
    Column("quality", SmallInteger, nullable=False),
    Column("over", BigInteger),  # the measured value that it stands for; null: there was none
    sqlite_with_rowid=False,
)

quality_rule = Table(
    "quality_rule",
    metadata,
    Column("scope", String(16), primary_key=True),  # all, area, group, meter
    Column("scope_id", Integer, primary_key=True, autoincrement=False),  # 0 for all
    Column("rule", String(24), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("bounds", Text, nullable=False),  # JSON, only what differs
)

ledger_day = Table(
    "ledger_day",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),  # looked at as a whole
    Column("at", Moment, nullable=False),
)

hole = Table(
    "hole",
    metadata,
    Column("meter_id", ForeignKey("meter.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("interval_s", Integer, primary_key=True),
    Column("expected", Integer, nullable=False),
    Column("got", Integer, nullable=False),
    Column("cause", String(24), nullable=False),
    Column("state", String(8), nullable=False),  # open, healed, lost
    Column("tries", SmallInteger, nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("next_at", Moment),  # when it is asked for again
    Column("closed_at", Moment),
    Column("detail", Text, nullable=False),
    Index(None, "state", "next_at"),
    Index(None, "day"),
)
