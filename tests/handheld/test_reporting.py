"""Readings go to the head-end as they are taken; off-line they wait, and nothing is lost or doubled when it is back."""

from collections import Counter
from contextlib import suppress

import pytest
from tests.handheld.test_tasks import delivered, uploads
from tests.handheld.world import outing

from kwhub.domain.errors import LinkDown, NoAnswer
from kwhub.handheld.reporting import FETCH_S, RETRY_S_MAX, Reach
from kwhub.runtime.chance import seeded


def while_reporting(place, story, **settings):
    """Run ``story(stage, tasks)`` while the device reports."""

    async def main(stage):
        tasks = await stage.equipped(uses=5)
        running = stage.field.tasks.create_task(tasks.reporter.run())
        await stage.clock.sleep(2)
        await story(stage, tasks)
        running.cancel()

    outing(place, main, **settings)


async def heard_again(stage):
    stage.device.deaf = False
    await stage.device.channel.aclose()
    await stage.clock.sleep(2 * RETRY_S_MAX)


async def read(stage, tasks, count, *, then_s=2.0):
    for where in tasks.places()[:count]:
        await tasks.visiting.read(where)
        await stage.clock.sleep(then_s)


def test_each_reading_is_there_before_the_next_meter_is_reached(place):
    async def story(stage, tasks):
        assert tasks.reporter.reach is Reach.ONLINE
        for number, where in enumerate(tasks.places(), 1):
            await tasks.visiting.read(where)
            await stage.clock.sleep(2)
            assert len(delivered(stage)) == number
            assert tasks.delivery.waiting == 0
        assert len(tasks.orders()) == 1  # done, and still there to be looked at
        assert not any(each.finished for each in uploads(stage))
        await tasks.delivery.synchronise()
        assert tasks.orders() == []
        assert sum(each.finished for each in uploads(stage)) == 1
        assert len(delivered(stage)) == 6

    while_reporting(place, story)


def test_offline_they_wait_and_go_by_themselves_when_the_head_end_is_back(place):
    async def story(stage, tasks):
        await read(stage, tasks, 2)
        await stage.offline()
        told = []
        tasks.reporter.told = lambda: told.append(tasks.reporter.reach)
        await read(stage, tasks, 5, then_s=1.0)  # two of them again: five readings wait
        assert tasks.delivery.waiting == 5
        assert tasks.reporter.reach is Reach.OFFLINE
        assert isinstance(tasks.reporter.trouble, LinkDown)
        stage.online()
        await stage.clock.sleep(RETRY_S_MAX + 2)
        assert tasks.delivery.waiting == 0
        assert told[0] is Reach.OFFLINE
        assert set(told[1:]) == {Reach.ONLINE}
        assert Counter(each.meter for each in delivered(stage)).most_common(1)[0][1] == 2
        assert len(delivered(stage)) == 7

    while_reporting(place, story)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_or_doubled_whatever_breaks_and_whoever_delivers(place, seed):
    """The network comes and goes, answers get lost, the device restarts, a person synchronises in between."""

    async def main(stage):
        chance = seeded(seed, "reporting")
        tasks = await stage.equipped(uses=40)
        running = stage.field.tasks.create_task(tasks.reporter.run())
        read_at: Counter[str] = Counter()
        for step in range(60):
            where = tasks.places()[step % 6]
            visit = await tasks.visiting.read(where)
            read_at[where.meter] += visit.read_at is not None
            match chance.randrange(6):
                case 0:
                    stage.device.deaf = not stage.device.deaf
                    await stage.device.channel.aclose()
                case 1:
                    running.cancel()
                    tasks = stage.tasks()  # what stands on the disk, and nothing else
                    running = stage.field.tasks.create_task(tasks.reporter.run())
                case 2:
                    with suppress(LinkDown, NoAnswer):  # a person, at the same time
                        await tasks.delivery.deliver(finish=False)
                case _:
                    pass
            await stage.clock.sleep(chance.uniform(0, 20))
        await heard_again(stage)
        running.cancel()
        assert (tasks.delivery.waiting, sum(read_at.values())) == (0, 60)
        assert Counter(each.meter for each in delivered(stage)) == read_at

    outing(place, main)


def test_new_work_comes_and_recalled_work_goes_by_itself(place):
    async def story(stage, tasks):
        fresh = stage.order(kind="read", note="look at this one", uses=2)
        await stage.clock.sleep(FETCH_S + 2)
        assert fresh in {each.id for each in tasks.orders()}
        stage.headend.work.recall(fresh, "admin")
        await stage.clock.sleep(FETCH_S + 2)
        assert fresh not in {each.id for each in tasks.orders()}

    while_reporting(place, story)


def test_a_device_that_is_sent_away_reports_no_more(place):
    async def story(stage, tasks):
        stage.headend.registry.lock("device-000001", "admin", "suspicion")
        await tasks.visiting.read(tasks.places()[0])
        await stage.clock.sleep(5)
        assert tasks.reporter.reach is Reach.REFUSED
        assert tasks.identity.state.closed == "locked"
        before = len(stage.device.links)
        await stage.clock.sleep(3 * FETCH_S)
        assert len(stage.device.links) == before
        assert delivered(stage) == []

    while_reporting(place, story)
