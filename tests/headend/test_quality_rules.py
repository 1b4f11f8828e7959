"""Each rule of validation: what it finds, what it leaves alone, and the words that it finds for it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.quality.checks import MeterDay, check
from kwhub.headend.quality.estimate import Method, estimate, spread
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.quality.rules import RULES, RuleName, bounds_of
from kwhub.headend.quality.walk import CAPACITY_MICRO, MICRO, Walk

QUARTER = (ENERGY, 900)
SETTINGS = {name: (rule.severity, rule.bounds) for name, rule in RULES.items()}
STEP = MICRO // 10


def walk(values, spacing=900):
    return Walk.of(np.arange(len(values)) * spacing + 1_000_000, values)


def growing(count=97, step=STEP, start=5 * MICRO):
    return [start + n * step for n in range(count)]


def found(day):
    return {each.rule: each for each in check(day, SETTINGS)}


def of_curve(values, **more):
    return found(MeterDay(walks={QUARTER: walk(values)}, **more))


def test_a_day_without_fault_has_no_finding():
    values = growing()
    day = of_curve(values, freeze=(values[0], values[-1]), before=[96 * STEP] * 15)
    assert day == {}


def test_more_than_the_phases_can_carry():
    values = growing()
    values[50:] = [each + 8 * MICRO for each in values[50:]]  # 220 V x 100 A x 1.2 is 6.6 kWh
    high = of_curve(values)[RuleName.HIGH_LOW]
    assert (high.first_s, high.count) == (1_000_000 + 50 * 900, 1)
    assert high.evidence["value"] == "8.1"
    assert high.evidence["high"] == "6.6"
    assert RuleName.HIGH_LOW not in of_curve(values, phases=3)
    assert RuleName.HIGH_LOW not in of_curve(values, exchanged=True)


@pytest.mark.parametrize(
    ("register", "good", "bad"),
    [
        ("1-0:32.7.0", 231 * MICRO, 20 * MICRO),
        ("1-0:32.7.0", 231 * MICRO, 380 * MICRO),
        ("1-0:31.7.0", -99 * MICRO, 130 * MICRO),
        ("1-0:16.7.0", 20 * MICRO, 27 * MICRO),
        ("1-0:13.7.0", -MICRO, MICRO + 1),
    ],
)
def test_instant_values_have_bounds(register, good, bad):
    series = (Register(register), 3600)
    fine = MeterDay(instants={series: walk([good] * 24, 3600)})
    assert check(fine, SETTINGS) == []
    day = MeterDay(instants={series: walk([good] * 23 + [bad], 3600)})
    (one,) = check(day, SETTINGS)
    assert (one.rule, one.count) == (RuleName.HIGH_LOW, 1)


def test_an_unknown_instant_register_has_no_bounds():
    day = MeterDay(instants={(Register("1-0:14.7.0"), 3600): walk([10**12], 3600)})
    assert check(day, SETTINGS) == []


def test_a_spike_is_far_above_the_third_highest():
    values = growing()
    values[20:] = [each + 2 * MICRO for each in values[20:]]
    assert of_curve(values)[RuleName.SPIKE].evidence["times"] == "21.0"
    for place in (40, 60):  # three of a kind are a habit
        values[place:] = [each + 2 * MICRO for each in values[place:]]
    assert RuleName.SPIKE not in of_curve(values)


def test_a_register_that_goes_down_is_negative_unless_the_meter_was_exchanged():
    values = growing()
    values[30:] = [each - 4 * MICRO for each in values[30:]]
    values[29] = None  # the fall is found over a hole, too
    assert of_curve(values)[RuleName.NEGATIVE].first_s == 1_000_000 + 30 * 900
    assert of_curve(values, exchanged=True) == {}


def test_a_roll_over_is_no_fault():
    start = CAPACITY_MICRO - 10 * STEP
    values = [(start + n * STEP) % CAPACITY_MICRO for n in range(97)]
    one = of_curve(values)
    assert list(one) == [RuleName.ROLLOVER]
    assert one[RuleName.ROLLOVER].evidence["value"] == "0.1"


def test_days_without_use_after_days_with_use():
    idle = [5 * MICRO] * 97
    assert of_curve(idle, before=[MICRO] * 13 + [0, 0])[RuleName.ZERO].count == 3
    assert RuleName.ZERO not in of_curve(idle, before=[MICRO] * 14 + [0])
    assert RuleName.ZERO not in of_curve(idle, before=[0] * 15)  # always idle: nothing new


def test_missing_values_are_counted():
    day = MeterDay(expected={QUARTER: 96}, got={QUARTER: 90})
    assert found(day)[RuleName.MISSING].evidence == {"count": "6", "expected": "96"}


def test_the_sum_of_intervals_must_be_the_register_difference():
    values = growing()
    off = (values[0], values[-1] + 3 * STEP)
    one = of_curve(values, freeze=off)[RuleName.SUM_CHECK]
    assert one.evidence == {"summed": "9.6", "register_grew": "9.9"}
    assert RuleName.SUM_CHECK not in of_curve(values, freeze=(values[0], values[-1] + 20_000))
    values[4] = None
    assert RuleName.SUM_CHECK not in of_curve(values, freeze=off)


def test_values_that_differ_and_values_beside_the_grid():
    day = found(MeterDay(conflicts={QUARTER: 2}, beside={QUARTER: 3}))
    assert (day[RuleName.DUPLICATE].count, day[RuleName.CLOCK].count) == (2, 3)


def test_the_same_use_again_and_again():
    assert of_curve(growing(step=2 * MICRO))[RuleName.CONSECUTIVE].count == 96
    assert of_curve(growing(step=MICRO // 2)) == {}  # a base load is no fault
    short = growing(12, 2 * MICRO)
    assert RuleName.CONSECUTIVE not in of_curve(short)


def test_a_meter_that_leaves_its_siblings():
    usual = [96 * STEP] * 15
    like = {"before": usual, "siblings": [0.9, 1.0, 1.1]}
    assert of_curve(growing(), **like) == {}
    values = growing(step=8 * STEP)
    one = of_curve(values, **like)[RuleName.SIBLING]
    assert one.evidence == {"value": "76.8", "expected": "9.6"}
    # All of them used eight times as much: a hot day.
    assert RuleName.SIBLING not in of_curve(values, before=usual, siblings=[8.0, 7.5, 8.2])
    assert RuleName.SIBLING not in of_curve(values, before=usual, siblings=[1.0])


def test_every_rule_says_what_it_found_in_both_languages():
    evidence = dict.fromkeys(
        [
            "value",
            "unit",
            "phases",
            "volt",
            "ampere",
            "low",
            "high",
            "times",
            "third",
            "before",
            "after",
            "days",
            "usual",
            "count",
            "expected",
            "summed",
            "register_grew",
            "minutes",
        ],
        "1",
    )
    for rule in RULES.values():
        for text in (rule.told_en, rule.told_zh):
            assert "{" not in text.format(**evidence)


def test_unknown_bounds_are_refused():
    with pytest.raises(LocalError, match="spike has no bound 'tims'; it has: times, least_kwh"):
        bounds_of(RuleName.SPIKE, {"tims": 3})
    with pytest.raises(LocalError, match="a number from 0 on"):
        bounds_of(RuleName.SPIKE, {"times": -1})


HOLED = st.lists(st.tuples(st.integers(0, 10**7), st.booleans()), min_size=2, max_size=97).map(
    lambda pairs: [(step, known) for step, known in pairs]
)


@given(HOLED, st.sampled_from([Method.INTERPOLATION, Method.PROXY_DAY, Method.PROFILE]))
def test_estimates_lie_between_what_is_known(pairs, method):
    value, values = 10**9, []
    for step, known in pairs:
        value += step
        values.append(value if known else None)
    day = walk(values)
    shape = [step for step, _ in pairs][1:]
    filled = estimate(day, method, [shape])
    known = [n for n, each in enumerate(values) if each is not None]
    inner = range(known[0], known[-1]) if known else ()
    holes = [n for n in inner if values[n] is None]
    assert sorted(filled) == [int(day.at[n]) for n in holes]
    whole = [filled.get(int(day.at[n]), int(day.value[n])) for n in inner]
    assert all(before <= after for before, after in pairwise(whole))


def test_a_shape_is_followed_and_a_fall_is_not_bridged():
    values = [0, None, None, 9 * MICRO]
    day = walk(values)
    at = [int(each) for each in day.at]
    assert estimate(day, Method.PROXY_DAY, [[1, 3, 5]]) == {at[1]: MICRO, at[2]: 4 * MICRO}
    assert estimate(day, Method.PROFILE, [[1, 3, 5], [5, 3, 1]]) == {
        at[1]: 3 * MICRO,
        at[2]: 6 * MICRO,
    }
    assert estimate(day, Method.PROXY_DAY, [[1, None, 5]])[at[1]] == 3 * MICRO  # evenly
    assert estimate(walk([9, None, 1]), Method.INTERPOLATION) == {}
    with pytest.raises(LocalError, match="manual does not fill"):
        estimate(day, Method.MANUAL)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=96))
def test_spread_parts_sum_to_the_whole(total, weights):
    parts = spread(total, weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)
