"""The meter's clock: compared, adjusted by 08, set by password."""

from datetime import datetime, timedelta

import pytest
from tests.exchange.obedient645 import ADDRESS, Obedient

from kwhub.domain.errors import LocalError, NoAnswer
from kwhub.exchange.change import Verdict
from kwhub.exchange.clock import (
    SET_ROUNDS_MAX,
    AdjustProblem,
    ClockReading,
    adjust_clock,
    broadcast_clock,
    compare_clock,
    may_adjust,
    set_clock,
)
from kwhub.protocols.dlt645 import Authority, Edition, Key, SetTime, WriteData

WRITER = Authority(Key(4, "123456"))
NOON = datetime(2026, 3, 2, 12, 0)


@pytest.mark.parametrize("edition", list(Edition))
def test_the_offset_of_a_clock(edition):
    peer = Obedient(offset_s=-42.0, edition=edition)
    reading = peer.talk(compare_clock(ADDRESS, peer.true, edition))
    assert reading.offset_s == pytest.approx(-42, abs=reading.uncertainty_s)
    assert not reading.is_right


@pytest.mark.parametrize(
    ("meter", "true", "problem"),
    [
        (NOON + timedelta(seconds=250), NOON, None),
        (NOON - timedelta(seconds=301), NOON, AdjustProblem.TOO_FAR),
        (NOON + timedelta(days=1), NOON, AdjustProblem.TOO_FAR),
        (datetime(2026, 3, 2, 23, 54), datetime(2026, 3, 2, 23, 56), AdjustProblem.NEAR_MIDNIGHT),
        (datetime(2026, 3, 3, 0, 1), datetime(2026, 3, 2, 23, 58), AdjustProblem.NEAR_MIDNIGHT),
        (datetime(2026, 3, 3, 0, 4), datetime(2026, 3, 3, 0, 6), AdjustProblem.NEAR_MIDNIGHT),
        (datetime(2026, 3, 3, 0, 6), datetime(2026, 3, 3, 0, 7), None),
    ],
)
def test_when_a_clock_is_left_alone(meter, true, problem):
    assert may_adjust(ClockReading(meter, true, 0.5)) is problem


@pytest.mark.parametrize("edition", list(Edition))
def test_a_clock_is_adjusted_by_the_order_that_nobody_answers(edition):
    peer = Obedient(offset_s=200.0, edition=edition)
    done = peer.talk(adjust_clock(ADDRESS, peer.true, edition))
    assert done.verdict is Verdict.DONE
    assert done.before.offset_s == pytest.approx(200, abs=2)
    assert done.after.is_right
    assert peer.commands == ["SetTime"]


def test_a_meter_that_was_adjusted_today_ignores_the_order():
    peer = Obedient(offset_s=100.0, deaf=(SetTime,))
    done = peer.talk(adjust_clock(ADDRESS, peer.true))
    assert done.verdict is Verdict.NOT_DONE
    assert done.after.offset_s == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("start", "offset_s"), [(NOON, 400.0), (datetime(2026, 3, 2, 23, 57), 0.0)]
)
def test_no_order_is_sent_that_ought_not_to_be(start, offset_s):
    peer = Obedient(start=start, offset_s=offset_s)
    with pytest.raises(LocalError):
        peer.talk(adjust_clock(ADDRESS, peer.true))
    assert peer.commands == []


def test_all_meters_are_told_the_time():
    peer = Obedient(offset_s=100.0)
    assert peer.talk(broadcast_clock(peer.true)).verdict is Verdict.SENT
    assert peer.offset_s == 0.0


def test_nobody_is_told_the_time_near_midnight():
    with pytest.raises(LocalError):
        next(broadcast_clock(lambda: datetime(2026, 3, 2, 23, 56)))


@pytest.mark.parametrize("edition", list(Edition))
def test_a_clock_is_set_however_far_off_it_is(edition):
    peer = Obedient(offset_s=-40 * 86_400.0 + 4000, edition=edition)
    done = peer.talk(set_clock(ADDRESS, peer.true, WRITER, edition))
    assert done.verdict is Verdict.DONE
    assert done.after.is_right
    assert peer.commands == ["WriteData", "WriteData"]


def test_a_wrong_password_sets_nothing():
    peer = Obedient(offset_s=4000.0)
    done = peer.talk(set_clock(ADDRESS, peer.true, Authority(Key(4, "000000"))))
    assert done.verdict is Verdict.REFUSED
    assert done.after.offset_s == pytest.approx(4000, abs=2)


def test_a_clock_that_moves_although_it_refuses():
    peer = Obedient(offset_s=86_400.0, changes_anyway=True)
    done = peer.talk(set_clock(ADDRESS, peer.true, Authority(Key(4, "000000"))))
    assert done.verdict is Verdict.REFUSED_BUT_CHANGED


def test_the_time_is_written_afresh_after_a_lost_answer():
    """The answer to the time is lost: the second write carries the time of the second write."""
    peer = Obedient(offset_s=4000.0)
    done = peer.talk(set_clock(ADDRESS, peer.true, WRITER), lost=[3])
    assert done.verdict is Verdict.DONE
    times = [request.payload for request in peer.asked if isinstance(request, WriteData)]
    assert len(times) == 4
    assert times[1] != times[3]


def test_midnight_between_date_and_time():
    """The date of yesterday with a time of today would be a day wrong: both are written again."""
    peer = Obedient(start=datetime(2026, 3, 2, 23, 59, 59, 500_000), offset_s=4000.0)
    done = peer.talk(set_clock(ADDRESS, peer.true, WRITER), lost=[2])
    assert done.verdict is Verdict.DONE
    assert peer.clock().date() == datetime(2026, 3, 3).date()


def test_a_meter_that_is_deaf_to_writes():
    peer = Obedient(offset_s=4000.0, deaf=(WriteData,))
    done = peer.talk(set_clock(ADDRESS, peer.true, WRITER))
    assert done.verdict is Verdict.NO_ANSWER
    assert isinstance(done.error, NoAnswer)
    assert done.orders == SET_ROUNDS_MAX
