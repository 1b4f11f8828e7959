"""Which person stands behind a name in the trail: a user, or any key that this user has made."""

from typing import Final

from sqlalchemy import Connection, select

from kwhub.headend.people import user_rows
from kwhub.headend.people.key_rows import MARK
from kwhub.headend.store.schema_people import api_key

__all__ = ["person_of", "user_name"]

_KEY: Final = f" ({MARK}"


def person_of(connection: Connection, name: str) -> str:
    """What is the same for a user and all keys of this user; a name that is no user's stands for itself.

    Args:
        connection: of the transaction that the answer is used in.
        name: as ``Caller.name`` is written into orders and the trail.
    """
    user_id = _user_id(connection, name)
    return name if user_id is None else f"user {user_id}"


def user_name(connection: Connection, name: str) -> str:
    """The user's own name for the name of a key; any other name as it is."""
    user_id = _user_id(connection, name)
    user = None if user_id is None else user_rows.get(connection, user_id)
    return name if user is None else user.name


def _user_id(connection: Connection, name: str) -> int | None:
    user = user_rows.find(connection, name)
    if user is not None:
        return user.id
    place = name.rfind(_KEY)
    if place < 0:
        return None
    query = select(api_key.c.user_id).where(api_key.c.prefix == name[place + 2 :].rstrip(")"))
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else int(found)
