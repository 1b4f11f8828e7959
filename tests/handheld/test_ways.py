"""The ways to a meter: a serial port, a radio whose far end sleeps, simulated air, Bluetooth; each from a link address."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from tests.bluetooth.stations import METER, free, station
from tests.handheld.world import Outing, made, outing
from tests.identity.field import START, SetClock

from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.exchange.device_messages import WorkMeter
from kwhub.links.address import open_link, parse
from kwhub.links.layers.waking import Dozing
from kwhub.links.pty import open_address
from kwhub.links.radio import air_named
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.device import serve_meters
from kwhub.sim.radio import Air, AirSettings


def through(stage, link):
    """The work of the device with links opened from addresses, as a device in the field does it."""
    tasks = stage.tasks(dial=lambda address: open_link(address, clock=stage.clock))
    tasks.visiting.ways.link = link
    return tasks


async def walked(tasks, *, passes=2):
    """Values by meter, of those that were read."""
    (choice,) = tasks.choices("order")
    async for _ in tasks.collect(choice.places, passes=passes):
        pass
    visits = [tasks.visit(each) for each in choice.places]
    return {each.place.meter: each.values[0] for each in visits if each.read_at is not None}


async def served(link, meters, clock):
    with suppress(LinkDown):
        await serve_meters(link, meters, clock)


def in_real_time(place, main):
    """Run ``main(outing)`` with the machine's own time, as real ports need it."""
    clock = SetClock(SystemClock())
    clock.step_s = (START - datetime.now(UTC)).total_seconds()

    async def go():
        async with asyncio.TaskGroup() as tasks:
            stage = Outing(place, clock, tasks, terminals=1, meters=2)
            await main(stage, tasks)
            for task in list(tasks._tasks):
                task.cancel()
        stage.headend.database.close()

    asyncio.run(go())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["serial", "radio:serial"])
def test_a_meter_is_read_through_a_serial_port_and_a_radio_module_on_one(place, scheme):
    async def main(stage, background):
        await stage.equipped()
        meters = stage.field.meters["t00"]
        port = await open_address(parse("pty:"), stage.clock)
        dozing = Dozing(port, stage.clock) if scheme.startswith("radio") else None
        background.create_task(served(dozing or port, meters, stage.clock))
        seen = await walked(through(stage, f"{scheme}:{port.path}?baud=9600"))
        assert sorted(seen) == sorted(each.address for each in meters)
        assert all(each.unit == "kWh" and each.value for each in seen.values())
        if dozing:
            assert dozing.wakes == 1
        await port.aclose()

    in_real_time(place, main)


def test_terminals_that_sleep_are_woken_over_the_air_and_read(place):
    async def main(stage):
        await stage.equipped(uses=5)
        air = Air(stage.clock, seeded(7), AirSettings(loss=0.05))
        dozing = []
        for number, meters in enumerate(stage.field.meters.values()):
            far = Dozing(air.node(f"t{number}", (40, 60 * number)), stage.clock)
            dozing.append(far)
            stage.field.tasks.create_task(served(far, meters, stage.clock))
        with air_named("street", lambda at: air.node("handheld", at)):
            deaf = await walked(through(stage, "radio:sim:street?wake=0"), passes=1)
            assert deaf == {}
            seen = await walked(through(stage, "radio:sim:street?east=20"), passes=4)
        assert len(seen) == 6
        assert all(each.wakes for each in dozing)
        assert air.lost > 0
        with pytest.raises(ConfigError, match="no simulated air 'street'"):
            await open_link("radio:sim:street", clock=stage.clock)

    outing(place, main)


def test_a_handheld_out_of_range_fails_with_what_was_sent(place):
    async def main(stage):
        await stage.equipped()
        air = Air(stage.clock, seeded(7), AirSettings(loss=0))
        far = Dozing(air.node("t0", (0, 0)), stage.clock)
        stage.field.tasks.create_task(served(far, stage.field.meters["t00"], stage.clock))
        with air_named("street", lambda at: air.node("handheld", at)):
            tasks = through(stage, "radio:sim:street?north=5000")
            visit = await tasks.visiting.read(tasks.places()[0])
        assert (visit.read_at, visit.failure.kind) == (None, "NoAnswer")
        assert {each.direction for each in visit.failure.pieces} == {"tx"}
        assert far.wakes == 0

    outing(place, main)


def test_a_meter_is_read_over_bluetooth(place):
    async def main(stage):
        meter = made(1)
        await stage.working()
        stage.order(meters=(WorkMeter(meter.address),))
        tasks = stage.tasks()
        await tasks.delivery.synchronise()
        air = "air:handheld-test"

        async def attend(link):
            await serve_meters(link, [meter], stage.clock)

        async with station(stage.clock, air, METER, free()) as slave:
            slave.listen(attend, profile="nus", masters_max=1)
            tasks = through(stage, f"ble:{METER}?adapter={air}&security=none")
            seen = await walked(tasks)
            await tasks.visiting.ways.aclose()
        assert list(seen) == [meter.address]
        assert seen[meter.address].unit == "kWh"

    outing(place, main)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("radio:sim:nowhere", "no simulated air 'nowhere'"),
        ("radio:sim:x?speed=1", "unknown option 'speed'"),
        ("radio:tcp:127.0.0.1:1?wake=-1", "option wake must be 0 to 10000"),
        ("radio:serial:/dev/none?awake=0", "option awake must be 1 to 3600"),
        ("radio:what:ever", "unknown scheme 'what'"),
    ],
)
def test_wrong_addresses_are_told(text, told):
    async def main():
        with pytest.raises(ConfigError, match=told):
            await open_link(text, clock=SystemClock())

    asyncio.run(main())
