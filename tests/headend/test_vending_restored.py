"""A ledger that is older than the book of signatures: nothing comes twice, and a person enters what was forgotten."""

import json
import shutil

import pytest
from tests.cli.counter import counter_in
from tests.headend.test_vending import Counter
from tests.sim.prepay_site import CUSTOMER, METER

from kwhub.cli.app import run
from kwhub.domain.errors import Refusal
from kwhub.headend.vending_tokens import TokenBooks, Wanted
from kwhub.prepay.sts.keys import DecoderKey
from kwhub.prepay.vending import State

PAID = {"P1": 1_000, "P2": 500, "P3": 600}


@pytest.fixture
def counter(tmp_path):
    """Two sales were made after the backup; the meter has both."""
    made = Counter(tmp_path)
    made.journey()
    made.close()
    shutil.copy(tmp_path / "sales.sqlite", tmp_path / "old.sqlite")
    made.open()
    made.journey(500, "P2")
    made.journey(600, "P3")
    made.close()
    shutil.copy(tmp_path / "old.sqlite", tmp_path / "sales.sqlite")
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize(("amount", "payment"), [(500, "P2"), (600, "P3"), (700, "P4")])
def test_an_old_ledger_sells_nothing_for_a_meter_whose_sales_it_has_forgotten(
    counter, is_read, amount, payment
):
    """Whoever repeats a forgotten payment after the meter was read would get its money a second time."""
    if is_read:
        counter.store.saw_count(METER, 3, counter.now(), money=2_100)
    with pytest.raises(Refusal, match=r"does not know sale 2 .* 'kwhub vend readmit'"):
        counter.sell(amount, payment)
    with pytest.raises(Refusal, match="does not know sale 3"):
        counter.desk.collect(counter.medium)
    assert counter.site.element.wallet == (2_100, 3)


def test_a_person_enters_what_was_forgotten_and_then_every_book_agrees(counter):
    with pytest.raises(Refusal, match="never signed number 4"):
        counter.desk.readmit(METER, 4, "P4", "bob")
    with pytest.raises(Refusal, match="knows number 1"):
        counter.desk.readmit(METER, 1, "P9", "bob")
    for number, payment in ((2, "P2"), (3, "P3")):
        told = counter.desk.readmit(METER, number, payment, "bob")
        assert (told.amount, told.state, told.operator) == (PAID[payment], State.ISSUED, "bob")
    with pytest.raises(Refusal, match="something else"):
        counter.sell(1, "P2")
    assert [each.payment for each in counter.desk.collect(counter.medium).confirmed] == ["P3"]
    assert counter.desk.settle("P2", "ann", arrived=True).state is State.CONFIRMED
    assert counter.kinds(PAID) == {"ledger-rolled-back"}  # for good: it was
    assert counter.journey(100, "P4").told.money == 2_200


def test_the_last_sale_alone_is_simply_repeated(tmp_path):
    counter = Counter(tmp_path)
    counter.journey()
    counter.close()
    shutil.copy(tmp_path / "sales.sqlite", tmp_path / "old.sqlite")
    counter.open()
    counter.journey(500, "P2")
    counter.close()
    shutil.copy(tmp_path / "old.sqlite", tmp_path / "sales.sqlite")
    counter.open()
    with pytest.raises(Refusal, match="readmit"):
        counter.sell(501, "P2")
    assert counter.journey(500, "P2").told.money == 1_500
    assert counter.site.element.wallet == (1_500, 2)
    counter.close()


@pytest.fixture
def kwhub(tmp_path, monkeypatch, capfd):
    counter_in(tmp_path, monkeypatch)

    def call(*arguments):
        code = run(["vend", *arguments, "--json"])
        out, error = capfd.readouterr()
        return code, json.loads(out) if out else error

    return call


def test_the_commands_of_the_page_on_an_old_ledger(kwhub, tmp_path):
    """As docs/howto/sell-energy.md has them."""
    assert kwhub("customer", CUSTOMER.hex(), METER, "Wang")[0] == 0
    assert kwhub("issue", METER, "--medium", "wang.medium")[0] == 0
    (tmp_path / "old").write_bytes((tmp_path / "vending.sqlite").read_bytes())
    sale = ("--payment", "R-1", "--medium", "wang.medium", "--operator", "ann")
    assert kwhub("sell", "50.00", *sale)[0] == 0
    (tmp_path / "vending.sqlite").write_bytes((tmp_path / "old").read_bytes())
    other = ("--payment", "R-2", "--medium", "wang.medium", "--operator", "ann")
    code, error = kwhub("sell", "7", *other)
    assert (code, "kwhub vend readmit" in error) == (1, True)
    code, found = kwhub("reconcile")
    assert (code, {(each["kind"], each["count"]) for each in found}) == (
        1,
        {("signed-not-sold", 1), ("ledger-rolled-back", 1)},
    )
    row = ("readmit", "R-1", "--meter", METER, "--number", "1", "--operator", "bob")
    code, told = kwhub(*row)
    assert (code, told["amount"], told["state"]) == (0, "50.00", "issued")
    code, error = kwhub("settle", "R-1", "--arrived", "--operator", "ann")
    assert (code, "has not told this number" in error) == (1, True)
    code, error = kwhub("settle", "R-1", "--not-arrived", "--operator", "bob")
    assert code == 1
    assert kwhub("settle", "R-1", "--operator", "bob")[0] == 2  # it must be said which


def test_a_payment_whose_purchase_was_cancelled_buys_no_token_either(tmp_path):
    """Its number went to another payment, so no purchase has its name any more; its money went back."""
    counter = Counter(tmp_path)
    counter.sell()
    counter.store.saw_count(METER, 0, counter.now())
    counter.desk.cancel("P1")
    counter.sell(1_000, "P2")
    counter.store.set_price("day", 5_600, counter.now())
    books = TokenBooks(counter.store, lambda _most: 0)
    key = DecoderKey(bytes(16))
    with pytest.raises(Refusal, match="buys nothing any more"):
        books.sell(Wanted(METER, 1_000, "ann", "P1", "day"), key, 2014, counter.now())
    with pytest.raises(Refusal, match="has bought something else"):
        books.sell(Wanted(METER, 1_000, "ann", "P2", "day"), key, 2014, counter.now())
    assert books.sell(Wanted(METER, 1_000, "ann", "P3", "day"), key, 2014, counter.now()).token
    counter.close()
