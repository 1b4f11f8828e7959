"""A soak of the whole journey: sold, carried, collected, with random cuts of everything that has a power supply.

``python -m tests.headend.vending_soak 3000`` runs the full number; the suite runs fewer. Power is cut before a statement of the
sales ledger or of the book of signatures, before a step of the medium's memory or of either memory of the meter, and again
while they start; messages between medium and meter are lost. Sales are cancelled and sold again, the sales ledger is put back to
its last backup and the clerk repeats what it has forgotten, and the counter's clock is set back and forth.
"""

import shutil
import sys
import tempfile
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.headend.test_vending import Counter, CutError, Cutting
from tests.sim.prepay_site import FOR_EVER, METER, CutMemory, PowerCutError

from kwhub.prepay.medium_element import MEDIUM_BYTES
from kwhub.prepay.vending import Limits, State
from kwhub.runtime.chance import seeded

__all__ = ["SoakCounter", "soak"]

MOST = 10**12
ATTEMPTS_MAX = 100
CUTS = (CutError, PowerCutError)


class SoakCounter(Counter):
    """A counter whose medium lives on the supply that is cut."""

    def __init__(self, folder):
        super().__init__(folder, Limits(MOST, MOST, MOST))
        memory = CutMemory(MEDIUM_BYTES, bytes(self.memory.content), self.site.supply)
        self.memory = memory
        self.restart()

    def open(self):
        super().open()
        # A lost page of the disk is SQLite's business; here processes die between statements.
        for base in (self.store._base, self.crypto._book):
            base.execute("PRAGMA synchronous = OFF")

    def restart(self, chance=None):
        """Everything starts; with a chance, power goes while it does."""
        cuts = 0
        self.close()
        self.site.drop = lambda _request: ""
        while chance is not None and chance.random() < 0.3:
            self.site.supply.left = chance.randint(0, 60)
            try:
                self.site.boot()
            except PowerCutError:
                cuts += 1
        self.site.supply.left = FOR_EVER
        self.site.boot()
        self.open()
        return cuts

    def risk(self, chance):
        """Some power for each part, and a line that loses messages."""
        if chance.random() < 0.3:
            self.site.supply.left = chance.randint(0, 160)
        if chance.random() < 0.2:
            vars(self.store)["_base"] = Cutting(self.store._base, chance.randint(0, 30))
        if chance.random() < 0.2:
            vars(self.crypto)["_book"] = Cutting(self.crypto._book, chance.randint(0, 8))
        if chance.random() < 0.3:
            fates = ("", "", "answer", "request")
            self.site.drop = lambda _request: chance.choice(fates)

    def cancelled(self, amount, payment):
        """Sold, held to the meter in vain, read, and taken back; the number stays bound to the amount."""
        self.at = datetime.fromtimestamp(self.site.at_s, UTC)
        self.sell(amount, payment)
        fates = iter(["", ""])  # it logs in and reads; what it brings is lost
        self.site.drop = lambda _request: next(fates, "request")
        assert not self.visit().arrival.good
        self.site.drop = lambda _request: ""
        self.desk.collect(self.medium)
        assert self.desk.cancel(payment).state is State.CANCELLED

    @property
    def backup(self):
        return self.folder / "backup.sqlite"

    def back_up(self):
        self.close()
        shutil.copy(self.folder / "sales.sqlite", self.backup)
        self.open()

    def put_back(self):
        """The ledger of the last backup; whatever was sold since is forgotten."""
        self.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            (self.folder / f"sales.sqlite{suffix}").unlink(missing_ok=True)
        shutil.copy(self.backup, self.folder / "sales.sqlite")
        self.open()

    def moved(self, chance, amount, payment, done):
        """What happens between two sales, counted in ``done``."""
        if chance.random() < 0.1:
            self.at += timedelta(hours=chance.randint(-48, 48))
            done["clock steps"] += 1
        if chance.random() < 0.1:
            self.cancelled(amount, f"{payment}-cancelled")
            done["cancelled"] += 1
        self.back_up()


def soak(folder, purchases, seed, make=SoakCounter):
    """Sell, carry and collect so many; returns what was done to them. Fails when money is lost or doubled."""
    chance, counter = seeded(20_261_121, "journeys", seed), make(folder)
    told: Tally[str] = Tally()
    total = 0
    for number in range(1, purchases + 1):
        amount, payment = chance.randint(1, 900), f"P{number}"
        total += amount
        counter.moved(chance, amount, payment, told)
        told["cuts"] += bring(counter, amount, payment, chance, (seed, number))
        counter.restart()
        if chance.random() < 0.1:  # all of this sale is forgotten, and the clerk sells again
            counter.put_back()
            told["put back"] += 1
            told["cuts"] += bring(counter, amount, payment, chance, (seed, number))
            counter.restart()
        assert counter.site.element.wallet == (total, number), (seed, number)
    finish(counter, total, purchases, {"ledger-rolled-back"} if told["put back"] else set())
    return told


def bring(counter, amount, payment, chance, where):
    """Until it is confirmed, whatever is cut; returns how often it was."""
    done, attempts, cuts = False, 0, 0
    while not done:
        attempts += 1
        assert attempts < ATTEMPTS_MAX, where
        counter.risk(chance)
        try:
            done = attempt(counter, amount, payment)
        except CUTS:
            cuts += 1 + counter.restart(chance)
        counter.site.at_s += 90_000 if counter.site.unit.core.is_suspended else 0
    return cuts


def attempt(counter, amount, payment):
    """Whatever is missing of one purchase; everything may be done again."""
    known = counter.store._select("payment = ?", payment)
    if not known or known[0].state is not State.CONFIRMED:
        counter.sell(amount, payment)
        if not counter.visit().arrival.good:
            return False
        counter.desk.collect(counter.medium)
    return counter.store.purchase(payment).state is State.CONFIRMED


def finish(counter, total, purchases, known):
    """Every book agrees with every other, but for what is known."""
    account = counter.site.store.account
    assert (account.cents, account.count, account.paid) == (total, purchases, total)
    paid = {each.payment: each.amount for each in counter.store.purchases}
    assert sum(paid.values()) == total
    assert {each.state for each in counter.store.purchases} == {State.CONFIRMED}
    assert counter.store.counts == {METER: purchases}
    assert counter.kinds(paid) == known
    counter.close()


def main():
    """``[purchases [seed]]``."""
    purchases, seed = (*map(int, sys.argv[1:3]), *(3_000, 1)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        told = soak(Path(folder), purchases, seed)
    moves = ", ".join(f"{count} {what}" for what, count in sorted(told.items()))
    sys.stdout.write(f"{purchases} purchases, {moves}: every book agrees\n")


if __name__ == "__main__":
    main()
