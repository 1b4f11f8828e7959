"""Holes of the ledger heal: a whole concentrator against the head-end, with a day's reports lost on the way."""

from collections import Counter

import pytest
from tests.headend.whole import START, play_whole

from kwhub.headend.validation.ledger import State

DAY = START.date()


def holes(headend, *states):
    found, total = headend.ledger.holes(DAY, DAY, states=states or tuple(State), limit=10_000)
    assert len(found) == total
    return found


async def a_day_is_lost(world):
    """Log in to the head-end; then report to a station that confirms everything, until the day is over."""
    headend = world.open_headend()
    world.start()
    await world.online()
    world.lost = True
    await world.hang_up()
    return headend


@pytest.mark.slow
def test_a_day_of_lost_reports_heals_whole(tmp_path):
    async def story(world):
        headend = await a_day_is_lost(world)
        await world.until(hours=25, minutes=40)
        await headend.chores.check()
        before = holes(headend)
        assert before
        assert {each.state for each in before} == {State.OPEN}
        assert {each.cause for each in before} == {"terminal_silent"}
        world.lost = False
        await world.hang_up()
        await world.online()
        await world.until(hours=27)
        after = holes(headend)
        assert {each.key for each in after} == {each.key for each in before}
        assert {each.state for each in after} == {State.HEALED}
        assert [each.got for each in after] == [each.expected for each in after]
        assert {(each.key.interval_s, each.expected) for each in after} == {
            (3_600, 24),
            (86_400, 1),
        }
        await world.stop()
        await world.close_headend()

    play_whole(story, tmp_path, meters=3, curve_minutes=60)


@pytest.mark.slow
def test_what_may_still_come_is_tried_again_with_growing_pauses(tmp_path):
    async def story(world):
        headend = await a_day_is_lost(world)
        world.be_deaf(True)
        await world.until(hours=25, minutes=40)
        await headend.chores.check()
        world.lost = False
        await world.hang_up()
        await world.online()
        await world.until(hours=30)
        waiting = holes(headend, State.OPEN)
        assert {each.cause for each in waiting} == {"silent"}
        assert Counter(each.tries for each in waiting) == {3: len(waiting)}
        assert all(each.next_at > headend.clock.now() for each in waiting)
        world.be_deaf(False)
        await world.until(hours=36)
        assert {each.state for each in holes(headend)} == {State.HEALED}
        await world.stop()
        await world.close_headend()

    play_whole(story, tmp_path, meters=3, hourly=False)
