"""At a collecting terminal: pulses live, a round, the clock, freeze times, and its meters read one by one."""

import pytest
from tests.handheld.terminal_world import ADDRESS, METERS, terminal_at_work
from tests.handheld.world import outing

from kwhub.catalog.terminal_profile import RoundState
from kwhub.domain.errors import LocalError
from kwhub.exchange.change import Verdict
from kwhub.exchange.device_messages import WorkMeter
from kwhub.exchange.freeze import FreezePattern
from kwhub.links.address import open_link

ALL = ("read", "set-time", "freeze")


def at_the_terminal(place, story, *, meters=METERS, **work):
    """Run ``story(stage, tasks, terminal)`` with work at the terminal's measuring points."""

    async def main(stage):
        await stage.working()
        stage.order(meters=meters, operations=ALL, **work)
        tasks = stage.tasks(dial=lambda address: open_link(address, clock=stage.clock))
        await tasks.delivery.synchronise()
        async with terminal_at_work(place, stage.clock, stage.field.tasks) as terminal:
            await story(stage, tasks, terminal)
            await tasks.visiting.ways.aclose()

    outing(place, main)


def test_pulses_of_every_channel_are_seen_as_they_come(place):
    async def story(stage, tasks, terminal):
        where = tasks.places()[0]
        seen = []
        async for channels in tasks.visiting.watch_terminal(where, period_s=10):
            seen.append(channels[0])
            if len(seen) == 4:
                break
        pulses = [each.pulses for each in seen]
        assert pulses == sorted(set(pulses))  # 5 kW and 1600 imp/kWh: 22 every 10 s
        assert 18 <= pulses[1] - pulses[0] <= 27
        assert pulses[-1] <= terminal.box.channels[1].total
        assert all(4 < each.power_kw < 6 for each in seen)
        assert tasks.budget.left(where.meter, "read") == 2  # one use for all of it

    at_the_terminal(place, story)


def test_a_round_is_started_and_the_terminal_has_frozen_its_registers(place):
    async def story(stage, tasks, terminal):
        change = await tasks.visiting.start_round(tasks.places()[0])
        assert change.verdict is Verdict.DONE
        assert change.after.number == terminal.box.round.number == 1
        assert terminal.box.round.state is RoundState.DONE
        assert change.after.channels == frozenset({1, 2})

    at_the_terminal(place, story)


def test_clock_and_freeze_times_are_set(place):
    async def story(stage, tasks, terminal):
        where = tasks.places()[0]
        await stage.clock.sleep(1)
        change = await tasks.visiting.set_time(where)
        assert change.verdict is Verdict.DONE
        assert abs(change.after.offset_s) < 3
        frozen = await tasks.visiting.freeze(where, FreezePattern.daily(6, 30))
        assert frozen.verdict is Verdict.DONE
        assert terminal.box.freeze_times[0] == "99990630"

    at_the_terminal(place, story)


def test_its_meters_are_read_like_any_other(place):
    async def story(stage, tasks, terminal):
        visits = [each async for each in tasks.collect(tasks.places())]
        assert [each.place.meter for each in visits] == [each.address for each in METERS]
        assert [each.values[0].value[:2] for each in visits] == ["10", "20"]
        assert await tasks.delivery.synchronise() == 2

    at_the_terminal(place, story)


def test_a_terminal_whose_name_is_no_address_is_told(place):
    named = (WorkMeter(METERS[0].address, terminal="Pole 7"),)

    async def story(stage, tasks, terminal):
        tasks.visiting.ways.link = f"memory:{ADDRESS}"
        with pytest.raises(LocalError, match="'Pole 7' is no address of a collecting terminal"):
            await tasks.visiting.start_round(tasks.places()[0])
        with pytest.raises(LocalError, match="twelve digits"):
            await anext(tasks.visiting.watch_terminal(tasks.places()[0]))
        assert tasks.budget.left(METERS[0].address, "freeze") == 3

    at_the_terminal(place, story, meters=named)
