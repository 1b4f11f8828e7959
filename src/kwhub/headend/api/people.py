"""People over the API: who am I, users, API keys, the audit trail."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import (
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.people import trail
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.errors import NotTaken
from kwhub.headend.people.key_rows import StoredKey
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.people.user_rows import Grant, User

__all__ = [
    "ROUTES",
    "AddedPerson",
    "Change",
    "Key",
    "Myself",
    "NewPerson",
    "Person",
    "RoleAt",
    "Trace",
    "add_user",
    "audit",
    "change_user",
    "keys",
    "myself",
    "revoke_key",
    "users",
]

T = TypeVar("T")


class Myself(Struct):
    """Who the server takes the caller for."""

    name: str
    kind: str
    rights: list[str]
    organisations: list[int] | None  #: where it may see; null: everywhere


class RoleAt(Struct, forbid_unknown_fields=True):
    """A role in an organisation; organisation 0 stands for everywhere."""

    role: str
    organisation: int = 0


class Person(Struct):
    """A user."""

    id: int
    name: str
    shown_name: str
    active: bool
    created_at: datetime
    signed_in_at: datetime | None
    roles: list[RoleAt]

    @classmethod
    def of(cls, user: User) -> "Person":
        """From a row of the store."""
        roles = [RoleAt(each.role, each.organisation_id) for each in user.grants]
        times = (user.created_at, user.signed_in_at)
        return cls(user.id, user.name, user.shown_name, user.active, *times, roles)


class NewPerson(Struct, forbid_unknown_fields=True):
    """The body of a new user."""

    name: str
    roles: list[RoleAt]
    shown_name: str = ""


class AddedPerson(Struct):
    """A new user with the one-time secret by which the password is set at ``/reset/{secret}``."""

    user: Person
    secret: str


class Change(Struct, forbid_unknown_fields=True):
    """What shall be different about a user."""

    active: bool | None = None
    roles: list[RoleAt] | None = None


class Key(Struct):
    """An API key without its secret part."""

    id: int
    prefix: str
    name: str
    user_id: int
    rights: list[str]
    organisations: list[int]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    @classmethod
    def of(cls, key: StoredKey) -> "Key":
        """From a row of the store."""
        return cls(
            id=key.id,
            prefix=key.prefix,
            name=key.name,
            user_id=key.user_id,
            rights=sorted(each.value for each in key.rights),
            organisations=list(key.organisations),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            used_at=key.used_at,
        )


class Trace(Struct):
    """A row of the audit trail."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: str


@get("/caller", sync_to_thread=False, opt=needs(Right.OPEN))
def myself(caller: NamedDependency[Caller]) -> Myself:
    """Who the server takes the caller for, and what that one may do."""
    inside = caller.organisations()
    rights = sorted(each.value for each in caller.rights)
    return Myself(
        caller.name, caller.kind.value, rights, None if inside is None else sorted(inside)
    )


@get("/users", sync_to_thread=True, opt=needs(Right.PEOPLE))
def users(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)] = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Person]:
    """The users whom the caller manages, by name."""
    at, rows = position_of(cursor), site.people.staff.users(caller)
    part = [Person.of(each) for each in rows[at : at + limit]]
    return Items(part, cursor_of(at + limit) if at + limit < len(rows) else None)


@post("/users", sync_to_thread=True, opt=needs(Right.PEOPLE))
def add_user(
    site: NamedDependency[Site], caller: NamedDependency[Caller], data: JSONBody[NewPerson]
) -> AddedPerson:
    """Add a user; the secret in the answer sets the password, once, within a day."""
    grants = _grants(data.roles)
    staff = site.people.staff
    user, secret = _taken(lambda: staff.add(data.name, data.shown_name, grants, caller))
    return AddedPerson(Person.of(user), secret)


@post("/users/{user_id:int}", sync_to_thread=True, status_code=200, opt=needs(Right.PEOPLE))
def change_user(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    user_id: FromPath[int],
    data: JSONBody[Change],
) -> Person:
    """Give a user other roles, disable or enable one."""
    staff = site.people.staff
    if data.roles is not None:
        grants = _grants(data.roles)
        _taken(lambda: staff.set_roles(user_id, grants, caller))
    if data.active is not None:
        active = data.active
        _taken(lambda: staff.set_active(user_id, active=active, by=caller))
    found = {each.id: each for each in staff.users(caller)}
    if user_id not in found:
        raise NotFoundException(f"user {user_id}")
    return Person.of(found[user_id])


@get("/keys", sync_to_thread=True, opt=needs(Right.SEE))
def keys(site: NamedDependency[Site], caller: NamedDependency[Caller]) -> Items[Key]:
    """The API keys of the caller, and of those whom the caller manages."""
    return Items([Key.of(each) for each in site.people.staff.keys(caller)], None)


@delete("/keys/{key_id:int}", sync_to_thread=True, opt=needs(Right.PEOPLE))
def revoke_key(
    site: NamedDependency[Site], caller: NamedDependency[Caller], key_id: FromPath[int]
) -> None:
    """End a key at once."""
    if not site.people.staff.revoke_key(key_id, caller):
        raise NotFoundException(f"key {key_id}")


@get("/audit", sync_to_thread=True, opt=needs(Right.AUDIT))
def audit(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)] = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Trace]:
    """The audit trail, the newest first."""
    if caller.organisations(Right.AUDIT) is not None:
        raise PermissionDeniedException("the trail is read by those whose role holds everywhere")
    before = position_of(cursor) or None
    with site.queries.reading() as connection:
        rows = trail.entries(connection, before=before, limit=limit)
    part = [
        Trace(each.id, each.at, each.who, each.action, each.subject, each.detail) for each in rows
    ]
    return Items(part, cursor_of(rows[-1].id) if len(rows) == limit else None)


def _grants(roles: Sequence[RoleAt]) -> list[Grant]:
    return [Grant(each.role, each.organisation) for each in roles]


def _taken(work: Callable[[], T]) -> T:
    """Do it, or say what is wrong with it. Raises ValidationException or NotFoundException."""
    try:
        return work()
    except NotTaken as error:
        if error.key == "no_user":
            raise NotFoundException(str(error)) from error
        raise ValidationException(str(error)) from error


ROUTES = (myself, users, add_user, change_user, keys, revoke_key, audit)
