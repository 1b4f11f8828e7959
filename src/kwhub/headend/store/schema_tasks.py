"""Tables of tasks: one order for many meters; and the files that orders send."""

from sqlalchemy import Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from kwhub.headend.store.schema import Moment, metadata

__all__ = ["order_file", "task"]

task = Table(
    "task",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("wanted", Text, nullable=False),  # JSON, as that of its orders
    Column("scope", Text, nullable=False),  # JSON: which meters or terminals were chosen
    Column("state", String(16), nullable=False),  # running, paused, cancelled, done
    Column("made_by", String(100), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("deadline_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("tries_max", SmallInteger, nullable=False),
    Column("retry_of", Integer),  # the task whose failures it repeats
    Column("once_key", String(400)),
    Index(None, "state"),
    Index("uq_task_once_key", "once_key", unique=True),
)

order_file = Table(
    "order_file",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256
    Column("name", String(200), nullable=False),
    Column("size", Integer, nullable=False),
    Column("made_by", String(100), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
