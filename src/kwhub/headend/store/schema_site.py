"""Tables of the service itself: what an administrator chooses at run time, and what was answered once."""

from sqlalchemy import Column, LargeBinary, SmallInteger, String, Table, Text

from kwhub.headend.store.schema import Moment, metadata

__all__ = ["answered", "chosen"]

chosen = Table(
    "chosen",
    metadata,
    Column("name", String(64), primary_key=True),  # such as retention.events_days
    Column("value", Text, nullable=False),  # JSON
    Column("at", Moment, nullable=False),
    Column("who", String(100), nullable=False),
)

answered = Table(
    "answered",
    metadata,
    Column("who", String(100), primary_key=True),
    Column("once_key", String(300), primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of what was asked
    Column("at", Moment, nullable=False, index=True),
    Column("status", SmallInteger),  # null: at work, or nobody knows how it ended
    Column("media_type", String(100), nullable=False),
    Column("body", LargeBinary, nullable=False),
)
