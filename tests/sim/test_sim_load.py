"""Loads are functions of the moment: exact, monotone, the same in any order of asking."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.sim.climate import DAY_S, Climate, cumulated_week, day_number, weekday
from kwhub.sim.load import JOULES_PER_KWH, BypassedLoad, CustomerLoad, SupplyLoad
from kwhub.sim.noise import mix, unit_permille
from kwhub.sim.shapes import SLOT_S, SLOTS, Kind

OFFSET_S = 28_800
FIRST = day_number(date(2026, 3, 2))  # a Monday


def customer(kind=Kind.HOUSEHOLD, seed=5, first=FIRST, area=1):
    return CustomerLoad(kind, seed, Climate(area, first), utc_offset_s=OFFSET_S)


def day_kwh(load, day):
    return (load.day_joules(day + 1) - load.day_joules(day)) / JOULES_PER_KWH


def test_weekdays_are_those_of_the_calendar():
    assert weekday(FIRST) == 0
    assert weekday(day_number(date(2026, 3, 8))) == 6


def test_chance_is_spread_evenly_and_depends_on_every_number():
    drawn = [unit_permille(3, index) for index in range(20_000)]
    assert abs(sum(drawn) / len(drawn) - 499.5) < 10
    assert len({mix(a, b) for a in range(20) for b in range(20)}) == 400


@pytest.mark.parametrize("kind", list(Kind))
@given(seed=st.integers(0, 2**63), moments=st.lists(st.integers(-DAY_S, 40 * DAY_S), min_size=2))
@settings(max_examples=30, deadline=None)
def test_energy_never_falls_and_starts_at_nothing(kind, seed, moments):
    load = customer(kind, seed)
    moments.sort()
    energies = [load.joules(load.first_s + moment) for moment in moments]
    assert energies == sorted(energies)
    assert load.joules(load.first_s) == 0
    assert all(energy == 0 for energy, moment in zip(energies, moments, strict=True) if moment <= 0)


def test_the_order_of_asking_does_not_matter():
    moments = [customer().first_s + step * 7_001 for step in range(300)]
    forward, backward = customer(), customer()
    assert [forward.joules(at) for at in moments] == [
        backward.joules(at) for at in reversed(moments)
    ][::-1]


def test_quarters_add_up_to_the_day_and_power_to_the_minute():
    load = customer()
    day = FIRST + 3
    start = day * DAY_S - OFFSET_S
    quarters = [
        load.joules(start + (slot + 1) * SLOT_S) - load.joules(start + slot * SLOT_S)
        for slot in range(SLOTS)
    ]
    assert min(quarters) > 0
    assert sum(quarters) == load.day_joules(day + 1) - load.day_joules(day)
    minute = start + 19 * 3600
    drawn = load.joules(minute + 60) - load.joules(minute)
    assert abs(drawn - load.watts10(minute + 17) * 6) < 6


def test_a_shop_rests_on_sunday_and_a_workshop_at_the_weekend():
    shop, workshop = customer(Kind.SHOP), customer(Kind.WORKSHOP)
    for week in range(4):
        monday = FIRST + 7 * week
        assert day_kwh(shop, monday + 6) < day_kwh(shop, monday + 2) / 2
        assert day_kwh(workshop, monday + 5) < day_kwh(workshop, monday + 2)
        assert day_kwh(workshop, monday + 6) < day_kwh(workshop, monday + 2) / 2


def test_a_household_lives_in_the_evening_and_a_shop_by_day():
    def share(load, hours):
        start = (FIRST + 2) * DAY_S - OFFSET_S
        edges = [load.joules(start + hour * 3600) for hour in hours]
        return (edges[1] - edges[0]) / (load.joules(start + DAY_S) - load.joules(start))

    assert share(customer(), (18, 22)) > 0.25
    assert share(customer(Kind.SHOP), (9, 20)) > 0.7
    assert share(customer(Kind.WORKSHOP), (0, 6)) < 0.08


def test_winter_and_summer_cost_more_than_spring():
    year = customer(first=day_number(date(2025, 1, 1)))
    months = {
        month: year.day_joules(day_number(date(2025, month, 28)))
        - year.day_joules(day_number(date(2025, month, 1)))
        for month in (1, 5, 7)
    }
    assert months[1] > 1.2 * months[5]
    assert months[7] > 1.1 * months[5]


def test_the_weather_is_shared_by_the_area():
    climate = Climate(9, FIRST)
    near, far = climate.degree_days(5, 1000), climate.degree_days(5, 1000)
    assert near is far
    assert climate.temperature_degc10(FIRST) == Climate(9, FIRST - 30).temperature_degc10(FIRST)
    with pytest.raises(ValueError, match="before the first day"):
        near.until(FIRST - 1)


def test_a_week_without_energy_on_some_day_is_refused():
    with pytest.raises(ValueError, match="every weekday"):
        cumulated_week((1, 1, 0, 1, 1, 1, 1))


@pytest.mark.parametrize("kind", list(Kind))
def test_daily_energy_is_believable(kind):
    bounds = {Kind.HOUSEHOLD: (2, 40), Kind.SHOP: (2, 200), Kind.WORKSHOP: (5, 500)}[kind]
    for seed in range(20):
        load = customer(kind, mix(seed))
        for day in range(FIRST, FIRST + 28):
            assert bounds[0] < day_kwh(load, day) < bounds[1]


def test_a_bypass_takes_its_share_from_its_day_on():
    true = customer(Kind.SHOP)
    theft = true.first_s + 3 * DAY_S
    seen = BypassedLoad(true, from_s=theft, bypassed_permille=550)
    assert seen.joules(theft) == true.joules(theft)
    later = theft + DAY_S
    drawn = true.joules(later) - true.joules(theft)
    assert seen.joules(later) - seen.joules(theft) == drawn * 450 // 1000
    assert seen.watts10(later) == true.watts10(later) * 450 // 1000
    assert seen.watts10(theft - 3600) == true.watts10(theft - 3600)


def test_the_supply_is_the_sum_and_the_loss():
    climate = Climate(1, FIRST)
    loads = [
        CustomerLoad(kind, mix(number), climate, utc_offset_s=OFFSET_S)
        for number, kind in enumerate(list(Kind) * 4)
    ]
    supply = SupplyLoad(loads, constant_w=100, copper_permille=20, utc_offset_s=OFFSET_S)
    start = supply.first_s
    assert supply.joules(start) == 0
    for at in (start + 5 * DAY_S, start + 5 * DAY_S + 1234, start + 9 * DAY_S + 40_000):
        lost = supply.joules(at) - sum(load.joules(at) for load in loads)
        assert lost > 100 * (at - start)  # the constant part alone
    moments = range(start + DAY_S, start + DAY_S + 7200, 97)
    energies = [supply.joules(at) for at in moments]
    assert energies == sorted(set(energies))
    at = start + DAY_S + 12 * 3600
    assert supply.watts10(at) > sum(load.watts10(at) for load in loads)


def test_a_supply_without_customers_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        SupplyLoad([], constant_w=1, copper_permille=1, utc_offset_s=0)


def test_the_numbers_do_not_change_from_version_to_version():
    """A seed in a bug report must give the same world next year."""
    load = customer(Kind.SHOP, 11)
    assert Decimal(load.joules(load.first_s + 5 * DAY_S + 4321)) == Decimal(677_635_899)
