"""Tables of people: users and their roles, sessions, secrets, API keys, and the head of the audit trail."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from kwhub.headend.store.schema import Moment, metadata

__all__ = [
    "api_key",
    "audit_anchor",
    "audit_head",
    "once_secret",
    "throttle",
    "user_role",
    "users",
    "web_session",
]

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # for the log-in, in lower case
    Column("shown_name", String(100), nullable=False),
    Column("password", Text),  # scrypt with its parameters; null: none was set yet
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("signed_in_at", Moment),
    Column(
        "language", String(8), nullable=False, server_default=""
    ),  # en, zh; empty: the browser's
)

user_role = Table(
    "user_role",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("organisation_id", Integer, primary_key=True, autoincrement=False),  # 0: all of them
    Column("role", String(16), primary_key=True),
)

web_session = Table(
    "web_session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the id that the browser holds
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
)

once_secret = Table(
    "once_secret",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the secret
    Column("purpose", String(16), nullable=False),  # setup, reset, link
    Column("user_id", ForeignKey("users.id")),
    Column("expires_at", Moment, nullable=False),
)

throttle = Table(
    "throttle",
    metadata,
    Column("subject", String(128), primary_key=True),  # user:name or address:10.0.0.7
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole key
    Column("name", String(100), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),  # who made it; it dies with the user
    Column("rights", String(200), nullable=False),  # words of rights with spaces
    Column("organisations", Text, nullable=False),  # numbers with spaces; empty: as its user
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("used_at", Moment),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1: whoever adds to the trail locks this row
    Column("last_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("audit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("signature", LargeBinary, nullable=False),  # Ed25519
)
