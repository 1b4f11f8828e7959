"""Purchases end to end: reserved and signed at the counter, loaded onto a medium, brought to the meter, usage collected.

Both books lie on disk and every step is committed with ``synchronous = EXTRA``, as at a counter. The reference is what the
same disk gives to SQLite for commits of one row, in the same run: a purchase is four of them in the sales ledger, one in the
book of signatures, and all of the cryptography at both ends.
"""

import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.prepay_recharge import AT_S, CUSTOMER, DAY, METER
from benchmarks.result import Result
from kwhub.domain.machine import Conversation
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_desk import Desk
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import MasterKeys, factor_of
from kwhub.prepay.medium import visit
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.vending import Limits
from kwhub.runtime.chance import seeded
from kwhub.sim.climate import Climate
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_store import MEMORY_BYTES
from kwhub.sim.shapes import Kind

__all__ = ["run"]

PURCHASES = 150
COMMITS = 300
ROUNDS = 3
MOST = 10**12


class _Counter:
    """A counter with its books in a folder, a medium and a meter."""

    def __init__(self, folder: Path) -> None:
        keys, draw = MasterKeys({1: bytes(range(16))}), seeded(1, "counter").randbytes
        element = SoftwareElement(RamMemory(ELEMENT_BYTES), draw)
        element.personalise(b"SERIAL01", bytes.fromhex(METER), keys.key_set(factor_of(METER)))
        unit = PrepaymentUnit(element, RamMemory(MEMORY_BYTES))
        load = CustomerLoad(Kind.SHOP, 3, Climate(1, DAY), utc_offset_s=28_800)
        self.meter = SimulatedMeter(METER, load, prepayment=unit)
        self.element = element
        self.at = datetime(2026, 3, 1, tzinfo=UTC)
        self.store = VendingStore(folder / "sales.sqlite", Limits(MOST, MOST, MOST))
        book = folder / "book.sqlite"
        crypto = CountingMaster(
            book,
            keys,
            draw,
            self.now,
            lambda: self.store.head,
            self.store.check_signing,
        )
        self.desk = Desk(self.store, crypto, self.now)
        self.medium = MediumElement(RamMemory(MEDIUM_BYTES), draw)
        self.store.add_customer(Customer(CUSTOMER.hex(), METER, "Wang"), self.now())
        self.desk.issue(self.medium, METER, b"MEDIUM01")

    def now(self) -> datetime:
        """A second later each time."""
        self.at += timedelta(seconds=1)
        return self.at

    def converse(self, conversation: Conversation[Any]) -> None:
        """Run it to its end, without a line."""
        event = None
        try:
            while True:
                reply = self.meter.answer(conversation.send(event), AT_S, infrared=True)
                event = None if reply is None else reply.message
        except StopIteration:
            return

    def purchases(self, first: int) -> float:
        """Purchases a second."""
        start = perf_counter()
        for number in range(first, first + PURCHASES):
            self.desk.sell(self.medium, 100, "ann", f"P{number}")
            self.converse(visit(self.medium))
            self.desk.collect(self.medium)
        return PURCHASES / (perf_counter() - start)


def _commits(folder: Path) -> float:
    """Commits of one row a second."""
    base = sqlite3.connect(folder / "raw.sqlite", isolation_level=None)
    base.execute("PRAGMA synchronous = EXTRA")
    base.execute("CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, text TEXT)")
    start = perf_counter()
    for _ in range(COMMITS):
        base.execute("INSERT INTO row (text) VALUES ('x')")
    took = perf_counter() - start
    base.close()
    return COMMITS / took


def run() -> Result:
    """The best of some rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder, sold, raw = Path(name), 0.0, 0.0
        counter = _Counter(folder)
        for number in range(ROUNDS):
            raw = max(raw, _commits(folder))
            sold = max(sold, counter.purchases(number * PURCHASES))
        if counter.element.wallet[1] != ROUNDS * PURCHASES:
            raise SystemExit(f"the wallet shows {counter.element.wallet}: nothing was measured")
        counter.store.close()
        counter.desk.crypto.close()
    return Result(
        "purchase end to end, medium", sold, raw, "purch./s", "SQLite commits on this disk"
    )
