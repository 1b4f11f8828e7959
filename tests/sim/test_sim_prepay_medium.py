"""A medium between counter and meter: issue, load, visit, usage; cuts and losses; copies gain nothing."""

from dataclasses import replace

import pytest
from tests.sim.prepay_site import (
    CUSTOMER,
    FOR_EVER,
    METER,
    CutMemory,
    PowerCutError,
    Site,
    draw,
    pair_key,
)

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.prepay.conversations import recharge
from kwhub.prepay.medium import Arrival, visit
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.medium_load import (
    NOTHING,
    OPENS,
    RECHARGES,
    Load,
    Usage,
    parameters_for,
)
from kwhub.prepay.medium_master import MediumMaster
from kwhub.prepay.pairing import SEALED_BYTES
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.run_information import RunInformation
from kwhub.runtime.chance import seeded

SERIAL = b"MEDIUM01"
NUMBER = bytes.fromhex(METER)
BEFORE, AMOUNT = 5_000, 1_234
LATE = bytes.fromhex("991231235959")
PARAMETERS = parameters_for(NUMBER, CUSTOMER)


class Journey:
    """A meter, a counter and a medium that all live on one supply."""

    def __init__(self, site=None):
        self.site = site or Site(opened=BEFORE)
        self.counter = MediumMaster(self.site.master)
        self.memory = CutMemory(MEDIUM_BYTES, b"", self.site.supply)
        self.boots = 0
        self.boot()
        self.issue(self.medium)

    def issue(self, medium, customer=CUSTOMER):
        factor = self.site.target.factor
        sealed = self.site.master.seal_pair(factor, SERIAL, customer, medium.begin_issue())
        medium.issue(SERIAL, sealed, NUMBER, customer)

    def boot(self):
        self.boots += 1
        self.medium = MediumElement(self.memory, draw("medium", self.boots))
        self.site.boot()

    def load(self, load):
        factor = self.site.target.factor
        challenge = self.medium.challenge()
        given = self.counter.sign(factor, SERIAL, challenge, load)
        receipt = self.medium.take(load.to_bytes(), given)
        assert self.counter.has_taken(factor, SERIAL, challenge, load, receipt)

    def visit(self, medium=None):
        return self.site.run(visit(medium or self.medium), infrared=True)

    def is_genuine(self, nonce):
        usage = self.medium.usage
        return usage is not None and self.counter.is_genuine(
            self.site.target.factor, SERIAL, nonce, usage
        )

    def save(self):
        site = self.site
        return bytes(self.memory.content), bytes(site.chip.content), bytes(site.own.content)

    def restore(self, state):
        memories = (self.memory, self.site.chip, self.site.own)
        for memory, content in zip(memories, state, strict=True):
            memory.content[:] = content
        self.site.supply.left = FOR_EVER

    def clone(self, content=None):
        memory = CutMemory(MEDIUM_BYTES, content or bytes(self.memory.content), self.site.supply)
        return MediumElement(memory, draw("clone"))


def purchase(count=2, amount=AMOUNT, nonce=b"\x00\x00\x00\x02", **more):
    return Load(RECHARGES, amount, count, nonce, PARAMETERS, **more)


def cut_after(supply, steps, act):
    supply.left = steps
    try:
        act()
    except PowerCutError:
        return True
    finally:
        supply.left = FOR_EVER
    return False


def test_a_purchase_travels_and_signed_usage_comes_back():
    journey = Journey()
    load = purchase()
    journey.load(load)
    assert journey.medium.usage is None
    seen = journey.visit()
    assert (seen.arrival, seen.told.money, seen.told.count) == (Arrival.DONE, BEFORE + AMOUNT, 2)
    assert journey.is_genuine(load.nonce)
    again = journey.visit()
    assert (again.arrival, again.told.money) == (Arrival.ALREADY, BEFORE + AMOUNT)
    assert journey.is_genuine(load.nonce)
    assert journey.site.element.wallet == (BEFORE + AMOUNT, 2)


def test_an_account_is_opened_by_a_medium():
    journey = Journey(Site())
    load = Load(OPENS, AMOUNT, 1, b"open", PARAMETERS)
    journey.load(load)
    assert journey.visit().arrival is Arrival.DONE
    assert journey.visit().arrival is Arrival.DONE  # the meter finds an opening that is in good
    assert journey.site.element.wallet == (AMOUNT, 1)
    assert journey.is_genuine(load.nonce)


def test_a_medium_without_a_purchase_reads_the_meter():
    journey = Journey()
    load = Load(NOTHING, 0, 0, b"read", PARAMETERS)
    journey.load(load)
    seen = journey.visit()
    assert (seen.arrival, seen.told.count) == (Arrival.NOTHING, 1)
    assert journey.is_genuine(b"read")


def test_usage_is_read_again_after_consumption_since_the_recharge():
    journey = Journey(Site(opened=BEFORE, watts=10_000))
    journey.site.price((5_000,) * 4)
    journey.load(purchase())
    first = journey.visit().told.money
    journey.site.later(7_200)
    assert journey.visit().told.money < first
    assert journey.is_genuine(b"\x00\x00\x00\x02")


def test_closing_is_permitted_only_with_the_counters_word():
    journey = Journey()
    site = journey.site
    site.meter.body.relay.order(0x1A, 0, "00000001", site.at_s)
    nothing = Load(NOTHING, 0, 0, b"read", PARAMETERS)
    journey.load(nothing)
    assert not journey.visit().permitted
    assert not site.meter.body.push_relay_key(site.at_s)
    with pytest.raises(LocalError, match="may not permit"):
        journey.medium.permit(bytes(4))
    journey.load(replace(nothing, until=bytes.fromhex("200101000000")))  # over
    assert not journey.visit().permitted
    journey.load(replace(nothing, until=LATE))
    assert journey.visit().permitted
    assert site.meter.body.push_relay_key(site.at_s)


def test_only_the_counter_loads_and_each_challenge_serves_once():
    journey = Journey()
    factor, load = journey.site.target.factor, purchase()
    raw = load.to_bytes()
    challenge = journey.medium.challenge()
    given = journey.counter.sign(factor, SERIAL, challenge, load)
    with pytest.raises(Refusal, match="not the counter"):
        journey.medium.take(purchase(amount=AMOUNT + 1).to_bytes(), given)
    with pytest.raises(Refusal, match="no challenge"):
        journey.medium.take(raw, given)
    journey.medium.challenge()
    with pytest.raises(Refusal, match="not the counter"):
        journey.medium.take(raw, given)  # made over another challenge
    stranger = replace(load, parameters=parameters_for(NUMBER, bytes(6)))
    given = journey.counter.sign(factor, SERIAL, journey.medium.challenge(), stranger)
    with pytest.raises(Refusal, match="another meter or customer"):
        journey.medium.take(stranger.to_bytes(), given)
    elsewhere = replace(load, parameters=parameters_for(bytes(6), CUSTOMER))
    with pytest.raises(LocalError, match="another meter"):
        journey.counter.sign(factor, SERIAL, challenge, elsewhere)
    assert journey.medium.load is None
    with pytest.raises(LocalError, match="never loaded"):
        journey.visit()
    with pytest.raises(LocalError, match="no load"):
        journey.medium.keep(RunInformation(NUMBER, CUSTOMER, 0, 0, 0, 0, 0, None).to_bytes(), b"")


def test_a_medium_is_issued_once():
    journey = Journey()
    journey.issue(journey.medium)
    with pytest.raises(LocalError, match="issued already"):
        journey.issue(journey.medium, bytes(6))
    blank = MediumElement(CutMemory(MEDIUM_BYTES, b"", journey.site.supply), draw("blank"))
    assert not blank.is_issued
    with pytest.raises(LocalError, match="blank"):
        _ = blank.serial
    with pytest.raises(LocalError, match="does not fit"):
        blank.issue(b"", bytes(SEALED_BYTES), NUMBER, CUSTOMER)


def test_the_key_of_a_pair_travels_sealed_to_one_element_for_one_meter_and_customer():
    journey = Journey()
    factor, master = journey.site.target.factor, journey.site.master
    one, other = (
        MediumElement(CutMemory(MEDIUM_BYTES, b"", journey.site.supply), draw(name))
        for name in ("one", "other")
    )
    with pytest.raises(Refusal, match="no issue is begun"):
        one.issue(SERIAL, bytes(SEALED_BYTES), NUMBER, CUSTOMER)
    for medium, customer, flipped in ((one, bytes(6), 0), (one, CUSTOMER, 1), (other, CUSTOMER, 0)):
        other.begin_issue()
        sealed = master.seal_pair(factor, SERIAL, CUSTOMER, one.begin_issue())
        assert pair_key(factor, SERIAL) not in sealed
        with pytest.raises(Refusal, match="not for this medium"):
            medium.issue(SERIAL, sealed[:-1] + bytes((sealed[-1] ^ flipped,)), NUMBER, customer)
        assert not medium.is_issued
    with pytest.raises(LocalError, match="no public key"):
        master.seal_pair(factor, SERIAL, CUSTOMER, bytes(32))


def test_t10_a_copied_or_restored_medium_gains_nothing():
    journey = Journey()
    journey.load(purchase())
    image = bytes(journey.memory.content)
    assert journey.visit().arrival is Arrival.DONE
    assert journey.visit(journey.clone(image)).arrival is Arrival.ALREADY
    journey.load(purchase(3, 100, b"\x00\x00\x00\x03"))
    assert journey.visit().arrival is Arrival.DONE
    restored = journey.visit(journey.clone(image))  # two purchases behind
    assert (restored.arrival, restored.told.count) == (Arrival.ALREADY, 3)
    assert journey.site.element.wallet == (BEFORE + AMOUNT + 100, 3)


def test_t10_a_copy_that_comes_before_the_medium_is_credited_in_its_place():
    journey = Journey()
    journey.load(purchase())
    assert journey.visit(journey.clone()).arrival is Arrival.DONE
    assert journey.visit().arrival is Arrival.ALREADY
    assert journey.site.element.wallet == (BEFORE + AMOUNT, 2)


def test_t10_what_went_over_the_line_credits_as_well_and_only_once():
    journey = Journey()
    journey.load(purchase())
    remote = recharge(journey.site.master, journey.site.target, AMOUNT, 2, CUSTOMER)
    assert journey.site.run(remote).outcome.good
    journey.boot()
    assert journey.visit().arrival is Arrival.ALREADY
    assert journey.site.element.wallet == (BEFORE + AMOUNT, 2)


def test_t10_a_medium_is_worth_nothing_at_another_meter():
    journey = Journey()
    journey.load(purchase())
    other = Site("202611200002", opened=BEFORE)
    seen = other.run(visit(journey.medium, "202611200002"), infrared=True)
    assert (seen.arrival, seen.error) == (Arrival.REFUSED, SecurityError.IDENTITY)
    assert other.element.wallet == (BEFORE, 1)


def test_t11_no_byte_of_the_usage_may_change_and_an_old_one_is_not_taken():
    journey = Journey()
    journey.load(purchase())
    journey.visit()
    old = journey.medium.usage
    assert old is not None
    factor = journey.site.target.factor
    raw = old.to_bytes()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        usage = Usage.from_bytes(bytes(changed))
        assert not journey.counter.is_genuine(factor, SERIAL, old.nonce, usage)
    journey.load(purchase(3, 100, b"\x00\x00\x00\x03"))
    assert journey.medium.usage is None
    assert not journey.counter.is_genuine(factor, SERIAL, b"\x00\x00\x00\x03", old)
    assert not journey.counter.is_genuine(factor, b"MEDIUM02", old.nonce, old)


def test_a_number_that_does_not_follow_is_refused_and_the_usage_says_where_the_meter_is():
    journey = Journey()
    journey.load(purchase(5))
    seen = journey.visit()
    assert (seen.arrival, seen.error, seen.told.count) == (Arrival.REFUSED, SecurityError.COUNT, 1)
    assert journey.site.element.wallet == (BEFORE, 1)


@pytest.mark.parametrize("lost", range(1, 4))
@pytest.mark.parametrize("fate", ["request", "answer"])
def test_whichever_message_is_lost_the_purchase_is_in_once(lost, fate):
    journey = Journey()
    journey.load(purchase())
    start = len(journey.site.requests)

    def drop(_request):
        return fate if len(journey.site.requests) - start == lost else ""

    journey.site.drop = drop
    assert journey.visit().arrival.good
    assert journey.site.element.wallet == (BEFORE + AMOUNT, 2)
    assert journey.is_genuine(b"\x00\x00\x00\x02")


def test_silence_leaves_the_load_where_it_is():
    journey = Journey()
    journey.load(purchase())
    journey.site.drop = lambda _request: "request"
    assert journey.visit().arrival is Arrival.UNKNOWN
    journey.site.drop = lambda _request: ""
    assert journey.visit().arrival is Arrival.DONE


def test_doubled_and_late_messages_credit_once():
    journey = Journey()
    journey.load(purchase())
    assert journey.visit().arrival is Arrival.DONE
    old = journey.site.requests[-1]
    assert journey.site.ask(old, infrared=True).error == 2
    journey.site.run(visit(journey.medium), infrared=True)
    assert journey.site.ask(old, infrared=True).error in (2, 4)
    journey.site.later(61)
    assert journey.site.ask(old, infrared=True).error == 8
    assert journey.site.element.wallet == (BEFORE + AMOUNT, 2)


@pytest.mark.slow
def test_a_cut_after_any_write_of_medium_and_meter_loses_and_doubles_nothing():
    journey = Journey()
    journey.load(purchase())
    state, steps, runs, cut = journey.save(), 0, 0, True
    while cut:
        journey.restore(state)
        journey.boot()
        cut = cut_after(journey.site.supply, steps, journey.visit)
        torn, deep, again = journey.save(), 0, True
        while again:
            journey.restore(torn)
            again = cut_after(journey.site.supply, deep, journey.boot)
            journey.boot()
            assert journey.visit().arrival.good
            assert journey.site.element.wallet == (BEFORE + AMOUNT, 2), (steps, deep)
            assert journey.site.store.account.cents == BEFORE + AMOUNT, (steps, deep)
            assert journey.is_genuine(b"\x00\x00\x00\x02"), (steps, deep)
            runs += 1
            deep += 5
        steps += 1
    assert (steps > 60, runs > 100) == (True, True)


@pytest.mark.slow
def test_a_cut_after_any_write_while_loading_leaves_the_old_load_or_the_new():
    journey = Journey()
    old, new = purchase(), purchase(3, 100, b"\x00\x00\x00\x03")
    journey.load(old)
    state, steps, cut = journey.save(), 0, True
    while cut:
        journey.restore(state)
        journey.boot()
        cut = cut_after(journey.site.supply, steps, lambda: journey.load(new))
        journey.boot()
        assert journey.medium.load in (old, new)
        journey.load(new)
        assert journey.medium.load == new
        steps += 1
    assert steps > 10


@pytest.mark.slow
def test_hundreds_of_journeys_with_random_cuts_and_losses():
    chance = seeded(20_261_121, "medium soak")
    journey, total, cuts = Journey(), BEFORE, 0
    supply = journey.site.supply
    for count in range(2, 302):
        amount = chance.randint(1, 900)
        load = purchase(count, amount, count.to_bytes(4))
        journey.load(load)
        total += amount
        arrived = False
        while not arrived:
            supply.left = chance.randint(0, 120) if chance.random() < 0.4 else FOR_EVER
            fate = chance.choice(["", "answer", "request"])
            journey.site.drop = lambda _request, fate=fate: fate if chance.random() < 0.2 else ""
            try:
                arrived = journey.visit().arrival.good
            except PowerCutError:
                cuts += 1
                supply.left = FOR_EVER
                journey.boot()
        supply.left = FOR_EVER
        assert journey.is_genuine(load.nonce)
    assert journey.site.element.wallet == (total, 301)
    assert cuts > 50


def test_records_of_another_length_are_told():
    load = purchase()
    assert Load.from_bytes(load.to_bytes()) == load
    for wrong in (b"", load.to_bytes() + b"\x00", b"\x09" + load.to_bytes()[1:]):
        with pytest.raises(DecodeError):
            Load.from_bytes(wrong)
    with pytest.raises(DecodeError):
        Usage.from_bytes(b"")
    for wrong in ({"amount": 0}, {"count": 1 << 32}, {"nonce": b""}):
        with pytest.raises(LocalError):
            replace(load, **wrong)
