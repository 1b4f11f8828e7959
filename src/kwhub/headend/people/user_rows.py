"""Users and their roles in the database, and what follows from them: where each right holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from kwhub.headend.people.caller import Reach
from kwhub.headend.people.rights import ROLE_RIGHTS, Right, Role
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.schema_people import user_role, users

__all__ = [
    "EVERYWHERE",
    "Grant",
    "User",
    "add",
    "any_user",
    "change",
    "everybody",
    "find",
    "get",
    "grants_of",
    "narrowed",
    "password_of",
    "set_grants",
]

EVERYWHERE = 0
"""Stands for all organisations, those that do not exist yet among them."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role in an organisation (with those below it), or everywhere."""

    role: str
    organisation_id: int = EVERYWHERE


@dataclass(frozen=True, slots=True)
class User:
    """A user, without the password."""

    id: int
    name: str
    shown_name: str
    active: bool
    has_password: bool
    created_at: datetime
    signed_in_at: datetime | None
    grants: tuple[Grant, ...]
    language: str = ""  #: ``en`` or ``zh``; empty: that of the browser


def any_user(connection: Connection) -> bool:
    """Whether there is any user at all."""
    return bool(connection.execute(select(func.count()).select_from(users)).scalar())


def everybody(connection: Connection) -> list[User]:
    """All users by name."""
    roles = _roles(connection, None)
    query = select(users).order_by(users.c.name)
    return [_user(row, roles.get(row.id, [])) for row in connection.execute(query)]


def get(connection: Connection, user_id: int) -> User | None:
    """One user by number."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else _user(row, _roles(connection, user_id).get(user_id, []))


def find(connection: Connection, name: str) -> User | None:
    """One user by name."""
    query = select(users.c.id).where(users.c.name == name)
    found = connection.execute(query).scalar()
    return None if found is None else get(connection, found)


def password_of(connection: Connection, user_id: int) -> str | None:
    """The hashed password, None when none was set yet."""
    return connection.execute(select(users.c.password).where(users.c.id == user_id)).scalar()


def add(connection: Connection, name: str, shown_name: str, at: datetime) -> int:
    """Write a user without password and roles. Returns the number."""
    inserted = connection.execute(
        users.insert().values(name=name, shown_name=shown_name, active=True, created_at=at)
    )
    key = inserted.inserted_primary_key
    return int(key[0]) if key else 0


def change(connection: Connection, user_id: int, **columns: Any) -> None:
    """Change columns of a user."""
    connection.execute(update(users).where(users.c.id == user_id).values(**columns))


def set_grants(connection: Connection, user_id: int, grants: Iterable[Grant]) -> None:
    """Replace all roles of a user."""
    connection.execute(delete(user_role).where(user_role.c.user_id == user_id))
    rows = [
        {"user_id": user_id, "organisation_id": each.organisation_id, "role": each.role}
        for each in sorted(set(grants))
    ]
    if rows:
        connection.execute(user_role.insert(), rows)


def grants_of(connection: Connection, grants: Sequence[Grant]) -> dict[Right, Reach]:
    """Where each right holds that roles bring; the organisations below a named one belong to it."""
    named: dict[Right, set[int]] = {}
    for each in grants:
        for right in ROLE_RIGHTS[Role(each.role)]:
            named.setdefault(right, set()).add(each.organisation_id)
    return _reaches(connection, named)


def narrowed(
    connection: Connection,
    grants: Mapping[Right, Reach],
    rights: Iterable[Right],
    organisations: Sequence[int],
) -> dict[Right, Reach]:
    """What is left of grants for some rights in some organisations (none: in all of the grants)."""
    kept = {right: grants[right] for right in rights if right in grants}
    if not organisations:
        return kept
    wanted = _below(connection, set(organisations))
    ids = {
        right: wanted if each.organisations is None else wanted & each.organisations
        for right, each in kept.items()
    }
    return {right: Reach(inside, _areas(connection, inside)) for right, inside in ids.items()}


def _reaches(connection: Connection, named: Mapping[Right, set[int]]) -> dict[Right, Reach]:
    known: dict[frozenset[int], Reach] = {}
    for ids in named.values():
        key = frozenset(ids)
        if key in known:
            continue
        if EVERYWHERE in key:
            known[key] = Reach(None, None)
        else:
            inside = _below(connection, set(key))
            known[key] = Reach(inside, _areas(connection, inside))
    return {right: known[frozenset(ids)] for right, ids in named.items()}


def _below(connection: Connection, ids: set[int]) -> frozenset[int]:
    """Organisations with all that stand below them."""
    table = schema_archive.organisation
    parents = {row.id: row.parent_id for row in connection.execute(select(table))}
    found = ids & parents.keys()
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return frozenset(found)
        found |= more


def _areas(connection: Connection, organisations: frozenset[int]) -> frozenset[int]:
    table = schema.area
    query = select(table.c.id).where(table.c.organisation_id.in_(organisations))
    return frozenset(connection.execute(query).scalars())


def _roles(connection: Connection, user_id: int | None) -> dict[int, list[Grant]]:
    query = select(user_role).order_by(user_role.c.organisation_id, user_role.c.role)
    if user_id is not None:
        query = query.where(user_role.c.user_id == user_id)
    found: dict[int, list[Grant]] = {}
    for row in connection.execute(query):
        found.setdefault(row.user_id, []).append(Grant(row.role, row.organisation_id))
    return found


def _user(row: Row[Any], grants: Sequence[Grant]) -> User:
    return User(
        id=row.id,
        name=row.name,
        shown_name=row.shown_name,
        active=row.active,
        has_password=row.password is not None,
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
        grants=tuple(grants),
        language=row.language,
    )
