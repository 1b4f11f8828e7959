"""What people say about the events that terminals report."""

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from kwhub.headend.store.schema import Moment, metadata, terminal_event

__all__ = ["acknowledgement"]

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("terminal_id", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(100), nullable=False),
    Column("note", Text, nullable=False),
    ForeignKeyConstraint(
        ["terminal_id", "digest"], ["terminal_event.terminal_id", "terminal_event.digest"]
    ),
)

Index("ix_terminal_event_at", terminal_event.c.at)
