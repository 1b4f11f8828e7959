"""The tables of field devices: who they are, their generations, what they carry and what they brought."""

from sqlalchemy import (
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
    text,
)

from kwhub.headend.store.schema import Moment, metadata

__all__ = [
    "device",
    "device_generation",
    "device_grant",
    "device_order",
    "device_upload",
    "device_work",
]

device = Table(
    "device",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("model", String(100), nullable=False),
    Column("serial", String(100), nullable=False),
    Column("owner", String(100), nullable=False),
    Column("area", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # allocated, active, locked, lost, retired
    Column("reason", Text, nullable=False),
    Column("secret_digest", LargeBinary),  # null: there is none to be used
    Column("secret_until", Moment),
    Column("secret_key", LargeBinary),  # digest of the key that it was used for
    Column("wrong_secrets", Integer, nullable=False),
    Column("allocated_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("seen_at", Moment),
    sqlite_autoincrement=True,
)

device_generation = Table(
    "device_generation",
    metadata,
    Column("device_id", ForeignKey("device.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("serial", String(40), nullable=False, unique=True),  # of the certificate, hexadecimal
    Column("key_digest", LargeBinary, nullable=False, unique=True),  # no key is certified twice
    Column("state", String(16), nullable=False),  # pending, current, dead
    Column("chain", Text, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("used_at", Moment),
    Column("died_at", Moment),
    Index(
        "uq_device_generation_current",
        "device_id",
        unique=True,
        sqlite_where=text("state = 'current'"),
        postgresql_where=text("state = 'current'"),
    ),
)

device_work = Table(
    "device_work",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device_id", ForeignKey("device.id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the meters, JSON
    Column("state", String(16), nullable=False),  # open, finished, recalled
    Column("ordered_by", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("order_id", Integer),  # of the order that is carried with it
    sqlite_autoincrement=True,
)

device_grant = Table(
    "device_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("work_id", ForeignKey("device_work.id"), nullable=False, index=True),
    Column("meter", String(12), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False),  # as the device has told
    Column("state", String(16), nullable=False),  # open, recalled
    Column("not_after", Moment, nullable=False),
    sqlite_autoincrement=True,
)

device_order = Table(
    "device_order",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device_id", ForeignKey("device.id"), nullable=False, index=True),
    Column("meter", String(12), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column(
        "state", String(16), nullable=False
    ),  # unapproved, open, begun, done, failed, expired, recalled
    Column("ordered_by", String(100), nullable=False),
    Column("approved_by", String(100), nullable=False, server_default=""),  # the second person
    Column("created_at", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("begun_at", Moment),
    Column("finished_at", Moment),
    Column("obeyed", Boolean),
    Column("outcome", Text, nullable=False),
    sqlite_autoincrement=True,
)

device_upload = Table(
    "device_upload",
    metadata,
    Column("device_id", ForeignKey("device.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("operator", String(100), nullable=False),
    Column("lent_to", String(100), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("count", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # as it came, JSON
)
