"""The counter: numbers, limits, cancelling, three books that find every difference, cuts at every statement."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from tests.sim.prepay_site import CUSTOMER, KEYS, METER, OTHER_METER, Site, draw

from kwhub.domain.errors import ConfigError, LocalError, Refusal
from kwhub.headend.vending_crypto import CountingMaster, read_roots
from kwhub.headend.vending_desk import Desk
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.prepay.conversations import recharge
from kwhub.prepay.medium import Arrival, visit
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.vending import (
    COUNT_MAX,
    IDENTIFIER_MAX,
    HeadRoom,
    Limits,
    Purchase,
    State,
    Totals,
    check_sale,
    head_room,
)
from kwhub.sim.prepay_core import Core

SERIAL = b"MEDIUM01"
NUMBER = CUSTOMER.hex()


class Counter:
    """A counter with one customer, one meter and one medium."""

    core = Core
    keys = KEYS
    version = 2

    def __init__(self, folder, limits=None):
        self.at = datetime(2026, 3, 1, 10, tzinfo=UTC)  # 18:00 at the meter
        self.folder, self.limits = folder, limits
        self.site = Site(core=self.core, version=self.version)
        self.memory = RamMemory(MEDIUM_BYTES)
        self.boots = 0
        self.open()
        self.store.add_customer(Customer(NUMBER, METER, "王"), self.now())
        self.desk.issue(self.medium, METER, SERIAL)

    def now(self):
        self.at += timedelta(seconds=1)
        return self.at

    def open(self):
        self.boots += 1
        self.store = VendingStore(self.folder / "sales.sqlite", self.limits)
        self.crypto = CountingMaster(
            self.folder / "book.sqlite",
            self.keys,
            draw("c", self.boots),
            self.now,
            lambda: self.store.head,
            self.store.check_signing,
        )
        self.desk = Desk(self.store, self.crypto, self.now)
        self.medium = MediumElement(self.memory, draw("m", self.boots))

    def close(self):
        self.store.close()
        self.crypto.close()

    def sell(self, amount=1_000, payment="P1"):
        return self.desk.sell(self.medium, amount, "ann", payment)

    def visit(self):
        return self.site.run(visit(self.medium), infrared=True)

    def journey(self, amount=1_000, payment="P1"):
        self.sell(amount, payment)
        assert self.visit().arrival.good
        return self.desk.collect(self.medium)

    def kinds(self, payments=None):
        return {finding.kind for finding in self.desk.reconcile(payments)}


@pytest.fixture
def counter(tmp_path):
    made = Counter(tmp_path)
    yield made
    made.close()


def tamper(counter, *statements):
    """Somebody with the file and all the rights."""
    base = sqlite3.connect(counter.folder / "sales.sqlite")
    triggers = base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        base.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        base.execute(statement)
    base.commit()
    base.close()


def test_a_purchase_goes_from_payment_to_confirmation(counter):
    assert counter.sell().state is State.ISSUED
    assert counter.visit().arrival is Arrival.DONE
    seen = counter.desk.collect(counter.medium)
    assert (seen.told.money, seen.told.count, seen.room) == (1_000, 1, HeadRoom.ENOUGH)
    assert [each.state for each in seen.confirmed] == [State.CONFIRMED]
    assert counter.desk.collect(counter.medium).confirmed == []
    assert counter.journey(500, "P2").told.money == 1_500
    assert counter.kinds({"P1": 1_000, "P2": 500}) == set()
    assert counter.store.verify() is None


def test_the_same_payment_is_the_same_purchase_and_no_other_can_overtake(counter):
    first = counter.sell()
    assert counter.sell() == first
    assert len(counter.store.purchases) == len(counter.crypto.signatures) == 1
    with pytest.raises(Refusal, match="something else"):
        counter.sell(999)
    with pytest.raises(Refusal, match="not collected"):
        counter.sell(1, "P2")
    counter.visit()
    counter.desk.collect(counter.medium)
    with pytest.raises(Refusal, match="confirmed"):
        counter.sell()


def test_a_number_has_one_amount_whoever_writes(counter):
    counter.sell()
    base = counter.store._base
    with pytest.raises(sqlite3.IntegrityError, match="one amount"):
        base.execute("UPDATE purchase SET amount = 2")
    with pytest.raises(sqlite3.IntegrityError, match="stays"):
        base.execute("DELETE FROM purchase")
    with pytest.raises(sqlite3.IntegrityError, match="stays"):
        base.execute("DELETE FROM ledger")
    with pytest.raises(sqlite3.IntegrityError, match="stays"):
        base.execute("UPDATE ledger SET content = ''")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        base.execute(
            "INSERT INTO purchase (meter, count, amount, customer, operator, payment, state, at) "
            "SELECT meter, count, 5, customer, operator, 'X', 'reserved', at FROM purchase"
        )
    site = counter.site
    other = recharge(counter.crypto, site.target, 999, 1, CUSTOMER)
    with pytest.raises(Refusal, match="another amount"):
        site.run(other)


def test_what_is_not_collected_can_be_cancelled_after_the_meter_was_read(counter):
    counter.sell()
    with pytest.raises(Refusal, match="not read since"):
        counter.desk.cancel("P1")
    counter.store.saw_count(METER, 0, counter.now())
    assert counter.desk.cancel("P1").state is State.CANCELLED
    with pytest.raises(Refusal, match="cancelled"):
        counter.desk.cancel("P1")
    with pytest.raises(Refusal, match="signed for 1000"):
        counter.sell(2_000, "P2")
    again = counter.sell(1_000, "P2")
    assert (again.count, again.state) == (1, State.ISSUED)
    with pytest.raises(Refusal, match="buys nothing"):
        counter.sell(1_000, "P1")
    assert counter.kinds({"P2": 1_000}) == set()


def test_what_the_meter_has_is_not_cancelled(counter):
    counter.sell()
    counter.visit()
    counter.desk.collect(counter.medium)
    with pytest.raises(Refusal, match="the meter has it"):
        counter.desk.cancel("P1")


def test_what_was_never_signed_is_cancelled_at_once_and_frees_its_number(counter):
    counter.store.reserve(METER, 700, "ann", "P1", counter.now())
    assert counter.desk.cancel("P1").state is State.CANCELLED
    assert counter.sell(900, "P2").count == 1
    assert counter.kinds({"P2": 900}) == set()


def test_t10_a_purchase_that_is_loaded_after_it_was_cancelled_is_found(counter):
    counter.sell()
    image = bytes(counter.memory.content)
    counter.store.saw_count(METER, 0, counter.now())
    counter.desk.cancel("P1")
    clone = MediumElement(RamMemory(MEDIUM_BYTES, image), draw("clone"))
    assert counter.site.run(visit(clone), infrared=True).arrival is Arrival.DONE
    assert counter.site.element.wallet == (1_000, 1)
    counter.desk.collect(clone)
    assert counter.kinds() == {"cancelled-but-loaded"}


def test_t09_a_row_that_was_removed_or_put_in_is_found_in_one_run(counter):
    counter.journey()
    counter.journey(500, "P2")
    paid = {"P1": 1_000, "P2": 500}
    assert counter.kinds(paid) == set()
    tamper(counter, "DELETE FROM ledger WHERE number = 4")
    assert counter.store.verify() == "ledger entry 4"
    assert "changed" in counter.kinds(paid)


PUT_IN = (
    "INSERT INTO purchase (meter, count, amount, customer, operator, payment, state, signed, at) "
    "SELECT meter, 2, 9, customer, 'eve', 'X', 'confirmed', 1, at FROM purchase"
)


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE purchase SET amount = 1", f"purchase 1 of meter {METER}"),
        ("DELETE FROM purchase", f"purchase 1 of meter {METER}"),
        ("UPDATE ledger SET content = replace(content, '1000', '1') WHERE number = 2", "entry 2"),
        (PUT_IN, f"purchase 2 of meter {METER}"),
    ],
)
def test_t09_verify_names_the_row(counter, statement, row):
    counter.journey()
    tamper(counter, statement)
    assert row in (counter.store.verify() or "")
    assert "changed" in counter.kinds()


def test_t09_an_old_file_that_was_put_back_is_found(counter):
    counter.journey()
    counter.store.close()
    shutil.copy(counter.folder / "sales.sqlite", counter.folder / "old")
    counter.open()
    counter.journey(500, "P2")
    counter.journey(600, "P3")
    counter.close()
    shutil.copy(counter.folder / "old", counter.folder / "sales.sqlite")
    counter.open()
    assert counter.store.verify() is None  # the old ledger is whole
    paid = {"P1": 1_000, "P2": 500, "P3": 600}
    assert counter.kinds(paid) == {"signed-not-sold", "ledger-rolled-back", "paid-not-sold"}


def test_t09_a_signature_that_nobody_sold_is_found(counter):
    counter.journey()
    site = counter.site
    site.boot()
    assert site.run(recharge(counter.crypto, site.target, 9_000, 2, CUSTOMER)).outcome.good
    assert counter.kinds() == {"signed-not-sold"}


def test_t09_money_in_a_meter_that_no_crypto_of_ours_signed_is_found(counter):
    counter.journey()
    site = counter.site
    site.boot()
    assert site.run(recharge(site.master, site.target, 9_000, 2, CUSTOMER)).outcome.good
    site.boot()
    counter.visit()
    counter.desk.collect(counter.medium)
    assert counter.kinds() == {"loaded-not-signed"}


def test_t09_a_changed_book_of_signatures_is_found(counter):
    counter.journey()
    base = sqlite3.connect(counter.folder / "book.sqlite")
    base.execute("UPDATE book SET content = replace(content, '1000', '1')")
    base.commit()
    base.close()
    assert counter.crypto.verify() == "signature 1"
    assert counter.kinds() == {"changed", "amounts-differ"}


def test_payments_are_compared(counter):
    counter.sell()
    assert counter.kinds({}) == {"not-paid"}
    assert counter.kinds({"P1": 1}) == {"paid-differs"}
    assert counter.kinds({"P1": 1_000, "P9": 1}) == {"paid-not-sold"}


def test_t11_an_older_usage_is_not_taken(counter):
    counter.journey()
    old = bytes(counter.memory.content)
    counter.journey(500, "P2")
    clone = MediumElement(RamMemory(MEDIUM_BYTES, old), draw("clone"))
    with pytest.raises(Refusal, match="old"):
        counter.desk.collect(clone)
    counter.sell(1, "P3")
    with pytest.raises(Refusal, match="not at its meter"):
        counter.desk.collect(counter.medium)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(sale=999), "one sale"),
        (Limits(customer_day=1_400), "one customer and day"),
        (Limits(operator_day=1_400), "one operator and day"),
    ],
)
def test_limits_hold_by_sale_customer_and_operator(tmp_path, limits, words):
    counter = Counter(tmp_path, limits)
    if limits.sale > 999:
        counter.journey()
    with pytest.raises(Refusal, match=words):
        counter.sell(limits.sale + 1 if limits.sale < 1_000 else 500, "P2")
    counter.at += timedelta(days=1)
    if limits.sale > 999:
        assert counter.sell(500, "P2").count == 2
    counter.close()


def test_t23_numbers_that_run_out_warn_and_then_refuse():
    for last in (COUNT_MAX, IDENTIFIER_MAX):
        assert head_room(last // 2, last) is HeadRoom.ENOUGH
        assert head_room(last * 9 // 10 + 1, last) is HeadRoom.LITTLE
        assert head_room(last - 1, last) is HeadRoom.LITTLE
        assert head_room(last, last) is HeadRoom.NONE
    limits, none = Limits(), Totals(0, 0)
    assert check_sale(limits, none, 1, [], COUNT_MAX - 1) == COUNT_MAX
    with pytest.raises(Refusal, match="last purchase number"):
        check_sale(limits, none, 1, [], COUNT_MAX)
    with pytest.raises(LocalError, match="above zero"):
        check_sale(limits, none, 0, [], 0)
    open_one = Purchase(METER, 1, 5, NUMBER, "ann", "P", State.ISSUED)
    with pytest.raises(Refusal, match="not collected"):
        check_sale(limits, none, 1, [open_one], 0)


def test_customers_and_prices(counter):
    at = counter.now()
    counter.store.add_customer(Customer(NUMBER, METER, "王"), at)
    with pytest.raises(Refusal, match="already"):
        counter.store.add_customer(Customer(NUMBER, OTHER_METER, "王"), at)
    with pytest.raises(LocalError, match="12 digits"):
        counter.store.add_customer(Customer("1", METER, ""), at)
    with pytest.raises(Refusal, match="no customer"):
        counter.store.customer_of(OTHER_METER)
    counter.store.set_price("day", 5_000, at)
    counter.store.set_price("day", 5_600, counter.now())
    assert counter.store.prices == {"day": 5_600}
    with pytest.raises(LocalError, match="below zero"):
        counter.store.set_price("day", -1, at)
    assert counter.store.verify() is None


class CutError(Exception):
    """The power is gone."""


class Cutting:
    """A connection that loses power before a statement; what was not committed is gone."""

    def __init__(self, base, left):
        self.base, self.left = base, left

    def __getattr__(self, name):
        return getattr(self.base, name)

    def execute(self, *arguments):
        if not self.left:
            raise CutError
        self.left -= 1
        return self.base.execute(*arguments)


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["store", "crypto"])
def test_a_cut_at_any_statement_leaves_one_purchase(tmp_path, whose):
    cut, left = True, 0
    while cut:
        folder = tmp_path / str(left)
        folder.mkdir()
        counter, cut = Counter(folder), False
        owner, name = {
            "store": (counter.store, "_base"),
            "crypto": (counter.crypto, "_book"),
        }[whose]
        setattr(owner, name, Cutting(getattr(owner, name), left))
        try:
            counter.journey()
        except CutError:
            cut = True
        counter.close()
        counter.open()
        assert counter.store.verify() is None
        assert counter.kinds() == set(), left
        if counter.store.counts.get(METER, 0) == 0:
            counter.sell()
            counter.visit()
        counter.desk.collect(counter.medium)
        assert counter.site.element.wallet == (1_000, 1)
        assert [each.state for each in counter.store.purchases] == [State.CONFIRMED]
        assert counter.kinds({"P1": 1_000}) == set()
        counter.close()
        left += 1
    assert left > {"store": 20, "crypto": 3}[whose]


def test_root_keys_come_from_a_file_that_others_cannot_read(tmp_path):
    path = tmp_path / "root.key"
    path.write_text("# roots\n1 " + "00" * 16 + "\n2 " + "11" * 16 + "\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="mode 0600"):
        read_roots(path)
    path.chmod(0o600)
    assert read_roots(path) == {1: bytes(16), 2: b"\x11" * 16}
    path.write_text("22" * 16)
    assert read_roots(path) == {1: b"\x22" * 16}
    for wrong in ("secret", "1 abcdef", "", "300 " + "00" * 16):
        path.write_text(wrong)
        with pytest.raises(ConfigError) as caught:
            read_roots(path)
        assert "secret" not in str(caught.value)
