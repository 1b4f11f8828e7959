"""Registers and the meter's own clock."""

from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwhub.sim.climate import DAY_S, Climate, day_number
from kwhub.sim.clockwork import ClockStep, MeterClock, wall_datetime, wall_seconds
from kwhub.sim.electrical import Connection
from kwhub.sim.load import JOULES_PER_KWH, CustomerLoad
from kwhub.sim.registers import USUAL_TABLE, EnergyRegisters, reactive_permille
from kwhub.sim.shapes import Kind

OFFSET_S = 28_800
FIRST = day_number(date(2026, 3, 2))
LOAD = CustomerLoad(Kind.SHOP, 17, Climate(1, FIRST), utc_offset_s=OFFSET_S)


@given(second=st.integers(-1000, 60 * DAY_S))
@settings(max_examples=60, deadline=None)
def test_tariffs_add_up_to_the_total(second):
    registers = EnergyRegisters(LOAD, initial=(100, 200, 300, 400))
    at = LOAD.first_s + second
    assert sum(registers.tariffs(at)) == registers.total(at)


def test_each_tariff_moves_only_in_its_hours():
    registers = EnergyRegisters(LOAD)
    midnight = LOAD.first_s + 4 * DAY_S
    for (start, tariff), (stop, _next) in zip(
        USUAL_TABLE.switches, (*USUAL_TABLE.switches[1:], (DAY_S, 0)), strict=True
    ):
        before, after = registers.tariffs(midnight + start), registers.tariffs(midnight + stop)
        moved = {index + 1 for index in range(4) if after[index] > before[index]}
        assert moved == {tariff}
        assert USUAL_TABLE.at(start) == tariff


def test_a_register_behind_transformers_counts_the_secondary_side():
    direct, behind = EnergyRegisters(LOAD), EnergyRegisters(LOAD, ratio=40)
    at = LOAD.first_s + 9 * DAY_S
    assert behind.total(at) == direct.total(at) // 40
    assert direct.total(at) == LOAD.joules(at) * 100 // JOULES_PER_KWH


def test_reactive_energy_follows_the_power_factor():
    registers = EnergyRegisters(LOAD)
    at = LOAD.first_s + 9 * DAY_S
    tangent = reactive_permille(LOAD.power_factor_permille)
    assert abs(registers.reactive(at) - registers.total(at) * tangent / 1000) < 2
    assert reactive_permille(1000) == 0


def test_the_demand_is_the_best_quarter():
    registers = EnergyRegisters(LOAD)
    start, stop = LOAD.first_s + 2 * DAY_S, LOAD.first_s + 4 * DAY_S + 5_000
    total, *by_tariff = registers.demand(start, stop)
    powers = {
        edge: (LOAD.joules(edge) - LOAD.joules(edge - 900)) * 10 // 900
        for edge in range(start + 900, stop + 1, 900)
    }
    assert total.watts10 == max(powers.values())
    assert powers[total.at_s] == total.watts10
    assert max(by_tariff).watts10 == total.watts10
    assert registers.demand(stop, stop)[0] == (0, 0)
    assert registers.demand(start, stop) == registers.demand(start, stop)


def test_a_wrong_number_of_initial_registers_is_refused():
    with pytest.raises(ValueError, match="4 tariffs"):
        EnergyRegisters(LOAD, initial=(1, 2))


@pytest.mark.slow
@given(
    drift=st.integers(-500, 500),
    offset=st.integers(-300, 300),
    at=st.integers(0, 2_000_000_000),
)
def test_the_clock_can_be_read_backwards(drift, offset, at):
    clock = MeterClock(drift_ppm=drift, offset_s=offset, set_s=1_000_000_000)
    shown = clock.wall(at)
    moment = clock.moment(shown)
    assert moment is not None
    assert clock.wall(moment) == shown
    assert clock.wall(moment - 1) < shown


def test_a_right_clock_shows_the_time_of_the_site():
    clock = MeterClock()
    at = wall_seconds(datetime(2026, 3, 2, 4, 0))
    assert wall_datetime(clock.wall(at)) == datetime(2026, 3, 2, 12, 0)


def test_a_clock_that_was_pushed_forward_skips_time():
    clock = MeterClock(utc_offset_s=0, steps=(ClockStep(1_000, 600),))
    assert clock.wall(999) == 999
    assert clock.wall(1_000) == 1_600
    assert clock.moment(1_200) is None
    assert clock.moment(1_700) == 1_100
    assert [clock.reached(wall) for wall in (900, 1_200, 1_700)] == [900, 1_000, 1_100]


def test_a_clock_that_was_pushed_back_shows_a_time_twice_and_the_last_counts():
    clock = MeterClock(utc_offset_s=0, steps=(ClockStep(1_000, -300),))
    assert clock.wall(900) == clock.wall(1_200) == 900
    assert clock.moment(900) == 1_200
    assert clock.moment(600) == 600


@pytest.mark.parametrize("phases", [1, 3])
def test_power_is_voltage_times_current_times_power_factor(phases):
    connection = Connection(LOAD, phases=phases, seed=4, ratio=1, utc_offset_s=OFFSET_S)
    for at in range(LOAD.first_s + 5 * DAY_S, LOAD.first_s + 6 * DAY_S, 1_777):
        instant = connection.at(at)
        assert len(instant.phases) == phases
        assert sum(phase.power_w10 for phase in instant.phases) == instant.power_w10
        for phase in instant.phases:
            product = phase.voltage_v10 * phase.current_ma * phase.power_factor_permille / 1e6
            assert abs(product - phase.power_w10) <= phase.voltage_v10 / 2_000 + 1
            assert 2_100 < phase.voltage_v10 < 2_400
        assert abs(instant.frequency_hz100 - 5_000) <= 3


def test_a_meter_of_two_phases_is_refused():
    with pytest.raises(ValueError, match="one phase or three"):
        Connection(LOAD, phases=2, seed=4, ratio=1, utc_offset_s=OFFSET_S)
