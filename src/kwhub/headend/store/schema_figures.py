"""Tables of figures that are kept, so that a page of a large fleet adds up areas and not meters.

Everything in them can be computed again from readings and archive at any time. They refer to areas without a foreign
key: an area whose import is taken back goes, whatever was computed of it.
"""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from kwhub.headend.store.schema import Moment, metadata

__all__ = ["area_day", "area_silence", "area_stale"]

area_day = Table(
    "area_day",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("area_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),  # what was known at this moment
    Column("stamp", BigInteger, nullable=False),  # of what the archive said of the area's meters
    Column("meters", Integer, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("got", Integer, nullable=False),
    Column("supply_kwh", String(40)),  # decimals in text; null: not known
    Column("sold_kwh", String(40)),
    Column("loss_kwh", String(40)),
    Column("loss_percent", String(40)),
    Column("missing", Text, nullable=False),  # JSON: meters whose energy is not known
    Column("until", Moment),  # the energies run from midnight to here
    sqlite_with_rowid=False,
)

area_stale = Table(
    "area_stale",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("area_id", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),  # how often something changed since
    sqlite_with_rowid=False,
)

area_silence = Table(
    "area_silence",
    metadata,
    Column("area_id", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("silent", Integer, nullable=False),  # meters of which nothing new was heard
    Column("longest", Text, nullable=False),  # JSON: meter and moment or null, the longest first
)
