"""Consumption and line loss: arithmetic that never guesses."""

from decimal import Decimal
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from kwhub.headend.analysis.consumption import RECONCILED_MICRO, day_energy, difference, steps
from kwhub.headend.analysis.loss import Contribution, line_loss

STEPS = st.lists(st.integers(0, 10**9), min_size=1, max_size=100)


def contribution(meter_id, kwh, *, supply=False, ratio="1"):
    known = None if kwh is None else Decimal(kwh)
    return Contribution(meter_id, supply, Decimal(ratio), known)


@given(st.integers(0, 10**12), STEPS)
def test_the_sum_of_intervals_is_the_register_difference(start, used):
    readings = list(accumulate(used, initial=start))
    assert steps(readings) == used
    energy = day_energy((readings[0], readings[-1]), readings)
    assert (energy.micro, energy.source, energy.reconciles) == (sum(used), "freeze", True)


@given(st.integers(0, 10**12), STEPS, st.data())
def test_a_hole_is_never_filled_but_the_ends_still_count(start, used, data):
    readings: list[int | None] = list(accumulate(used, initial=start))
    hole = data.draw(st.integers(0, len(used)))
    readings[hole] = None
    energy = day_energy((None, None), readings)
    assert energy.reconciles is None
    if hole in {0, len(used)}:
        assert (energy.micro, energy.source) == (None, "")
    else:
        assert (energy.micro, energy.source) == (sum(used), "curve")


def test_a_difference_beyond_rounding_is_flagged():
    curve = [0, 500_000, 1_000_000]
    for gap, agrees in ((RECONCILED_MICRO, True), (RECONCILED_MICRO + 1, False)):
        assert day_energy((0, 1_000_000 + gap), curve).reconciles is agrees


def test_a_register_that_goes_down_is_not_negative_consumption():
    assert difference(5, 4) is None
    assert day_energy((5, 4), [5, 9, 4]).micro is None
    assert difference(5, 5) == 0


def test_loss_uses_the_ratios_of_both_sides():
    loss = line_loss(
        [
            contribution(1, "10.5", supply=True, ratio="60"),
            contribution(2, "100", ratio="3"),
            contribution(3, "300"),
        ]
    )
    assert (loss.supply_kwh, loss.sold_kwh) == (Decimal(630), Decimal(600))
    assert (loss.loss_kwh, loss.loss_percent) == (Decimal(30), Decimal("4.76"))
    assert loss.missing == ()


def test_two_supply_meters_add_up():
    supplies = [contribution(n, "50", supply=True) for n in (1, 2)]
    assert line_loss([*supplies, contribution(3, "90")]).loss_percent == Decimal("10.00")


def test_a_missing_meter_leaves_no_loss():
    loss = line_loss([contribution(1, "10", supply=True), contribution(2, None)])
    assert (loss.supply_kwh, loss.sold_kwh, loss.loss_percent) == (Decimal(10), None, None)
    assert loss.missing == (2,)


def test_without_supply_meter_or_without_supply_there_is_no_rate():
    assert line_loss([contribution(1, "10")]).loss_kwh is None
    nothing = line_loss([contribution(1, "0", supply=True), contribution(2, "0")])
    assert (nothing.loss_kwh, nothing.loss_percent) == (Decimal(0), None)
    assert line_loss([]).missing == ()


def test_more_sold_than_supplied_is_shown_as_it_is():
    loss = line_loss([contribution(1, "10", supply=True), contribution(2, "11")])
    assert loss.loss_percent == Decimal("-10.00")
