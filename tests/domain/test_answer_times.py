"""The wait for each meter follows its own answers."""

import pytest

from kwhub.domain.answer_times import METERS_MAX, AnswerTimes

FAST, SLOW = "000000000001", "000000000002"


def test_a_meter_that_was_never_heard_gets_the_first_wait():
    times = AnswerTimes(3.0)
    times.silent(FAST)
    assert times.timeout_s(FAST) == 3.0
    assert times.of(FAST).answers == 0


def test_each_meter_earns_its_own_wait():
    times = AnswerTimes(2.0)
    for _ in range(50):
        times.answered(FAST, 0.03)
        times.answered(SLOW, 2.5)
    assert times.timeout_s(FAST) == times.least_s == 1.0
    assert times.timeout_s(SLOW) == pytest.approx(2.5, abs=0.01)


def test_the_first_answer_leaves_room_for_what_is_not_known_yet():
    times = AnswerTimes(2.0)
    times.answered(SLOW, 1.2)
    assert times.timeout_s(SLOW) == pytest.approx(1.2 + 4 * 0.6)


def test_uneven_answers_widen_the_wait_and_even_ones_narrow_it():
    times = AnswerTimes(2.0)
    for number in range(40):
        times.answered(SLOW, 1.0 if number % 2 else 2.0)
    wide = times.timeout_s(SLOW)
    assert wide > 2.5
    for _ in range(40):
        times.answered(SLOW, 1.5)
    assert times.timeout_s(SLOW) < wide


def test_an_answer_after_a_repeat_only_lengthens_the_wait():
    times = AnswerTimes(2.0)
    times.answered(SLOW, 0.1)
    known = times.of(SLOW).smoothed_s
    times.answered_late(SLOW, 3.0)
    assert times.of(SLOW).smoothed_s == known
    assert times.timeout_s(SLOW) == 4.5
    times.answered(SLOW, 0.1)  # an answer that counts takes over
    assert times.timeout_s(SLOW) == 1.0


@pytest.mark.parametrize("delay_s", [60.0, 1e9])
def test_no_wait_is_longer_than_the_longest(delay_s):
    times = AnswerTimes(2.0)
    times.answered(SLOW, delay_s)
    times.answered_late(SLOW, delay_s)
    assert times.timeout_s(SLOW) == times.most_s == 10.0


def test_the_first_wait_may_lie_outside_the_usual_bounds():
    assert AnswerTimes(0.2).least_s == 0.2
    assert AnswerTimes(30.0).most_s == 30.0


def test_silences_are_counted_until_the_meter_is_heard_again():
    times = AnswerTimes()
    times.answered(FAST, 0.1)
    times.silent(FAST)
    times.silent(FAST)
    assert times.of(FAST).silences == 2
    times.answered(FAST, 0.1)
    assert times.of(FAST).silences == 0


def test_a_clock_that_is_a_hair_off_gives_no_negative_time():
    times = AnswerTimes()
    times.answered(FAST, -0.001)
    assert times.of(FAST).smoothed_s == 0.0


def test_the_memory_has_an_end():
    times = AnswerTimes()
    for number in range(METERS_MAX + 1):
        times.answered(f"{number:012d}", 0.1)
    assert times.of(f"{0:012d}").answers == 0
    assert times.of(f"{METERS_MAX:012d}").answers == 1
