"""No person alone, no clock and no order of calls trips more meters than the budget says."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import Refusal
from kwhub.prepay.trip_guard import HOUR_S, State, TripGuard, TripRules

RULES = TripRules(per_operator_hour=3, area_share_hour=0.1, delay_s=60, order_lives_s=600)


def guard(**more):
    return TripGuard(RULES, {"north": 1_000, "south": 20}, **more)


def test_an_order_waits_and_is_released_once():
    one = guard()
    order = one.order("m1", "north", "ann", 1_000)
    assert one.release(1_059) == []
    assert [each.number for each in one.release(1_060)] == [order.number]
    assert one.release(1_061) == []


def test_what_was_cancelled_is_not_released_and_gives_its_budget_back():
    one = guard()
    for number in range(3):
        one.cancel(one.order(f"m{number}", "north", "ann", 0).number, 10)
    assert one.release(100) == []
    assert one.order("m9", "north", "ann", 100).state is State.WAITING
    with pytest.raises(Refusal, match="cancelled"):
        one.cancel(1, 100)


def test_above_the_budget_a_second_person_must_agree():
    one = guard()
    for number in range(3):
        one.order(f"m{number}", "north", "ann", 0)
    fourth = one.order("m4", "north", "ann", 0)
    assert fourth.state is State.UNAPPROVED
    assert len(one.release(100)) == 3
    with pytest.raises(Refusal, match="second person"):
        one.approve(fourth.number, "ann", 100)
    one.approve(fourth.number, "bob", 100)
    assert one.release(159) == []
    assert [each.meter for each in one.release(160)] == ["m4"]
    with pytest.raises(Refusal, match="released"):
        one.approve(fourth.number, "eve", 170)


def test_an_area_has_a_budget_whoever_asks():
    one = guard()
    states = [one.order(f"m{n}", "south", f"person {n}", 0).state for n in range(3)]
    assert states == [State.WAITING, State.WAITING, State.UNAPPROVED]


def test_the_budget_comes_back_after_an_hour_but_not_with_a_clock_set_back():
    one = guard()
    for number in range(3):
        one.order(f"m{number}", "north", "ann", HOUR_S)
    one.release(HOUR_S + 60)
    assert one.order("m4", "north", "ann", 0).state is State.UNAPPROVED
    assert one.order("m5", "north", "ann", 2 * HOUR_S + 61).state is State.WAITING


def test_a_protected_meter_is_never_tripped_even_if_it_became_so_meanwhile():
    with pytest.raises(Refusal, match="protected"):
        guard(protected=frozenset({"m1"})).order("m1", "north", "ann", 0)
    one = guard()
    one.order("m1", "north", "ann", 0)
    one.protected = frozenset({"m1"})
    assert one.release(100) == []
    assert one.orders[1].state is State.PROTECTED


@pytest.mark.parametrize(("meter", "area"), [("m1", "nowhere"), ("m0", "north")])
def test_what_makes_no_sense_is_refused(meter, area):
    one = guard()
    one.order("m0", "north", "ann", 0)
    with pytest.raises(Refusal):
        one.order(meter, area, "ann", 0)


def test_an_old_order_is_over():
    one = guard()
    order = one.order("m1", "north", "ann", 0)
    assert one.release(601) == []
    assert one.orders[order.number].state is State.EXPIRED
    with pytest.raises(Refusal, match="no order 7"):
        one.approve(7, "bob", 601)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "cancel", "release", "restart", "approve self"]),
        st.integers(0, 30),
        st.sampled_from(["ann", "bob"]),
        st.integers(-200, 400),
    ),
    max_size=60,
)


ACTIONS = {
    "order": lambda one, meter, person, now: one.order(f"m{meter}", "north", person, now),
    "cancel": lambda one, meter, _person, now: one.cancel(meter, now),
    "approve self": lambda one, meter, _person, now: one.approve(
        meter, one.orders[meter].operator if meter in one.orders else "", now
    ),
}


def restarted(one):
    again = TripGuard.restored(RULES, one.area_meters, (), one.orders.values())
    assert again.newest_s <= one.newest_s
    return again


@given(STEPS)
def test_no_interleaving_releases_more_than_the_budget_without_a_second_person(steps):
    one, now, released = guard(), 10_000, []
    for what, meter, person, pause in steps:
        now = max(0, now + pause)
        if what == "restart":
            one = restarted(one)
        elif what == "release":
            released += one.release(now)
        else:
            with suppress(Refusal):
                ACTIONS[what](one, meter, person, now)
    for person in ("ann", "bob"):
        moments = sorted(order.settled_at for order in released if order.operator == person)
        for place, moment in enumerate(moments):
            within = [each for each in moments[place:] if each < moment + HOUR_S]
            assert len(within) <= RULES.per_operator_hour
