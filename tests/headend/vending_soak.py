"""A soak of the whole journey: sold, carried, collected, with random cuts of everything that has a power supply.

``python -m tests.headend.vending_soak 3000`` runs the full number; the suite runs fewer. Power is cut before a statement of the
sales ledger or of the book of signatures, before a step of the medium's memory or of either memory of the meter, and again
while they start; messages between medium and meter are lost.
"""

import sys
import tempfile
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


def soak(folder, purchases, seed, make=SoakCounter):
    """Sell, carry and collect so many; returns the number of cuts. Fails when money is lost or doubled."""
    chance, counter = seeded(20_261_121, "journeys", seed), make(folder)
    total = cuts = 0
    for number in range(1, purchases + 1):
        amount, payment = chance.randint(1, 900), f"P{number}"
        total += amount
        done, attempts = False, 0
        while not done:
            attempts += 1
            assert attempts < ATTEMPTS_MAX, (seed, number)
            counter.risk(chance)
            try:
                done = attempt(counter, amount, payment)
            except CUTS:
                cuts += 1
                cuts += counter.restart(chance)
            counter.site.at_s += 90_000 if counter.site.unit.core.is_suspended else 0
        counter.restart()
        assert counter.site.element.wallet == (total, number), (seed, number)
    finish(counter, total, purchases)
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


def finish(counter, total, purchases):
    """Every book agrees with every other."""
    account = counter.site.store.account
    assert (account.cents, account.count, account.paid) == (total, purchases, total)
    paid = {each.payment: each.amount for each in counter.store.purchases}
    assert sum(paid.values()) == total
    assert {each.state for each in counter.store.purchases} == {State.CONFIRMED}
    assert counter.store.counts == {METER: purchases}
    assert counter.kinds(paid) == set()
    counter.close()


def main():
    """``[purchases [seed]]``."""
    purchases, seed = (*map(int, sys.argv[1:3]), *(3_000, 1)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        cuts = soak(Path(folder), purchases, seed)
    sys.stdout.write(f"{purchases} purchases, {cuts} cuts, every book agrees\n")


if __name__ == "__main__":
    main()
