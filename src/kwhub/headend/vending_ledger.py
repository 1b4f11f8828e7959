"""The file of the counter's books: its tables, its transactions, and the ledger that every change is written to."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from kwhub.prepay.vending import GENESIS, Entry, linked

__all__ = ["LINE", "SITE_ZONE", "Ledger"]

LINE: Final = "line"
"""Source of a reading: the meter itself was asked."""

SITE_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""Of a site, unless said otherwise."""

_CLAIMED: Final = 1
_SCHEMA: Final = """
BEGIN;
CREATE TABLE IF NOT EXISTS customer (
    number TEXT PRIMARY KEY, meter TEXT NOT NULL UNIQUE, name TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS price (
    tariff TEXT NOT NULL, since TEXT NOT NULL, price INTEGER NOT NULL CHECK (price >= 0),
    PRIMARY KEY (tariff, since)) STRICT;
CREATE TABLE IF NOT EXISTS purchase (
    id INTEGER PRIMARY KEY, meter TEXT NOT NULL, count INTEGER NOT NULL, amount INTEGER NOT NULL,
    customer TEXT NOT NULL REFERENCES customer, operator TEXT NOT NULL, payment TEXT NOT NULL,
    state TEXT NOT NULL, signed INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL,
    CHECK (amount > 0 AND count > 0)) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_number ON purchase (meter, count)
    WHERE state <> 'cancelled' OR signed;
CREATE UNIQUE INDEX IF NOT EXISTS one_payment ON purchase (payment);
CREATE TRIGGER IF NOT EXISTS one_amount BEFORE UPDATE OF meter, count, amount, customer ON purchase
    BEGIN SELECT RAISE(ABORT, 'a number has one amount'); END;
CREATE TRIGGER IF NOT EXISTS purchases_stay BEFORE DELETE ON purchase
    BEGIN SELECT RAISE(ABORT, 'a purchase stays'); END;
CREATE TABLE IF NOT EXISTS meter_count (
    meter TEXT PRIMARY KEY, count INTEGER NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY, meter TEXT NOT NULL, identifier INTEGER NOT NULL, amount INTEGER NOT NULL,
    units TEXT NOT NULL, customer TEXT NOT NULL REFERENCES customer, operator TEXT NOT NULL,
    payment TEXT NOT NULL UNIQUE, token TEXT NOT NULL, base_year INTEGER NOT NULL, at TEXT NOT NULL,
    UNIQUE (meter, base_year, identifier), CHECK (amount > 0)) STRICT;
CREATE TRIGGER IF NOT EXISTS tokens_stay BEFORE DELETE ON token
    BEGIN SELECT RAISE(ABORT, 'a token stays'); END;
CREATE TRIGGER IF NOT EXISTS tokens_stay_so BEFORE UPDATE ON token
    BEGIN SELECT RAISE(ABORT, 'a token stays as it is'); END;
CREATE TABLE IF NOT EXISTS meter_key (
    meter TEXT PRIMARY KEY, state INTEGER NOT NULL, version INTEGER, at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS balance (
    meter TEXT NOT NULL, at TEXT NOT NULL, money INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (meter, at)) STRICT;
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    previous TEXT NOT NULL, digest TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS by_payment ON ledger (kind, json_extract(content, '$.payment'));
DROP INDEX IF EXISTS by_day;
CREATE INDEX IF NOT EXISTS by_reading ON ledger (kind, json_extract(content, '$.meter'));
CREATE INDEX IF NOT EXISTS by_meter ON purchase (meter, count);
CREATE INDEX IF NOT EXISTS by_state ON purchase (meter, state) WHERE state IN ('reserved', 'issued');
DROP INDEX IF EXISTS customer_day;
DROP INDEX IF EXISTS operator_day;
CREATE INDEX IF NOT EXISTS customer_time ON purchase (customer, at, state, amount);
CREATE INDEX IF NOT EXISTS operator_time ON purchase (operator, at, state, amount);
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger entry stays'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay_so BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger entry stays as it is'); END;
COMMIT;
"""


class Ledger:
    """A database with a chain of entries.

    Args:
        path: of the database.
        zone: of the site: its days begin at midnight there.
    """

    def __init__(self, path: Path | str, zone: tzinfo = SITE_ZONE) -> None:
        self.zone = zone
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA synchronous = EXTRA")
        self._base.execute("PRAGMA foreign_keys = ON")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement finds; for views of the books, and within ``changed``."""
        return self._run(statement, *values)

    @property
    def is_claimed(self) -> bool:
        """Whether these are the books of a head-end, which knows who may sell."""
        return bool(self._run("PRAGMA user_version")[0][0])

    def claim(self) -> None:
        """They are, from now on."""
        if not self.is_claimed:
            self._run(f"PRAGMA user_version = {_CLAIMED}")

    def day_of(self, at: datetime) -> tuple[str, str]:
        """Begin and end of the site's day around a moment, as moments stand in the books."""
        day = at.astimezone(self.zone).date()
        begins = (datetime.combine(day + timedelta(days=n), time(), self.zone) for n in (0, 1))
        first, last = (each.astimezone(UTC).isoformat() for each in begins)
        return first, last

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._base.execute(statement, values).fetchall()

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.rollback()
            raise

    def changed(self) -> AbstractContextManager[None]:
        """One change of the books, whole or not at all."""
        return self._change()

    def log(self, at: datetime, kind: str, content: Mapping[str, Any]) -> None:
        """Write an entry of the ledger, within a change."""
        self._log(at, kind, content)

    def _log(self, at: datetime, kind: str, content: Mapping[str, Any]) -> None:
        last = self._run("SELECT number, digest FROM ledger ORDER BY number DESC LIMIT 1")
        number, previous = last[0] if last else (0, GENESIS)
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        entry = linked(number + 1, at.isoformat(), kind, text, previous)
        row = (entry.number, entry.at, entry.kind, entry.content, entry.previous, entry.digest)
        self._run("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", *row)

    @property
    def ledger(self) -> list[Entry]:
        """All entries in order."""
        return [Entry(*row) for row in self._run("SELECT * FROM ledger ORDER BY number")]

    @property
    def head(self) -> str:
        """Hash of the last entry."""
        entries = self._run("SELECT digest FROM ledger ORDER BY number DESC LIMIT 1")
        return str(entries[0][0]) if entries else GENESIS
