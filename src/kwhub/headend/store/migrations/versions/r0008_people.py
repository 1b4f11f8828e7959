"""Users, sessions, API keys and the chained audit trail."""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_FIRST = bytes(32)
_ONLY_GROWS = "the audit trail only grows"


def upgrade() -> None:
    """Make the tables, and bring the rows of the trail that are there into the chain."""
    _users()
    _secrets()
    _keys()
    _trail()


def downgrade() -> None:
    """Remove the tables, and with them the data; the rows of the trail stay, without their chain."""
    for name in (
        "audit_anchor",
        "audit_head",
        "api_key",
        "throttle",
        "once_secret",
        "web_session",
        "user_role",
        "users",
    ):
        op.drop_table(name)
    op.drop_column("audit", "digest")


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("shown_name", sa.String(length=100), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_in_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "user_role",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        _of_user("user_role"),
        sa.PrimaryKeyConstraint("user_id", "organisation_id", "role", name=op.f("pk_user_role")),
    )


def _secrets() -> None:
    op.create_table(
        "web_session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        _of_user("web_session"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_web_session")),
    )
    op.create_index(op.f("ix_web_session_user_id"), "web_session", ["user_id"], unique=False)
    op.create_table(
        "once_secret",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        _of_user("once_secret"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_once_secret")),
    )
    op.create_table(
        "throttle",
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_throttle")),
    )


def _keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("rights", sa.String(length=200), nullable=False),
        sa.Column("organisations", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        _of_user("api_key"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )


def _trail() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_anchor",
        sa.Column("audit_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_anchor")),
    )
    op.add_column(
        "audit", sa.Column("digest", sa.LargeBinary(), nullable=False, server_default=sa.text("''"))
    )
    _unguard()
    last, digest = _chain()
    _guard()
    head = sa.table("audit_head", sa.column("id"), sa.column("last_id"), sa.column("digest"))
    op.execute(head.insert().values(id=1, last_id=last, digest=digest))


def _chain() -> tuple[int, bytes]:
    """Give every row its digest; the number and the digest of the last one."""
    names = ("id", "at", "who", "action", "subject", "detail", "digest")
    audit = sa.table("audit", *(sa.column(name) for name in names))
    connection = op.get_bind()
    digest, last = _FIRST, 0
    for row in connection.execute(sa.select(audit).order_by(audit.c.id)).all():
        digest, last = _link(digest, row), row.id
        connection.execute(audit.update().where(audit.c.id == last).values(digest=digest))
    return last, digest


def _link(previous: bytes, row: Any) -> bytes:
    """As the trail computed it when this step was made; a step does not change with the program."""
    parts = (str(row.id), str(row.at), row.who, row.action, row.subject, row.detail)
    content = b"".join(
        len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
    )
    return hashlib.sha256(previous + content).digest()


def _unguard() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_no_change ON audit")
    else:
        op.execute("DROP TRIGGER audit_no_update")


def _guard() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit"
            " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
        )
    else:
        op.execute(
            "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit"
            f" BEGIN SELECT RAISE(ABORT, '{_ONLY_GROWS}'); END"
        )


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users")
    )
