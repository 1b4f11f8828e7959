"""Validation over a real store: findings that come and go, edits beside the measurement, rules of groups."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.headend.world import DAYS, batch, open_store, shanghai

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.archive import dated
from kwhub.headend.quality.estimate import Method
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.quality.rules import RuleName, Severity
from kwhub.headend.store import schema_quality
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.read import Reader
from kwhub.headend.validation.desk import QualityDesk
from kwhub.headend.validation.findings import Filter, State
from kwhub.headend.validation.rule_rows import ChangedRule, Scope

CURVE = (ENERGY, 900)
STEP = 100_000
DAY = dt.date(2026, 3, 3)
NOW = dt.datetime(2026, 3, 5, 4, 0, tzinfo=dt.UTC)
EVERYTHING = Filter(dt.date(2026, 3, 1), dt.date(2026, 3, 9), states=tuple(State))


class Bench:
    """A store with a desk, and short words for what the tests do with them."""

    def __init__(self, address):
        self.store = open_store(address)
        self.desk = QualityDesk(self.store.database, DAYS, lambda: NOW)

    def take(self, rows):
        self.store.append([batch(rows)])
        self.store.pack()

    def found(self, *rules, states=(State.OPEN,)):
        wanted = replace(EVERYTHING, states=states, rules=rules)
        return self.desk.findings(wanted)[0]

    def curve(self, *, edited=True):
        with self.store.database.read() as connection:
            reader = Reader(connection, DAYS, edited=edited)
            one = reader.series([2], [ENERGY], 900, (DAY, DAY + dt.timedelta(1)))
        series = one[2, ENERGY]
        return {
            int(at): (int(value), Quality(quality))
            for at, value, quality in zip(series.at, series.value, series.quality, strict=True)
        }

    def day_kwh(self):
        queries = Queries(self.store.database, DAYS, lambda: NOW)
        (one,) = queries.daily(2, DAY, DAY)
        return one


@pytest.fixture
def bench(address):
    made = Bench(address)
    yield made
    made.store.close()


def a_day(*, without=(), meter=2):
    """A curve of 3 March in Shanghai with both midnights, and its two freezes."""
    first = shanghai(3)
    rows = [
        (meter, ENERGY, 900, first + 900 * n, 10**9 + STEP * n)
        for n in range(97)
        if n not in without
    ]
    rows += [
        (meter, ENERGY, DAY_INTERVAL_S, shanghai(3), 10**9),
        (meter, ENERGY, DAY_INTERVAL_S, shanghai(4), 10**9 + 96 * STEP),
    ]
    return rows


def test_what_arrives_is_validated_once_its_day_is_over(bench):
    bench.take(a_day(without={5}))
    assert (
        bench.desk.check_waiting().meter_days == 3
    )  # the days that the midnights belong to as well
    assert bench.desk.check_waiting().meter_days == 0
    missing = [each for each in bench.found(RuleName.MISSING) if each.register == ENERGY]
    curve = next(each for each in missing if each.day == DAY and each.interval_s == 900)
    assert curve.told("en") == "1 of 96 values are missing"
    assert curve.told("zh") == "应有 96 点，缺 1 点"
    bench.take([(2, ENERGY, 900, shanghai(3) + 4500, 10**9 + 5 * STEP)])  # late, but there
    bench.desk.check_waiting()
    assert curve not in bench.found(RuleName.MISSING)
    assert any(
        (each.interval_s, each.day) == (900, DAY)
        for each in bench.found(RuleName.MISSING, states=(State.GONE,))
    )


def test_a_day_that_is_not_over_waits(bench):
    bench.take([(2, ENERGY, 900, shanghai(5), 10**9)])
    bench.desk.check_waiting()
    with bench.store.database.read() as connection:
        waiting = connection.execute(select(schema_quality.to_check.c.day)).scalars().all()
    assert waiting == [DAYS.number(dt.date(2026, 3, 5))]


def spoil(bench):
    """One value that went down and up again."""
    rows = a_day(without={50})
    bench.take([*rows, (2, ENERGY, 900, shanghai(3) + 45_000, 10**9)])
    bench.desk.check_waiting()
    (negative,) = bench.found(RuleName.NEGATIVE)
    return negative


def test_a_wrong_value_is_substituted_beside_the_measurement(bench):
    negative = spoil(bench)
    assert negative.severity is Severity.WRONG
    assert bench.desk.blocked([2], DAY, DAY) == {(2, DAY)}
    at = shanghai(3) + 45_000
    number = bench.desk.edit(
        2, CURVE, {at: 10**9 + 50 * STEP}, by="mei", reason="a disturbed frame"
    )
    bench.desk.check_waiting()
    assert bench.found(RuleName.NEGATIVE) == []
    assert bench.desk.blocked([2], DAY, DAY) == set()
    assert bench.curve()[at] == (10**9 + 50 * STEP, Quality.SUBSTITUTED)
    assert bench.curve(edited=False)[at] == (10**9, Quality.ACTUAL)
    (one,) = bench.desk.edit_sets(2)
    assert (one.id, one.made_by, one.reason, one.count) == (number, "mei", "a disturbed frame", 1)
    bench.desk.withdraw(number, by="lu")
    bench.desk.check_waiting()
    assert len(bench.found(RuleName.NEGATIVE)) == 1
    assert bench.curve()[at] == (10**9, Quality.ACTUAL)
    with pytest.raises(LocalError, match="no set of edits"):
        bench.desk.withdraw(number, by="lu")


def test_an_accepted_finding_stays_accepted_while_the_evidence_does(bench):
    negative = spoil(bench)
    key = (2, DAYS.number(DAY), ENERGY, 900, "negative")
    with pytest.raises(LocalError, match="say why"):
        bench.desk.accept(key, by="mei", note=" ")
    bench.desk.accept(key, by="mei", note="the meter was tested")
    assert bench.desk.blocked([2], DAY, DAY) == set()
    bench.take([(2, ENERGY, 900, shanghai(3) + 60, 10**9)])  # the day is validated again
    bench.desk.check_waiting()
    (accepted,) = bench.found(RuleName.NEGATIVE, states=(State.ACCEPTED,))
    assert (accepted.note, accepted.decided_by) == ("the meter was tested", "mei")
    assert accepted.found_at == negative.found_at
    bench.desk.reopen(key, by="lu")
    assert len(bench.found(RuleName.NEGATIVE)) == 1


@pytest.mark.parametrize("method", [Method.INTERPOLATION, Method.PROXY_DAY, Method.PROFILE])
def test_holes_are_estimated_between_readings(bench, method):
    bench.take(a_day(without=range(10, 20)))
    bench.desk.estimate(2, CURVE, (DAY, DAY), method, by="mei", reason="radio was down")
    filled = [value for value, quality in bench.curve().values() if quality is Quality.ESTIMATED]
    assert filled == [10**9 + n * STEP for n in range(10, 20)]
    day = bench.day_kwh()
    assert (day.reconciles, day.complete) == (True, False)  # an estimate is no reading
    with pytest.raises(LocalError, match="no hole between"):
        bench.desk.estimate(2, CURVE, (DAY, DAY), method, by="mei", reason="again")


def test_a_day_without_curve_is_adjusted_from_its_freezes(bench):
    bench.take(a_day(without=range(97)))
    bench.desk.estimate(2, CURVE, (DAY, DAY), Method.ADJUST_FROM_SCALAR, by="m", reason="no curve")
    assert [value for value, _ in bench.curve().values()] == [10**9 + n * STEP for n in range(97)]


def test_a_missing_freeze_is_taken_from_the_curve(bench):
    bench.take(a_day()[:-1])
    daily = (ENERGY, DAY_INTERVAL_S)
    bench.desk.estimate(2, daily, (DAY, DAY), Method.SCALAR_FROM_INTERVAL, by="m", reason="lost")
    assert bench.day_kwh().source == "freeze"
    assert str(bench.day_kwh().kwh) == "9.60"
    with pytest.raises(LocalError, match="does not fill this series"):
        bench.desk.estimate(2, daily, (DAY, DAY), Method.PROXY_DAY, by="m", reason="lost")


def test_a_measurement_that_comes_after_all_takes_its_place(bench):
    bench.take(a_day(without={7}))
    bench.desk.estimate(2, CURVE, (DAY, DAY), Method.INTERPOLATION, by="m", reason="hole")
    at = shanghai(3) + 7 * 900
    assert bench.curve()[at][1] is Quality.ESTIMATED
    bench.take([(2, ENERGY, 900, at, 10**9 + 7 * STEP + 30_000)])
    assert bench.curve()[at] == (10**9 + 7 * STEP + 30_000, Quality.ACTUAL)


def test_rules_may_be_other_for_one_meter(bench):
    off = ChangedRule(Scope.METER, 2, RuleName.NEGATIVE, False, Severity.WRONG, {})
    bench.desk.change_rule(off, by="mei")
    milder = ChangedRule(Scope.ALL, 0, RuleName.MISSING, True, Severity.INFO, {"share": 0.5})
    bench.desk.change_rule(milder, by="mei")
    rows = a_day(without={50})
    bench.take([*rows, (2, ENERGY, 900, shanghai(3) + 45_000, 10**9)])
    bench.desk.check_waiting()
    assert bench.found(RuleName.NEGATIVE) == []
    assert {each.severity for each in bench.found(RuleName.MISSING)} == {Severity.INFO}
    assert len(bench.desk.rules()) == 2
    with pytest.raises(LocalError, match="no bound"):
        bench.desk.change_rule(replace(milder, bounds={"shares": 1.0}), by="mei")


def test_edits_need_a_meter_a_reason_and_values(bench):
    with pytest.raises(LocalError, match="no meter 99"):
        bench.desk.edit(99, CURVE, {0: 1}, by="m", reason="why")
    with pytest.raises(LocalError, match="reason"):
        bench.desk.edit(2, CURVE, {shanghai(3): 1}, by="m", reason="")
    with pytest.raises(LocalError, match="nothing to write"):
        bench.desk.edit(2, CURVE, {}, by="m", reason="why")
    with pytest.raises(LocalError, match="below nought"):
        bench.desk.edit(2, CURVE, {shanghai(3): -1}, by="m", reason="why")


ROWS = a_day(without=set(range(12, 97)))


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    order=st.permutations(range(len(ROWS))),
    cuts=st.lists(st.integers(0, len(ROWS)), max_size=3),
    again=st.lists(st.integers(0, len(ROWS) - 1), max_size=5),
    edit_after=st.integers(0, 3),
)
def test_any_order_of_readings_and_edits_gives_the_same_values(
    tmp_path_factory, order, cuts, again, edit_after
):
    """Readings in any order, in any packs, some twice; an edit of a hole and of a value at any time."""
    bench = Bench(tmp_path_factory.mktemp("any") / "store.sqlite")
    edited = {shanghai(3) + 20 * 900: 10**9 + 2 * 10**6}
    parts, start = [], 0
    for stop in [*sorted(cuts), len(ROWS)]:
        parts.append([ROWS[n] for n in order[start:stop]])
        start = stop
    parts[-1] += [ROWS[n] for n in again]
    for number, part in enumerate(parts):
        if part:
            bench.take(part)
        if number == min(edit_after, len(parts) - 1):
            bench.desk.edit(2, CURVE, edited, by="m", reason="a reading by eye")
    expected = {at: (value, Quality.ACTUAL) for _, _, spacing, at, value in ROWS if spacing == 900}
    expected |= {at: (value, Quality.ESTIMATED) for at, value in edited.items()}
    assert bench.curve() == expected
    bench.store.close()


def freezes(meter, first, values):
    """Freezes of days in a row, None for a hole."""
    return [
        (meter, ENERGY, DAY_INTERVAL_S, shanghai(first) + n * 86_400, value * 10**6)
        for n, value in enumerate(values)
        if value is not None
    ]


def estimated(bench, meter, first, last, method=Method.INTERPOLATION):
    span = (dt.date(2026, 3, first), dt.date(2026, 3, last))
    daily = (ENERGY, DAY_INTERVAL_S)
    bench.desk.estimate(meter, daily, span, method, by="m", reason="hole")
    with bench.store.database.read() as connection:
        dates = (span[0] - dt.timedelta(1), span[1] + dt.timedelta(1))
        found = Reader(connection, DAYS).series([meter], [ENERGY], DAY_INTERVAL_S, dates)
    return [value / 10**6 for value in found[meter, ENERGY].value.tolist()]


def exchanged(bench, at, final, first):
    told = dated.Exchange(at, {"1.8.0": (Decimal(final), Decimal(first))}, {"address": "99"})
    with bench.store.database.write() as connection:
        dated.exchange(connection, 2, told, "ann", NOW)


@pytest.mark.parametrize(
    ("final", "first", "after", "filled"),
    [
        (115, 5_000, 5_025, [110, 5_005, 5_015]),
        (115, 0, 25, [110, 5, 15]),  # to a lower value
        # What was used before the exchange is known from its final reading: never more, never less.
        (102, 0, 38, [102, 18, 28]),
    ],
)
def test_a_hole_over_an_exchange_is_filled_for_each_meter_in_its_time(
    bench, final, first, after, filled
):
    bench.take(freezes(2, 1, [100, None, None, None, after]))
    exchanged(bench, dt.datetime(2026, 3, 2, 12, tzinfo=DAYS.zone), final, first)
    assert estimated(bench, 2, 1, 4) == [100, *filled, after]
    queries = Queries(bench.store.database, DAYS, lambda: NOW)
    days = queries.daily(2, dt.date(2026, 3, 1), dt.date(2026, 3, 4))
    used = [each.kwh for each in days if each.kwh is not None]
    assert (len(used), sum(used)) == (4, final - 100 + after - first)


def test_a_hole_over_the_end_of_the_register_is_filled(bench):
    bench.take(freezes(2, 1, [999_985, None, None, 15]))
    assert estimated(bench, 2, 1, 3) == [999_985, 999_995, 5, 15]


def test_a_hole_over_an_exchange_without_readings_of_the_register_is_refused(bench):
    other = Register("1-0:2.8.0")
    rows = freezes(2, 1, [100, None, None, 7])
    bench.take([(meter, other, *rest) for meter, _, *rest in rows])
    exchanged(bench, dt.datetime(2026, 3, 2, 12, tzinfo=DAYS.zone), 1, 0)
    span = (dt.date(2026, 3, 1), dt.date(2026, 3, 3))
    with pytest.raises(LocalError, match=r"no readings of register 1-0:2.8.0"):
        bench.desk.estimate(
            2, (other, DAY_INTERVAL_S), span, Method.INTERPOLATION, by="m", reason="hole"
        )


@pytest.mark.parametrize(
    ("interval_s", "words"),
    [
        (0, "has no holes"),
        (-900, "has no holes"),
        (1, "has no holes"),
        (7_000, "has no holes"),
        (60, "at most"),
    ],
)
def test_an_interval_that_cannot_be_filled_is_refused(bench, interval_s, words):
    span = (DAY - dt.timedelta(399), DAY)
    with pytest.raises(LocalError, match=words):
        bench.desk.estimate(
            2, (ENERGY, interval_s), span, Method.INTERPOLATION, by="m", reason="hole"
        )
