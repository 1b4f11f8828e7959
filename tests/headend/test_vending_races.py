"""Several counters on the same books at the same moment, each with connections of its own."""

import threading
from collections import Counter as Tally
from datetime import UTC, datetime

import pytest
from tests.sim.prepay_site import KEYS, draw

from kwhub.domain.errors import KwhubError, LocalError, Refusal
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_desk import Desk
from kwhub.headend.vending_store import Customer, VendingStore
from kwhub.headend.vending_tokens import TokenBooks, Wanted
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.vending import Limits

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
METERS = [f"20261120000{number}" for number in range(6)]
COUNTERS = 6
LIMITS = Limits(1_000, 10_000, 2_500)


@pytest.fixture
def folder(tmp_path):
    store = VendingStore(tmp_path / "sales.sqlite", LIMITS)
    for number, meter in enumerate(METERS):
        store.add_customer(Customer(f"00000000000{number}", meter, "W"), AT)
    store.set_price("day", 5_000, AT)
    store.close()
    return tmp_path


def at_once(folder, work):
    """Each counter does its work when all are ready; what came of it, and the books afterwards."""
    ready, told = threading.Barrier(COUNTERS), []

    def run(number):
        store = VendingStore(folder / "sales.sqlite", LIMITS)
        book, seed = folder / "book.sqlite", draw("counter", number)
        crypto = CountingMaster(
            book, KEYS, seed, lambda: AT, lambda: store.head, store.check_signing
        )
        ready.wait(20)
        try:
            told.append(work(number, Desk(store, crypto, lambda: AT)))
        except KwhubError as error:
            told.append(str(error))
        finally:
            crypto.close()
            store.close()

    CountingMaster(folder / "book.sqlite", KEYS, draw("first"), lambda: AT, str).close()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(COUNTERS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(told) == COUNTERS
    return told


def books(folder):
    return VendingStore(folder / "sales.sqlite", LIMITS)


def loaded(number, desk, meter, amount, payment):
    """A medium of this counter for the meter, and a sale onto it."""
    medium = MediumElement(RamMemory(MEDIUM_BYTES), draw("medium", number))
    desk.issue(medium, meter, f"MEDIUM0{number}".encode())
    return desk.sell(medium, amount, f"op{number}", payment)


@pytest.mark.slow
def test_one_payment_at_many_counters_is_one_purchase_and_one_signature(folder):
    told = at_once(folder, lambda n, desk: loaded(n, desk, METERS[0], 700, "P1").count)
    assert set(told) == {1}
    store = books(folder)
    assert [(each.count, each.amount) for each in store.purchases] == [(1, 700)]
    assert store.verify() is None
    store.close()
    at_once(folder, lambda _n, desk: assert_signed_once(desk))


def assert_signed_once(desk):
    assert len(desk.crypto.signatures) == 1
    assert desk.reconcile({"P1": 700}) == []


@pytest.mark.slow
def test_many_payments_for_one_meter_at_the_same_moment_are_one_sale(folder):
    told = at_once(folder, lambda n, desk: loaded(n, desk, METERS[0], 700, f"P{n}").count)
    tally = Tally(told)
    assert tally[1] == 1
    assert tally["refused: purchase 1 is not collected yet"] == COUNTERS - 1


@pytest.mark.slow
def test_the_limit_of_an_operator_holds_over_all_counters_sales_and_tokens(folder):
    def work(number, desk):
        if number % 2:
            wanted = Wanted(METERS[number], 900, "ann", f"T{number}", "day")
            key = DecoderKey(bytes(16))
            return TokenBooks(desk.store, lambda _most: 0).sell(wanted, key, 2014, AT).amount
        return desk.store.reserve(METERS[number], 900, "ann", f"P{number}", AT).amount

    told = at_once(folder, work)
    assert told.count(900) == 2  # 1,800 of 2,500
    store = books(folder)
    assert store.totals("", "ann", AT).operator == 1_800
    assert store.verify() is None
    store.close()


@pytest.mark.slow
def test_who_cancels_and_who_signs_at_the_same_moment_never_both_win(folder):
    for turn in range(8):
        store = books(folder)
        meter = METERS[turn % len(METERS)]
        payment = f"P{turn}"
        try:
            store.reserve(meter, 100, f"op{turn}", payment, AT)
        except Refusal:
            store.close()
            continue
        store.close()

        def work(number, desk, meter=meter, payment=payment):
            if number % 2:
                return desk.cancel(payment).state.value
            return loaded(number, desk, meter, 100, payment).state.value

        at_once(folder, work)
        store = books(folder)
        crypto = CountingMaster(folder / "book.sqlite", KEYS, draw("x"), lambda: AT, str)
        is_signed = crypto.has_signed(meter, store.purchase(payment).count)
        assert is_signed is (store.purchase(payment).state.value == "issued")
        crypto.close()
        store.close()


@pytest.mark.parametrize("payment", ["", " ", "R-1 ", " R-1", "R-1\n", "R\u200b1"])
def test_a_payment_with_blanks_around_it_is_no_other_payment(folder, payment):
    store = books(folder)
    store.reserve(METERS[0], 100, "ann", "R-1", AT)
    with pytest.raises(LocalError, match="reference of"):
        store.reserve(METERS[1], 100, "ann", payment, AT)
    with pytest.raises(LocalError, match="reference of"):
        store.readmit((METERS[1], 1, 100), payment, "bob", AT)
    wanted = Wanted(METERS[1], 100, "ann", payment, "day")
    with pytest.raises(LocalError, match="reference of"):
        TokenBooks(store, lambda _most: 0).sell(wanted, DecoderKey(bytes(16)), 2014, AT)
    assert len(store.purchases) == 1
    store.close()
