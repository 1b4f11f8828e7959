"""What confirms and what cancels a purchase: the meter's own evidence, in the order of the ledger."""

from datetime import timedelta

import pytest
from tests.headend.test_vending import Counter
from tests.sim.prepay_site import CUSTOMER, METER, Site, draw

from kwhub.domain.errors import Refusal
from kwhub.prepay.conversations import open_account, recharge
from kwhub.prepay.medium import Arrival, visit
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.vending import Purchase, Signature, State, fits, reconcile
from kwhub.sim.prepay_core import Core


@pytest.fixture
def counter(tmp_path):
    made = Counter(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("bought", [0, 3])
def test_a_medium_for_a_meter_with_money_of_others_confirms_nothing(counter, bought):
    site = counter.site = Site(core=Core, opened=5_000)
    for number in range(2, 2 + bought):
        site.run(recharge(site.master, site.target, 100, number, CUSTOMER))
    site.boot()
    before = site.element.wallet
    counter.sell(700)
    counter.visit()
    assert counter.desk.collect(counter.medium).confirmed == []
    assert site.element.wallet == before
    assert counter.store.purchase("P1").state is State.ISSUED
    assert "meter-does-not-fit" in counter.kinds({"P1": 700})
    with pytest.raises(Refusal, match="not collected"):
        counter.sell(700, "P2")


def test_a_meter_that_was_read_before_the_first_sale_gets_its_next_number(counter):
    counter.site = Site(core=Core, opened=5_000)
    counter.visit()
    assert counter.desk.collect(counter.medium).told.count == 1
    assert counter.journey(700).told.money == 5_700
    assert counter.store.purchase("P1").state is State.CONFIRMED
    assert counter.kinds({"P1": 700}) == set()


@pytest.mark.parametrize(
    ("count", "money", "before", "expected"),
    [
        (2, 700, 0, True),
        (2, 699, 0, True),
        (2, 701, 0, False),
        (2, 900, 200, True),
        (2, 9_999, None, None),
        (2, None, 0, False),
        (3, 700, 0, False),
        (1, 700, 0, False),
    ],
)
def test_what_fits_a_purchase(count, money, before, expected):
    sale = Purchase(METER, 2, 700, CUSTOMER.hex(), "ann", "P", State.ISSUED, signed=True)
    assert fits(sale, count, money, before) is expected


def test_an_old_usage_of_a_copy_permits_no_cancelling(counter):
    counter.journey()
    copy = bytes(counter.memory.content)
    counter.sell(5_000, "P2")
    assert counter.visit().arrival is Arrival.DONE  # the money is in the meter
    old = MediumElement(RamMemory(MEDIUM_BYTES, copy), draw("copy"))
    assert counter.desk.collect(old).confirmed == []
    with pytest.raises(Refusal, match="not read since"):
        counter.desk.cancel("P2")
    assert len(counter.desk.collect(counter.medium).confirmed) == 1
    with pytest.raises(Refusal, match="the meter has it"):
        counter.desk.cancel("P2")


def test_a_usage_that_was_told_before_the_medium_was_loaded_again_permits_no_cancelling(counter):
    counter.journey()
    counter.sell(500, "P2")
    counter.site.drop = lambda _request: ""
    counter.store.saw_count(METER, 1, counter.now())
    counter.sell(500, "P2")  # once more onto the medium
    with pytest.raises(Refusal, match="not read since"):
        counter.desk.cancel("P2")


def test_a_clock_that_is_set_back_permits_no_cancelling(counter):
    counter.journey()
    counter.at -= timedelta(minutes=5)
    counter.sell(5_000, "P2")
    assert counter.visit().arrival is Arrival.DONE
    with pytest.raises(Refusal, match="not read since"):
        counter.desk.cancel("P2")
    assert counter.store.purchase("P2").state is State.ISSUED


def test_what_is_cancelled_between_reserving_and_signing_is_not_signed(counter):
    class Slow:
        def __getattr__(self, name):
            return getattr(counter.medium, name)

        def challenge(self):
            counter.desk.cancel("P1")
            return counter.medium.challenge()

    with pytest.raises(Refusal, match="is cancelled"):
        counter.desk.sell(Slow(), 5_000, "ann", "P1")
    assert counter.crypto.signatures == []
    assert counter.visit().arrival is Arrival.NOTHING
    assert counter.site.element.wallet == (0, 0)
    assert counter.kinds({}) == set()


def test_t09_a_signature_of_a_purchase_that_was_cancelled_unsigned_is_found():
    sale = Purchase(METER, 1, 700, CUSTOMER.hex(), "ann", "P", State.CANCELLED)
    found = reconcile([sale], [Signature(METER, 1, 700, "")], {})
    assert [each.kind for each in found] == ["signed-not-sold"]


# A first purchase of a meter that nobody has read


def foreign(counter, amount, count=1):
    """Somebody else with the same root keys sells to the meter."""
    site = counter.site
    site.later(61)
    if count == 1:
        site.run(open_account(site.master, site.target, amount, CUSTOMER))
    else:
        site.run(recharge(site.master, site.target, amount, count, CUSTOMER))
    site.later(301)


@pytest.mark.parametrize("amount", [100, 700, 5_000])
@pytest.mark.parametrize("first", [True, False])
def test_a_foreign_purchase_under_the_same_number_confirms_nothing(counter, amount, first):
    """Even one of the same amount, or of less, of which the balance says nothing."""
    if not first:
        counter.journey(50, "P0")
    number = 1 if first else 2
    counter.sell(700)
    foreign(counter, amount, number)
    before = counter.site.element.wallet
    assert counter.visit().arrival.good  # "already", for all that the medium knows
    assert counter.desk.collect(counter.medium).confirmed == []
    assert counter.site.element.wallet == before
    assert "meter-does-not-fit" in counter.kinds()
    assert counter.desk.cancel("P1").state is State.CANCELLED  # nothing of it is in
    assert counter.sell(300, "P2").count == number + 1
    assert counter.visit().arrival is Arrival.DONE
    assert len(counter.desk.collect(counter.medium).confirmed) == 1


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_lost_frame_leaves_the_evidence_of_the_first_visit(counter, lost):
    counter.sell(700)
    kinds = iter(["", "", *[lost] * 100])  # log in, read, and then the purchase
    counter.site.drop = lambda _request: next(kinds)
    counter.visit()
    counter.site.drop = lambda _request: ""
    counter.site.later(61)
    assert counter.visit().arrival.good
    assert len(counter.desk.collect(counter.medium).confirmed) == 1
    assert counter.site.element.wallet == (700, 1)


def test_a_purchase_that_a_lost_medium_has_brought_does_not_stop_the_next_one(counter):
    counter.sell(700)
    assert counter.visit().arrival is Arrival.DONE
    counter.memory = RamMemory(MEDIUM_BYTES)  # the ring is lost, and another is issued
    counter.medium = MediumElement(counter.memory, draw("second"))
    counter.site.later(61)
    counter.desk.issue(counter.medium, METER, b"MEDIUM02")
    counter.visit()
    assert counter.desk.collect(counter.medium).confirmed == []
    assert counter.kinds({"P1": 700}) == {"arrival-not-proven"}
    with pytest.raises(Refusal, match="the meter has it"):
        counter.desk.cancel("P1")
    assert counter.journey(300, "P2").told.money == 1_000
    assert counter.store.purchase("P2").state is State.CONFIRMED


def test_a_load_of_an_edition_that_did_not_ask_proves_nothing_and_cancels_nothing(counter):
    counter.sell(700)
    counter.visit()
    place = counter.medium._before
    counter.memory.content[place._offset :] = b"\xff" * (MEDIUM_BYTES - place._offset)
    counter.medium = MediumElement(counter.memory, draw("again"))
    assert counter.desk.collect(counter.medium).confirmed == []
    assert counter.kinds({"P1": 700}) == {"arrival-not-proven"}
    with pytest.raises(Refusal, match="the meter has it"):
        counter.desk.cancel("P1")


# The moment of the evidence


@pytest.mark.parametrize(("late_s", "permitted"), [(0, True), (-3_600, False), (86_400, False)])
def test_what_was_told_before_the_load_or_after_now_permits_no_cancelling(
    counter, late_s, permitted
):
    counter.journey()
    counter.sell(5_000, "P2")
    counter.site.later(61)
    counter.site.at_s += late_s
    asked = iter(["", "", *["request"] * 100])
    counter.site.drop = lambda _request: next(asked)
    assert counter.visit().arrival is Arrival.UNKNOWN
    assert counter.medium.usage.nonce == counter.medium.load.nonce
    counter.desk.collect(counter.medium)
    if permitted:
        assert counter.desk.cancel("P2").state is State.CANCELLED
    else:
        with pytest.raises(Refusal, match="not read since"):
            counter.desk.cancel("P2")


# T-10: a medium that was copied, restored, or used after its purchase was cancelled


def clone(counter, image):
    """Another device with the memory of that moment; its visit to the meter."""
    counter.site.later(61)
    medium = MediumElement(RamMemory(MEDIUM_BYTES, image), draw("clone", len(image)))
    return medium, counter.site.run(visit(medium), infrared=True)


def test_t10_a_copy_and_a_restored_image_credit_nothing_and_say_already_loaded(counter):
    counter.sell(700)
    before = bytes(counter.memory.content)
    assert counter.visit().arrival is Arrival.DONE
    after = bytes(counter.memory.content)
    for image in (before, after, before):
        _, seen = clone(counter, image)
        assert seen.arrival.good
        assert counter.site.element.wallet == (700, 1)
    assert len(counter.desk.collect(counter.medium).confirmed) == 1
    copy, _ = clone(counter, before)
    assert counter.desk.collect(copy).confirmed == []  # back at the counter it shows nothing new
    assert counter.kinds({"P1": 700}) == set()


def test_t10_a_copy_that_is_used_after_the_purchase_was_cancelled_credits_once_and_is_found(
    counter,
):
    counter.journey(700)
    counter.site.later(61)
    counter.sell(500, "P2")
    image = bytes(counter.memory.content)
    fates = iter(["", ""])
    counter.site.drop = lambda _request: next(fates, "request")
    assert counter.visit().arrival is Arrival.UNKNOWN
    counter.site.drop = lambda _request: ""
    counter.desk.collect(counter.medium)
    assert counter.desk.cancel("P2").state is State.CANCELLED
    for _ in range(2):
        clone(counter, image)
        assert counter.site.element.wallet == (1_200, 2)
    counter.store.saw_count(METER, 2, counter.now(), money=1_200)  # the meter is read
    assert "cancelled-but-loaded" in counter.kinds({"P1": 700})
    with pytest.raises(Refusal, match="the purchase is cancelled"):
        counter.sell(500, "P2")
