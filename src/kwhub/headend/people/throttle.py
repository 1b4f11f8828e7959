"""Log-ins that fail make the next ones wait: longer and longer, but never for ever.

A try counts as failed from its beginning and is taken back when it succeeds: passwords are looked at slowly, and tries
that come together would all be looked at before the first of them has failed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, literal, select, update

from kwhub.headend.people.errors import TooOften
from kwhub.headend.store.database import upsert
from kwhub.headend.store.schema_people import throttle

__all__ = ["FORGET", "Rule", "Try", "begin", "forgive", "prune", "rules", "succeeded", "wait_s"]

FORGET = timedelta(days=1)
"""After so long without a failure everything is forgotten."""

SUBJECT_MAX = 128


@dataclass(frozen=True, slots=True)
class Rule:
    """How many failures are free, and the longest wait in seconds after them."""

    subject: str
    free: int
    longest_s: int

    def pause(self, failures: int) -> timedelta:
        """The wait after so many failures: 1 s, then twice as long each time."""
        if failures < self.free:
            return timedelta(0)
        return timedelta(seconds=min(2 ** min(failures - self.free, 20), self.longest_s))


@dataclass(frozen=True, slots=True)
class Try:
    """A try that goes on.

    Attributes:
        name: of the user, whether there is one or not.
        address: where it comes from.
        at: when it began.
        before: when the last failure of the address was, before this one.
    """

    name: str
    address: str
    at: datetime
    before: datetime


def rules(name: str, address: str) -> tuple[Rule, ...]:
    """The counters of a log-in.

    An account at one address, and an address, soon wait long. An account as a whole waits late and short, so
    that somebody who attacks it from everywhere cannot keep its user out.
    """
    return (
        Rule(f"user:{name}@{address}"[:SUBJECT_MAX], 5, 900),
        Rule(f"address:{address}"[:SUBJECT_MAX], 20, 900),
        Rule(f"user:{name}"[:SUBJECT_MAX], 50, 60),
    )


def wait_s(connection: Connection, name: str, address: str, at: datetime) -> int:
    """Seconds until the next try is looked at; 0: at once."""
    longest = timedelta(0)
    known = _known(connection, rules(name, address))
    for rule in rules(name, address):
        if rule.subject in known:
            failures, last = known[rule.subject]
            longest = max(longest, last + rule.pause(failures) - at)
    return -(-longest // timedelta(seconds=1)) if longest > timedelta(0) else 0


def begin(connection: Connection, name: str, address: str, at: datetime) -> Try:
    """Count a try as failed before its password is looked at. Raises TooOften: it must wait, and is not counted.

    The rows are locked first, so that of tries at one time each sees those before it.
    """
    counters = rules(name, address)
    free = [{"subject": rule.subject, "failures": 0, "last_at": at} for rule in counters]
    upsert(connection, throttle, free, add="failures", keep={"last_at"})
    wait = wait_s(connection, name, address, at)
    if wait:
        raise TooOften(wait)
    of_address = throttle.c.subject == _of_address(counters)
    before = connection.execute(select(throttle.c.last_at).where(of_address)).scalar_one()
    one = [{**each, "failures": 1} for each in free]
    upsert(connection, throttle, one, add="failures")
    return Try(name, address, at, before)


def succeeded(connection: Connection, one: Try) -> None:
    """Take a try back: the account is forgiven, and the address stands where it stood before."""
    forgive(connection, one.name, one.address)
    row = throttle.c
    before = literal(one.before, row.last_at.type)
    mine = case((row.last_at == one.at, before), else_=row.last_at)
    connection.execute(
        update(throttle)
        .where(row.subject == _of_address(rules(one.name, one.address)), row.failures > 0)
        .values(failures=row.failures - 1, last_at=mine)
    )


def _of_address(counters: tuple[Rule, ...]) -> str:
    return counters[1].subject


def forgive(connection: Connection, name: str, address: str) -> None:
    """A log-in that succeeded forgives the account; the address goes on counting."""
    subjects = [rule.subject for rule in rules(name, address) if rule.subject.startswith("user:")]
    connection.execute(delete(throttle).where(throttle.c.subject.in_(subjects)))


def prune(connection: Connection, at: datetime) -> None:
    """Forget what is long past."""
    connection.execute(delete(throttle).where(throttle.c.last_at < at - FORGET))


def _known(connection: Connection, counters: tuple[Rule, ...]) -> dict[str, tuple[int, datetime]]:
    subjects = [rule.subject for rule in counters]
    rows = connection.execute(select(throttle).where(throttle.c.subject.in_(subjects)))
    return {row.subject: (row.failures, row.last_at) for row in rows}
