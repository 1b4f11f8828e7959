"""Users, their roles, passwords, sessions and API keys as they are managed. All of it blocks on the store."""

import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, select

from kwhub.headend.config import Access
from kwhub.headend.people import key_rows, password, session_rows, throttle, trail, user_rows
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.errors import NotTaken
from kwhub.headend.people.key_rows import NewKey, StoredKey
from kwhub.headend.people.rights import Right, Role
from kwhub.headend.people.session_rows import Session
from kwhub.headend.people.user_rows import EVERYWHERE, Grant, User
from kwhub.headend.store import schema_archive
from kwhub.headend.store.database import Database
from kwhub.runtime.clock import Clock

__all__ = ["RESET_VALID", "Staff"]

RESET_VALID = timedelta(days=1)

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


class Staff:
    """Management of people. ``by`` is who does it; what they may not touch raises NotTaken."""

    def __init__(self, database: Database, access: Access, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._clock = clock

    def users(self, by: Caller | None = None) -> list[User]:
        """All users whom ``by`` (None: the owner of the machine) manages, by name."""
        with self._database.read() as connection:
            found = user_rows.everybody(connection)
        return [each for each in found if by is None or _manages(by, each.grants)]

    def user(self, user_id: int) -> User | None:
        """One user."""
        with self._database.read() as connection:
            return user_rows.get(connection, user_id)

    def named(self, name: str) -> User:
        """One user by name. Raises NotTaken."""
        with self._database.read() as connection:
            user = user_rows.find(connection, name.strip().casefold())
        if user is None:
            raise NotTaken("no_user", f"there is no user {name!r}")
        return user

    def add(
        self, name: str, shown_name: str, grants: Sequence[Grant], by: Caller | None = None
    ) -> tuple[User, str]:
        """Make a user. Returns it with the one-time secret by which the password is set. Raises NotTaken."""
        self._grantable(grants, by)
        with self._database.write() as connection:
            user = self.write(connection, name, shown_name, grants, _who(by))
            text = self._offer(connection, "reset", user.id, RESET_VALID)
        return user, text

    def write(
        self, connection: Connection, name: str, shown_name: str, grants: Sequence[Grant], who: str
    ) -> User:
        """Write a user with roles. Raises NotTaken for a name that is not one or is taken."""
        clean = name.strip().casefold()
        if not _NAME.fullmatch(clean):
            raise NotTaken("name", "a name has 2 to 64 of the characters a-z, 0-9, . _ @ -")
        if user_rows.find(connection, clean) is not None:
            raise NotTaken("taken", f"there is a user {clean!r} already")
        now = self._clock.now()
        shown = shown_name.replace("\0", "").strip()[:100] or clean
        user_id = user_rows.add(connection, clean, shown, now)
        user_rows.set_grants(connection, user_id, grants)
        trail.record(connection, who, "user_added", f"user {user_id}", _told(clean, grants), now)
        made = user_rows.get(connection, user_id)
        assert made is not None  # noqa: S101 - written a moment ago in this transaction
        return made

    def set_roles(self, user_id: int, grants: Sequence[Grant], by: Caller | None = None) -> None:
        """Give a user other roles. Raises NotTaken, also when nobody would be left to manage users."""
        self._grantable(grants, by)
        with self._database.write() as connection:
            user = self._managed(connection, user_id, by)
            had = _has_admin(connection)
            user_rows.set_grants(connection, user_id, grants)
            _keep_admin(connection, had=had)
            told = f"{_told('', user.grants)} -> {_told('', grants)}"
            self._record(connection, by, "roles_changed", user_id, told)

    def set_active(self, user_id: int, *, active: bool, by: Caller | None = None) -> None:
        """Enable a user, or disable one and end all sessions. Raises NotTaken."""
        with self._database.write() as connection:
            self._managed(connection, user_id, by)
            had = _has_admin(connection)
            user_rows.change(connection, user_id, active=active)
            _keep_admin(connection, had=had)
            if not active:
                session_rows.end(connection, user_id)
            self._record(connection, by, "user_enabled" if active else "user_disabled", user_id, "")

    def reset(self, user_id: int, by: Caller | None = None) -> str:
        """A one-time secret by which a user sets a new password. Raises NotTaken."""
        with self._database.write() as connection:
            self._managed(connection, user_id, by)
            self._record(connection, by, "reset_offered", user_id, "")
            return self._offer(connection, "reset", user_id, RESET_VALID)

    def reset_valid(self, text: str) -> bool:
        """Whether the secret of a reset would be taken."""
        with self._database.read() as connection:
            return session_rows.valid(connection, "reset", text, self._clock.now())

    def reset_with(self, text: str, new: str, address: str) -> User:
        """Set the password of the user whom a secret belongs to. Raises NotTaken."""
        if self.reset_valid(text) and (reason := password.trouble(new, "")):
            raise _bad_password(reason)
        user = self.took("reset", text)
        hashed = password.hashed(new, self._access.password_work)
        with self._database.write() as connection:
            user_rows.change(connection, user.id, password=hashed)
            session_rows.end(connection, user.id)
            throttle.forgive(connection, user.name, address)
            now = self._clock.now()
            trail.record(connection, user.name, "password_reset", f"user {user.id}", "", now)
        return user

    def set_language(self, caller: Caller, code: str) -> None:
        """Remember in which language the caller wants to read, empty: that of the browser. Raises StoreError."""
        with self._database.write() as connection:
            user_rows.change(connection, caller.user_id, language=code)

    def change_password(self, caller: Caller, old: str, new: str, address: str) -> None:
        """Change the own password; all other sessions of the user end. Raises NotTaken, TooOften."""
        now = self._clock.now()
        with self._database.write() as connection:
            one = throttle.begin(connection, caller.name, address, now)
            stored = user_rows.password_of(connection, caller.user_id)
        if stored is not None and not password.matches(old, stored):
            raise NotTaken("old_password", "the old password is wrong")
        with self._database.write() as connection:
            throttle.succeeded(connection, one)
        hashed = self.checked(caller.name, new)
        with self._database.write() as connection:
            user_rows.change(connection, caller.user_id, password=hashed)
            session_rows.end(connection, caller.user_id, but=caller.session)
            self._record(connection, caller, "password_changed", caller.user_id, "")

    def sessions(self, user_id: int) -> list[Session]:
        """Where a user is signed in."""
        with self._database.read() as connection:
            return session_rows.of_user(connection, user_id)

    def end_sessions(self, caller: Caller) -> int:
        """Sign the caller out everywhere but here; how many sessions that ended."""
        with self._database.write() as connection:
            ended = session_rows.end(connection, caller.user_id, but=caller.session)
            self._record(connection, caller, "sessions_ended", caller.user_id, str(ended))
            return ended

    def add_key(self, caller: Caller, new: NewKey) -> tuple[StoredKey, str]:
        """Make an API key of the caller. Returns it with the whole of it, shown once. Raises NotTaken."""
        name = new.name.replace("\0", "").strip()
        if not 0 < len(name) <= 100:
            raise NotTaken("key_name", "a key needs a name of 1 to 100 characters")
        if not new.rights or not new.rights <= caller.rights - {Right.OPEN}:
            raise NotTaken("key_rights", "a key has at least one right, and none that you lack")
        if new.expires_at is not None and new.expires_at <= self._clock.now():
            raise NotTaken("key_expiry", "a key runs out in the future")
        inside = caller.organisations()
        if inside is not None and not set(new.organisations) <= inside:
            raise NotTaken("key_organisations", "a key reaches no further than you do")
        clean = NewKey(name, new.rights, new.organisations, new.expires_at)
        with self._database.write() as connection:
            key_id, whole = key_rows.add(connection, caller.user_id, clean, self._clock.now())
            stored = key_rows.get(connection, key_id)
            assert stored is not None  # noqa: S101 - written a moment ago in this transaction
            told = f"{stored.prefix}: {' '.join(sorted(each.value for each in new.rights))}"
            self._record(connection, caller, "key_added", caller.user_id, told)
        return stored, whole

    def keys(self, by: Caller) -> list[StoredKey]:
        """The caller's own keys, and those of everybody whom the caller manages."""
        users = {by.user_id}
        if by.may(Right.PEOPLE):
            users |= {each.id for each in self.users(by)}
        with self._database.read() as connection:
            return key_rows.everything(connection, sorted(users))

    def revoke_key(self, key_id: int, by: Caller) -> bool:
        """End a key; False when there is none that the caller may touch."""
        if key_id not in {each.id for each in self.keys(by)}:
            return False
        with self._database.write() as connection:
            key_rows.revoke(connection, key_id, self._clock.now())
            self._record(connection, by, "key_revoked", by.user_id, f"key {key_id}")
        return True

    def organisations(self) -> dict[int, str]:
        """Name of every organisation by number."""
        with self._database.read() as connection:
            table = schema_archive.organisation
            rows = connection.execute(select(table).order_by(table.c.code)).all()
        return {row.id: f"{row.code} {row.name}".strip() for row in rows}

    def checked(self, name: str, new: str) -> str:
        """The hash of a password that is good enough. Raises NotTaken."""
        if reason := password.trouble(new, name.strip()):
            raise _bad_password(reason)
        return password.hashed(new, self._access.password_work)

    def offer(self, purpose: str, name: str, valid: timedelta) -> str:
        """A one-time secret for a user. Raises NotTaken."""
        user = self.named(name)
        with self._database.write() as connection:
            return self._offer(connection, purpose, user.id, valid)

    def took(self, purpose: str, text: str) -> User:
        """Use up a one-time secret: the user whom it belongs to. Raises NotTaken.

        Tries are not counted: nobody guesses 256 random bits.
        """
        with self._database.write() as connection:
            good, user_id = session_rows.take(connection, purpose, text, self._clock.now())
            user = user_rows.get(connection, user_id) if good and user_id else None
        if user is None or not user.active:
            raise NotTaken("link", "this link was used, has run out, or never was one")
        return user

    def _offer(self, connection: Connection, purpose: str, user_id: int, valid: timedelta) -> str:
        return session_rows.offer(connection, purpose, user_id, self._clock.now() + valid)

    def _managed(self, connection: Connection, user_id: int, by: Caller | None) -> User:
        user = user_rows.get(connection, user_id)
        if user is None or not (by is None or _manages(by, user.grants)):
            raise NotTaken("no_user", "there is no such user")
        return user

    def _grantable(self, grants: Sequence[Grant], by: Caller | None) -> None:
        """Roles that exist, in organisations that exist and that ``by`` manages. Raises NotTaken."""
        known = self.organisations()
        for each in grants:
            if each.role not in {role.value for role in Role}:
                raise NotTaken("role", f"{each.role!r} is no role")
            if each.organisation_id != EVERYWHERE and each.organisation_id not in known:
                raise NotTaken("organisation", "there is no such organisation")
        if not grants or not (by is None or _manages(by, grants)):
            raise NotTaken("roles", "a user needs a role, in organisations that you manage")

    def _record(
        self, connection: Connection, by: Caller | None, action: str, user_id: int, detail: str
    ) -> None:
        now = self._clock.now()
        trail.record(connection, _who(by), action, f"user {user_id}", detail, now)


def _manages(by: Caller, grants: Sequence[Grant]) -> bool:
    """Whether a caller manages people in every organisation where these roles hold."""
    inside = by.organisations(Right.PEOPLE)
    return inside is None or all(each.organisation_id in inside for each in grants)


def _has_admin(connection: Connection) -> bool:
    """Whether somebody may do everything everywhere."""
    admin = Grant(Role.ADMIN.value)
    return any(each.active and admin in each.grants for each in user_rows.everybody(connection))


def _keep_admin(connection: Connection, *, had: bool) -> None:
    if had and not _has_admin(connection):
        raise NotTaken("last_admin", "the last administrator of everything stays one")


def _who(by: Caller | None) -> str:
    return "command line" if by is None else by.name


def _told(name: str, grants: Sequence[Grant]) -> str:
    roles = ", ".join(f"{each.role}@{each.organisation_id or 'all'}" for each in sorted(grants))
    return f"{name} {roles}".strip()


def _bad_password(reason: str) -> NotTaken:
    english = {
        "short": f"a password has at least {password.LENGTH_MIN} characters",
        "long": f"a password has at most {password.LENGTH_MAX} characters",
        "common": "this is one of the commonest passwords",
        "name": "a password does not contain the name",
    }
    return NotTaken(f"password_{reason}", english[reason])
