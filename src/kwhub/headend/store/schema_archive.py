"""Tables of the archive beside areas, terminals and meters: who owns, who pays, and what was true when.

A row of ``meter`` is a measuring point: its number stays when the meter at it is exchanged, and the
readings before and after hang on the same number. Dated facts (``placement``, ``terminal_area``) are written only
when something has changed; without a row, what stands in ``meter`` and ``terminal`` has always been true.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

from kwhub.headend.store.schema import Moment, metadata

__all__ = [
    "account",
    "archive_state",
    "customer",
    "exchange_reading",
    "group_member",
    "import_error",
    "import_job",
    "meter_exchange",
    "meter_group",
    "organisation",
    "placement",
    "terminal_area",
]

organisation = Table(
    "organisation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("organisation.id"), index=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("name_zh", String(200), nullable=False),
    Column("active", Boolean, nullable=False, server_default=true()),
)

customer = Table(
    "customer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), index=True),
    Column("number", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("postal_address", String(300), nullable=False),
    Column("note", String(300), nullable=False),
    Column("active", Boolean, nullable=False, server_default=true()),
)

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String(32), nullable=False, unique=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False, index=True),
    Column("meter_id", ForeignKey("meter.id"), nullable=False, index=True),
    Column("from_day", Integer, nullable=False),  # first day, inclusive
    Column("to_day", Integer),  # first day that does not belong any more; null: open
)

placement = Table(
    "placement",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_id", ForeignKey("meter.id"), nullable=False),
    Column("valid_from", Moment),  # null: always before
    Column("valid_to", Moment),  # exclusive; null: until now
    Column("terminal_id", ForeignKey("terminal.id"), nullable=False),
    Column("point", Integer, nullable=False),
    Column("port", SmallInteger, nullable=False),
    Column("ct", String(32), nullable=False),
    Column("pt", String(32), nullable=False),
    Column("ratio", String(32), nullable=False),
    Index(None, "meter_id", "valid_from"),
)

terminal_area = Table(
    "terminal_area",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("terminal_id", ForeignKey("terminal.id"), nullable=False),
    Column("area_id", ForeignKey("area.id"), nullable=False, index=True),
    Column("valid_from", Moment),  # null: always before
    Column("valid_to", Moment),  # exclusive; null: until now
    Index(None, "terminal_id", "valid_from"),
)

meter_exchange = Table(
    "meter_exchange",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("meter_id", ForeignKey("meter.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("old_address", String(12), nullable=False),
    Column("new_address", String(12), nullable=False),
    Column("reason", String(300), nullable=False),
    Column("recorded_by", String(100), nullable=False),
    Column("recorded_at", Moment, nullable=False),
    UniqueConstraint("meter_id", "at"),
)

exchange_reading = Table(
    "exchange_reading",
    metadata,
    Column("exchange_id", ForeignKey("meter_exchange.id"), primary_key=True),
    Column("register", String(24), primary_key=True),
    Column("final", BigInteger, nullable=False),  # millionths, of the old meter
    Column("first", BigInteger, nullable=False),  # millionths, of the new one
)

meter_group = Table(
    "meter_group",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("name_zh", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # area, terminal or free
    Column("organisation_id", ForeignKey("organisation.id")),
    Column("area_id", ForeignKey("area.id")),
    Column("terminal_id", ForeignKey("terminal.id")),
    Column("active", Boolean, nullable=False, server_default=true()),
)

group_member = Table(
    "group_member",
    metadata,
    Column("group_id", ForeignKey("meter_group.id"), primary_key=True),
    Column("meter_id", ForeignKey("meter.id"), primary_key=True, index=True),
)

import_job = Table(
    "import_job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),  # of the rows; empty: a workbook of several
    Column("state", String(16), nullable=False),
    Column("file_name", String(200), nullable=False),
    Column("asked_by", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("row_count", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("content", LargeBinary),  # the file, until it was applied
    Column("undo", LargeBinary),  # what to take back
)

import_error = Table(
    "import_error",
    metadata,
    Column("job_id", ForeignKey("import_job.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sheet", String(16), nullable=False),
    Column("row", Integer, nullable=False),  # as the spreadsheet counts; 0: the file itself
    Column("column", String(64), nullable=False),
    Column("problem", String(32), nullable=False),  # key of the words
    Column("value", String(300), nullable=False),
)

archive_state = Table(
    "archive_state",
    metadata,
    Column("id", Integer, primary_key=True),  # one row only
    Column("version", Integer, nullable=False),  # counts changes, so that a copy knows its age
)
