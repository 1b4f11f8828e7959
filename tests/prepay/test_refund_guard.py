"""Nobody takes money out of a meter alone, above the limits, or with the master crypto only."""

from dataclasses import replace

import pytest

from kwhub.domain.errors import LocalError, Refusal
from kwhub.prepay.keys import MasterKeys, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.refund_guard import RefundGuard, RefundRules, RefundState
from kwhub.prepay.trip_tickets import TicketGate, TicketPress, refund_operation

METER, OTHER = "202611200001", "202611200002"
KEYS = MasterKeys({1: bytes(range(16))})
NOW = 1_772_323_200
RULES = RefundRules(most=500, operator_day=800)


class World:
    """A guard, and a master crypto that knows its public key."""

    def __init__(self):
        self.now_s, press = NOW, TicketPress()
        self.guard = RefundGuard(press, RULES)
        gate = TicketGate(press.public, lambda: self.now_s)
        self.master = SoftwareMaster(KEYS, bytes, gate)

    def ordered(self, amount=200, meter=METER, operator="ann"):
        return self.guard.order(meter, amount, operator, self.now_s).number

    def released(self, *args):
        number = self.ordered(*args)
        self.guard.approve(number, "bob", self.now_s)
        return number

    def ticket(self, *args):
        return self.guard.ticket(self.released(*args), self.now_s)

    def sign(self, ticket, amount=200, meter=METER):
        return self.master.refund(self.master.login(factor_of(meter)), bytes(4), amount, ticket)


@pytest.fixture
def world():
    return World()


def test_t09_who_has_only_the_master_crypto_refunds_nothing(world):
    with pytest.raises(Refusal, match="refund 200 needs a ticket"):
        world.sign(None)
    world.master = SoftwareMaster(KEYS, bytes)
    with pytest.raises(Refusal, match="refunds nothing: no guard stands before it"):
        world.sign(world.ticket())


def test_a_ticket_signs_one_refund_of_its_meter_and_amount_once_and_not_for_long(world):
    ticket = world.ticket()
    for how in ({"amount": 201}, {"meter": OTHER}):
        with pytest.raises(Refusal, match="the ticket is for refund 200"):
            world.sign(ticket, **how)
    with pytest.raises(Refusal, match="not issued by this guard"):
        world.sign(replace(ticket, operation=refund_operation(300)), amount=300)
    assert len(world.sign(ticket)) == 4
    with pytest.raises(Refusal, match="was used"):
        world.sign(ticket)
    late = world.guard.ticket(1, world.now_s)
    world.now_s += RULES.ticket_lives_s + 1
    with pytest.raises(Refusal, match="too old"):
        world.sign(late)


def test_a_second_person_must_agree_and_nothing_is_signed_before(world):
    number = world.ordered()
    with pytest.raises(Refusal, match="the refund is unapproved"):
        world.guard.ticket(number, NOW)
    with pytest.raises(Refusal, match="a second person"):
        world.guard.approve(number, "ann", NOW)
    world.guard.approve(number, "bob", NOW)
    with pytest.raises(Refusal, match="the refund is released"):
        world.guard.approve(number, "eve", NOW)
    with pytest.raises(Refusal, match="there is no refund 9"):
        world.guard.approve(9, "bob", NOW)


def test_limits_hold_for_one_refund_one_person_and_one_meter(world):
    with pytest.raises(LocalError, match="above zero"):
        world.ordered(0)
    with pytest.raises(Refusal, match="500 hundredths for one refund"):
        world.ordered(501)
    world.guard.ticket(world.released(500), NOW)
    with pytest.raises(Refusal, match="a refund of this meter is open"):
        world.ordered(1)
    with pytest.raises(Refusal, match="800 hundredths for one operator and day"):
        world.ordered(301, OTHER)
    assert world.ordered(300, OTHER) == 2
    with pytest.raises(Refusal, match="one operator and day"):
        world.ordered(1, "202611200003")
    assert world.ordered(500, "202611200003", "eve")
    world.now_s += 86_401
    assert world.ordered(500)


def test_after_a_lost_answer_there_is_another_ticket_but_not_for_ever(world):
    number = world.released()
    for _ in range(RULES.tries_max):
        assert world.sign(world.guard.ticket(number, NOW))
    with pytest.raises(Refusal, match="tried 8 times"):
        world.guard.ticket(number, NOW)
    assert world.guard.done(number, NOW).state is RefundState.DONE
    with pytest.raises(Refusal, match="the refund is done"):
        world.guard.ticket(number, NOW)


def test_an_order_is_taken_back_before_anything_is_signed_and_grows_old(world):
    number = world.released()
    assert world.guard.cancel(number, NOW).state is RefundState.CANCELLED
    with pytest.raises(Refusal, match="cannot be taken back"):
        world.guard.cancel(number, NOW)
    world.ticket()
    with pytest.raises(Refusal, match="cannot be taken back"):
        world.guard.cancel(2, NOW)
    world.now_s += RULES.order_lives_s + 1
    with pytest.raises(Refusal, match="too old"):
        world.guard.ticket(2, world.now_s)
    with pytest.raises(Refusal, match="too old"):  # a clock that is set back makes nothing young
        world.guard.ticket(2, NOW)


def test_the_guard_is_the_same_after_a_restart(world):
    world.guard.ticket(world.released(500), NOW)
    world.ordered(300, OTHER)
    again = RefundGuard.restored(world.guard.press, RULES, reversed(world.guard.orders.values()))
    assert (again.orders, again.newest_s) == (world.guard.orders, NOW)
    world.guard = again
    with pytest.raises(Refusal, match="one operator and day"):
        world.ordered(1, "202611200003")
