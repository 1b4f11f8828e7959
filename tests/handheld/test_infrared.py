"""Through the infrared window (38 kHz, 1200 baud): tasks of the handheld over simulated light, noise and distance and all."""

from decimal import Decimal

import pytest
from tests.handheld.world import ZONE, made, outing
from tests.sim.prepay_site import METER, Site

from kwhub.exchange.change import Verdict
from kwhub.exchange.device_messages import WorkMeter
from kwhub.exchange.freeze import FreezePattern
from kwhub.handheld.line import ANSWER_S, Line
from kwhub.handheld.records import Place
from kwhub.headend.identity.makers import cost_control
from kwhub.headend.identity.work import NewWork
from kwhub.links.address import open_link
from kwhub.links.layers import Throttled
from kwhub.links.memory import pair
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.device import serve_meters

ALL = ("read", "set-time", "freeze")
WAYS = {"near": "distance=1", "sunny": "distance=4&lux=20000", "echo": "distance=2&echo=0.4"}


def at_the_window(place, story, name, *, way="distance=1", meter=None):
    """Run ``story(stage, tasks, meter)`` with a meter behind its window."""

    async def main(stage):
        shown = meter or made(1, clock=MeterClock(offset_s=90))
        await stage.working()
        stage.order(meters=(WorkMeter(shown.address),), operations=ALL, uses=9)
        tasks = stage.tasks(dial=lambda address: open_link(address, clock=stage.clock))
        tasks.visiting.ways.link = f"ir:sim:{name}?{way}"
        await tasks.delivery.synchronise()
        window = await open_link(f"ir:sim:{name}?{way}", clock=stage.clock)
        served = stage.field.tasks.create_task(serve_meters(window, [shown], stage.clock))
        await story(stage, tasks, shown)
        await tasks.visiting.ways.aclose()
        served.cancel()

    outing(place, main)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_meter_is_read_set_and_frozen_through_its_window(place, way):
    async def story(stage, tasks, meter):
        where = tasks.places()[0]
        visit = await tasks.visiting.read(where)
        assert visit.failure is None
        truth = Decimal(meter.registers.total(visit.read_at)).scaleb(-2)
        assert abs(Decimal(visit.values[0].value) - truth) <= Decimal("0.01")
        assert (await tasks.visiting.set_time(where)).verdict is Verdict.DONE
        assert abs((await tasks.visiting.compare_clock(where)).offset_s) < 5
        frozen = await tasks.visiting.freeze(where, FreezePattern.daily(0, 0))
        assert frozen.verdict is Verdict.DONE
        live = await anext(tasks.visiting.watch(where))
        assert {each.register for each in live if each.value} >= {"1-0:1.8.0", "1-0:32.7.0"}
        assert await tasks.delivery.deliver(finish=False) == 1

    at_the_window(place, story, f"reading-{way}", way=WAYS[way])


@pytest.mark.slow
def test_too_far_away_nothing_comes_and_what_was_sent_is_kept(place):
    async def story(stage, tasks, meter):
        where = tasks.places()[0]
        visit = await tasks.visiting.read(where)
        assert (visit.read_at, visit.failure.kind) == (None, "NoAnswer")
        sent = [each for each in visit.failure.pieces if each.direction == "tx"]
        assert len(sent) == 3
        assert bytes.fromhex(meter.address)[::-1] in sent[0].data
        assert tasks.delivery.waiting == 0
        assert tasks.visit(Place(where.work, where.meter)).attempts == 1

    at_the_window(place, story, "far", way="distance=60&lux=60000")


@pytest.mark.slow
def test_an_order_with_long_frames_is_carried_through_the_window(place):
    """New keys at 600 baud: a frame and its answer take longer on the light than a meter may think."""
    site = Site()

    async def story(stage, tasks, meter):
        headend = stage.headend
        headend.orders._make = cost_control(site.master, stage.clock.now, ZONE)
        number = headend.ordered("device-000001", (METER, "keys", "2"))
        work = NewWork("keys", (WorkMeter(METER),), (), 1, 4, "2", number)
        given = headend.work.give("device-000001", work, "admin")
        await tasks.delivery.fetch()
        began = stage.clock.monotonic()
        ended = await tasks.visiting.carry(given)
        assert (ended.obeyed, ended.detail) == (True, "")
        assert stage.clock.monotonic() - began > 2 * ANSWER_S

    at_the_window(place, story, "keys", way="distance=1&baud=600", meter=site.meter)


def test_a_long_answer_on_a_slow_line_is_waited_for(place):
    async def main(stage):
        near, far = pair(baud=600)
        data = bytes([0x33]) * 200
        body = bytes([0x68, *bytes.fromhex(METER)[::-1], 0x68, 0x91, len(data), *data])
        answer = body + bytes([sum(body) & 0xFF, 0x16])
        line = Line(Throttled(near, stage.clock, baud=600), stage.clock)
        slow = Throttled(far, stage.clock, baud=600)

        async def meter():
            await slow.read()
            await slow.write(answer)

        stage.field.tasks.create_task(meter())
        began = stage.clock.monotonic()
        assert await line.exchange(b"\x68") == answer
        assert stage.clock.monotonic() - began > ANSWER_S

    outing(place, main)
