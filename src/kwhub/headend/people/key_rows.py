"""API keys in the database: a prefix to find them by, and the digest of the whole."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from kwhub.headend.people import secret
from kwhub.headend.people.rights import Right
from kwhub.headend.store.schema_people import api_key

__all__ = ["MARK", "NewKey", "StoredKey", "add", "everything", "find", "get", "revoke", "used"]

MARK = "kwhub_"
"""Every key begins with it, so that programs that look for leaked secrets can tell one."""

_PREFIX_BYTES = 5


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key shall be.

    Attributes:
        name: what it is for.
        rights: what it may do, at most what its user may.
        organisations: where, with those below; none: wherever its user may.
        expires_at: None for never.
    """

    name: str
    rights: frozenset[Right]
    organisations: tuple[int, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the store knows it, without its secret part."""

    id: int
    prefix: str
    name: str
    user_id: int
    rights: frozenset[Right]
    organisations: tuple[int, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    def works(self, at: datetime) -> bool:
        """Whether it is neither revoked nor run out."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


def add(connection: Connection, user_id: int, new: NewKey, at: datetime) -> tuple[int, str]:
    """Write a key. Returns its number and the whole of it, which is shown once."""
    prefix = MARK + secrets.token_hex(_PREFIX_BYTES)
    whole = f"{prefix}_{secret.new()}"
    inserted = connection.execute(
        api_key.insert().values(
            prefix=prefix,
            digest=secret.digest(whole),
            name=new.name,
            user_id=user_id,
            rights=" ".join(sorted(right.value for right in new.rights)),
            organisations=" ".join(str(each) for each in sorted(new.organisations)),
            created_at=at,
            expires_at=new.expires_at,
        )
    )
    key = inserted.inserted_primary_key
    return (int(key[0]) if key else 0), whole


def find(connection: Connection, whole: str) -> StoredKey | None:
    """The key that somebody presents."""
    prefix = "_".join(whole.split("_")[:2])
    row = connection.execute(select(api_key).where(api_key.c.prefix == prefix)).one_or_none()
    if row is None or not secret.same(row.digest, secret.digest(whole)):
        return None
    return _key(row)


def get(connection: Connection, key_id: int) -> StoredKey | None:
    """One key by number."""
    row = connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    return None if row is None else _key(row)


def everything(connection: Connection, users: Sequence[int] | None) -> list[StoredKey]:
    """The keys of some users (None: of all), the newest first."""
    query = select(api_key).order_by(api_key.c.id.desc())
    if users is not None:
        query = query.where(api_key.c.user_id.in_(users))
    return [_key(row) for row in connection.execute(query)]


def revoke(connection: Connection, key_id: int, at: datetime) -> bool:
    """End a key for good; whether it worked until now."""
    done = connection.execute(
        update(api_key)
        .where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return done.rowcount == 1


def used(connection: Connection, key_id: int, at: datetime) -> None:
    """Note that a key was used."""
    connection.execute(update(api_key).where(api_key.c.id == key_id).values(used_at=at))


def _key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        id=row.id,
        prefix=row.prefix,
        name=row.name,
        user_id=row.user_id,
        rights=frozenset(Right(each) for each in row.rights.split()),
        organisations=tuple(int(each) for each in row.organisations.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
