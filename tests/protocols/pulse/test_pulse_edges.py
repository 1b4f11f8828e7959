"""Edges to counts to energy: bounce, plausibility, batches of every size."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.protocols.pulse.edges import EdgeRules, EdgeState, count
from kwhub.protocols.pulse.energy import PulseMeter

RULES = EdgeRules(debounce_us=2_000, apart_us=100_000)
IDLE = EdgeState(level=False)


def batch(edges, now_us, state=IDLE, rules=RULES):
    times = np.array([time for time, _ in edges], np.int64)
    levels = np.array([level for _, level in edges], np.bool_)
    return count(times, levels, now_us, state, rules)


def pulse(start_us, width_us=80_000, bounces=0):
    edges = []
    for number in range(bounces):
        edges += [(start_us + number * 300, True), (start_us + number * 300 + 150, False)]
    begin = start_us + bounces * 300
    return [*edges, (begin, True), (begin + width_us, False)]


def test_a_pulse_is_an_edge_that_stays():
    state, counted = batch(pulse(1_000_000), 2_000_000)
    assert counted.pulses.tolist() == [1_000_000]
    assert (counted.bounces, counted.implausible) == (0, 0)
    assert state == EdgeState(level=False, last_pulse_us=1_000_000)


def test_bounce_is_left_out_and_counted():
    _, counted = batch(pulse(1_000_000, bounces=4), 2_000_000)
    assert len(counted.pulses) == 1
    assert counted.bounces == 8


def test_a_spike_is_no_pulse():
    _, counted = batch([(5_000, True), (5_900, False)], 100_000)
    assert not len(counted.pulses)


def test_a_pulse_that_no_load_can_cause_is_set_apart():
    edges = [*pulse(1_000_000, 20_000), *pulse(1_050_000, 20_000), *pulse(1_200_000, 20_000)]
    _, counted = batch(edges, 2_000_000)
    assert counted.pulses.tolist() == [1_000_000, 1_200_000]
    assert counted.implausible == 1


def test_an_edge_waits_until_it_has_stayed():
    state, counted = batch([(1_000, True)], 1_500)
    assert not len(counted.pulses)
    state, counted = batch([], 3_000, state)
    assert counted.pulses.tolist() == [1_000]
    assert state.waiting_us is None


def test_an_input_may_be_active_when_low():
    rules = EdgeRules(debounce_us=2_000, active_level=False)
    _, counted = batch([(10_000, False), (90_000, True)], 200_000, EdgeState(level=True), rules)
    assert counted.pulses.tolist() == [10_000]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: batch([(5, True), (4, False)], 10),
        lambda: batch([(5, True)], 4),
        lambda: count(np.zeros(2, np.int64), np.zeros(1, np.bool_), 1, IDLE, RULES),
        lambda: EdgeRules(debounce_us=-1),
        lambda: PulseMeter(0),
        lambda: PulseMeter(1_000, initial=Decimal(-1)),
        lambda: PulseMeter(1_000).power_kw(0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(LocalError):
        wrong()


GAPS = st.lists(st.tuples(st.integers(1, 150_000), st.booleans()), max_size=60)


@given(GAPS, st.data())
def test_batches_of_every_size_give_the_same_counts(gaps, data):
    edges, now = [], 0
    for gap, level in gaps:
        now += gap
        edges.append((now, level))
    end = now + 1_000_000
    whole_state, whole = batch(edges, end)
    state, pulses, apart, bounces, place = IDLE, [], 0, 0, 0
    while place < len(edges):
        size = data.draw(st.integers(1, len(edges) - place))
        part = edges[place : place + size]
        place += size
        until = part[-1][0] if place < len(edges) else end
        state, counted = batch(part, until, state)
        pulses += counted.pulses.tolist()
        apart += counted.implausible
        bounces += counted.bounces
    assert (pulses, apart, bounces) == (whole.pulses.tolist(), whole.implausible, whole.bounces)
    if edges:
        assert state == whole_state


@given(st.lists(st.tuples(st.integers(100_000, 900_000), st.integers(0, 5)), max_size=80))
def test_every_true_pulse_is_counted_whatever_bounces(pulses):
    edges, now, truth = [], 1_000_000, 0
    for gap, bounces in pulses:
        now += gap
        edges += pulse(now, 30_000, bounces)
        now += bounces * 300  # the next begins that far after the true edge
        truth += 1
    _, counted = batch(edges, now + 1_000_000)
    assert len(counted.pulses) == truth


def test_energy_follows_the_name_plate():
    meter = PulseMeter(1_600, Decimal("123.45"))
    assert meter.reading(0) == Decimal("123.45")
    assert meter.reading(1_600) == Decimal("124.45")
    assert meter.reading(15) == Decimal("123.45")  # a display does not round up
    assert meter.reading(16) == Decimal("123.46")
    assert meter.apart_us == 142_045  # 60 A and a fifth, at 220 V
    assert meter.power_kw(1_000_000) == Decimal("2.25")
