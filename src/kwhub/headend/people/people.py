"""Who gets in: log-in, sessions, one-time links, and who a request comes from. All of it blocks on the store."""

from datetime import timedelta

import structlog

from kwhub.headend.config import Access
from kwhub.headend.ingest.offload import Offload
from kwhub.headend.people import (
    key_rows,
    password,
    secret,
    session_rows,
    throttle,
    trail,
    user_rows,
)
from kwhub.headend.people.caller import NOBODY, Caller, Kind
from kwhub.headend.people.errors import NotTaken, TooOften
from kwhub.headend.people.rights import Role
from kwhub.headend.people.staff import Staff
from kwhub.headend.people.user_rows import Grant, User
from kwhub.headend.store.database import Database
from kwhub.runtime.clock import Clock

__all__ = ["People"]

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a session or a key was last used."""

SETUP_VALID = timedelta(days=1)
LINK_VALID = timedelta(days=1)

_log = structlog.get_logger("kwhub.headend.people")


class People:
    """The door of the head-end.

    Attributes:
        staff: users, roles and keys as they are managed.
        offload: where this blocking work runs.
        access: its settings.
    """

    def __init__(self, database: Database, access: Access, clock: Clock, offload: Offload) -> None:
        self._database = database
        self._clock = clock
        self.access = access
        self.offload = offload
        self.staff = Staff(database, access, clock)

    def renew(self, access: Access) -> None:
        """Take other settings; they hold from the next request on."""
        self.access = access

    def empty(self) -> bool:
        """Whether there is no user yet, so that the first one is to be made. Raises StoreError."""
        with self._database.read() as connection:
            return not user_rows.any_user(connection)

    def offer_setup(self) -> str:
        """A fresh one-time secret with which the first user is made; empty when there are users."""
        with self._database.write() as connection:
            if user_rows.any_user(connection):
                return ""
            return session_rows.offer(connection, "setup", None, self._clock.now() + SETUP_VALID)

    def set_up(self, text: str, name: str, new: str) -> User:
        """Make the first user, who may do everything.

        Raises:
            NotTaken: there are users already, the secret is not the one, or name or password are not taken.
        """
        now = self._clock.now()
        with self._database.read() as connection:
            good = not user_rows.any_user(connection) and session_rows.valid(
                connection, "setup", text, now
            )
        if not good:
            raise NotTaken("setup", "this secret is not valid, or the system is set up already")
        hashed = self.staff.checked(name, new)
        with self._database.write() as connection:
            taken, _ = session_rows.take(connection, "setup", text, now)
            if not taken or user_rows.any_user(connection):
                raise NotTaken("setup", "the system is set up already")
            user = self.staff.write(connection, name, name, (Grant(Role.ADMIN.value),), "set-up")
            user_rows.change(connection, user.id, password=hashed)
        return user

    def sign_in(self, name: str, given: str, address: str, agent: str) -> str:
        """Check a password and begin a session. Returns the session's id for the browser.

        Raises:
            NotTaken: name or password are wrong, or the user is disabled; never which of them.
            TooOften: too many failures; the password was not looked at.
        """
        name = name.strip().casefold()
        self._hold(name, address)
        with self._database.write() as connection:
            one = throttle.begin(connection, name, address, self._clock.now())
            user = user_rows.find(connection, name)
            stored = None if user is None else user_rows.password_of(connection, user.id)
        if user is None or stored is None or not user.active:
            password.spend(given, self.access.password_work)
            self._failed(name if user is not None else "unknown name", address)
            raise NotTaken("sign_in", "name or password are wrong")
        if not password.matches(given, stored):
            self._failed(name, address)
            raise NotTaken("sign_in", "name or password are wrong")
        fresh = password.stale(stored, self.access.password_work)
        hashed = password.hashed(given, self.access.password_work) if fresh else stored
        with self._database.write() as connection:
            throttle.succeeded(connection, one)
            user_rows.change(connection, user.id, password=hashed)
        return self._begin(user, "password", address, agent)

    def link(self, name: str) -> str:
        """A one-time secret that signs a user in without a password. Raises NotTaken."""
        return self.staff.offer("link", name, LINK_VALID)

    def use_link(self, text: str, address: str, agent: str) -> str:
        """Begin a session with the secret of a link. Returns the session's id. Raises NotTaken."""
        user = self.staff.took("link", text)
        return self._begin(user, "link", address, agent)

    def use_reset(self, text: str, new: str, address: str, agent: str) -> str:
        """Set a password with a one-time secret and begin a session; all other sessions end.

        Raises:
            NotTaken: the secret is not valid any more, or the password is not taken.
        """
        user = self.staff.reset_with(text, new, address)
        return self._begin(user, "reset", address, agent)

    def sign_out(self, caller: Caller) -> None:
        """End the session of a caller. Raises StoreError."""
        with self._database.write() as connection:
            session_rows.end(connection, caller.user_id, digest=caller.session)
            trail.record(
                connection, caller.name, "sign_out", _subject(caller.user_id), "", self._clock.now()
            )

    def identify(self, session: str, bearer: str) -> Caller:
        """Who presents a session's id or an API key; nobody when neither is good. Raises StoreError."""
        if bearer:
            return self._of_key(bearer)
        return self._of_session(session) if session else NOBODY

    def _of_session(self, session: str) -> Caller:
        digest, now = secret.digest(session), self._clock.now()
        with self._database.read() as connection:
            found = session_rows.find(connection, digest)
            if found is None or not self._alive(found):
                return NOBODY
            user = user_rows.get(connection, found.user_id)
            if user is None or not user.active:
                return NOBODY
            grants = user_rows.grants_of(connection, user.grants)
        if now - found.seen_at >= SEEN_EVERY:
            with self._database.write() as connection:
                session_rows.seen(connection, digest, now)
        return Caller(
            kind=Kind.USER,
            user_id=user.id,
            name=user.name,
            grants=grants,
            session=digest,
            csrf=secret.csrf_of(session),
            language=user.language,
            bucket=f"session:{digest.hex()}",
        )

    def _of_key(self, whole: str) -> Caller:
        now = self._clock.now()
        with self._database.read() as connection:
            key = key_rows.find(connection, whole)
            if key is None or not key.works(now):
                return NOBODY
            user = user_rows.get(connection, key.user_id)
            if user is None or not user.active:
                return NOBODY
            grants = user_rows.narrowed(
                connection,
                user_rows.grants_of(connection, user.grants),
                key.rights,
                key.organisations,
            )
        if key.used_at is None or now - key.used_at >= SEEN_EVERY:
            with self._database.write() as connection:
                key_rows.used(connection, key.id, now)
        return Caller(
            kind=Kind.KEY,
            user_id=user.id,
            name=f"{user.name} ({key.prefix})",
            grants=grants,
            bucket=f"key:{key.id}",
        )

    def _alive(self, session: session_rows.Session) -> bool:
        now = self._clock.now()
        idle, longest = self._longest()
        return now - session.seen_at < idle and now - session.created_at < longest

    def _longest(self) -> tuple[timedelta, timedelta]:
        """How long a session lives unused, and in any case."""
        return timedelta(seconds=self.access.idle_s), timedelta(seconds=self.access.session_s)

    def _begin(self, user: User, how: str, address: str, agent: str) -> str:
        """Begin a session, always with an id that nobody has seen before."""
        now = self._clock.now()
        with self._database.write() as connection:
            session_rows.prune(connection, *self._longest(), now)
            throttle.prune(connection, now)
            session = session_rows.begin(connection, user.id, address, agent, now)
            user_rows.change(connection, user.id, signed_in_at=now)
            detail = f"by {how} from {address}"
            trail.record(connection, user.name, "sign_in", _subject(user.id), detail, now)
        _log.info("signed_in", user=user.name, how=how, address=address)
        return session

    def _hold(self, name: str, address: str) -> None:
        """Send away whom it costs nothing to send away. Raises TooOften."""
        with self._database.read() as connection:
            wait = throttle.wait_s(connection, name, address, self._clock.now())
        if wait:
            raise TooOften(wait)

    def _failed(self, who: str, address: str) -> None:
        """Write it down, but no name that nobody has: it may be a password in the wrong field."""
        now = self._clock.now()
        with self._database.write() as connection:
            trail.record(connection, who, "sign_in_failed", "log-in", f"from {address}", now)
        _log.warning("sign_in_failed", user=who, address=address)


def _subject(user_id: int) -> str:
    return f"user {user_id}"
