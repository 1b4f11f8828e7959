"""Log-ins that fail make the next ones wait: longer and longer, but never for ever."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from kwhub.headend.store.database import upsert
from kwhub.headend.store.schema_people import throttle

__all__ = ["FORGET", "Rule", "failed", "forgive", "prune", "rules", "wait_s"]

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


def failed(connection: Connection, name: str, address: str, at: datetime) -> None:
    """Count a failure."""
    counters = rules(name, address)
    known = _known(connection, counters)
    rows = [
        {
            "subject": rule.subject,
            "failures": 1 + (known[rule.subject][0] if rule.subject in known else 0),
            "last_at": at,
        }
        for rule in counters
    ]
    upsert(connection, throttle, rows)


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
