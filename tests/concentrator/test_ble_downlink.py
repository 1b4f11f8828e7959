"""Meters with Bluetooth below a concentrator: read by the plan, and their troubles reach the head-end."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from tests.bluetooth.nodes import address, node, slave
from tests.bluetooth.stations import showing, station, typing
from tests.concentrator.display_stage import Stage
from tests.concentrator.test_clock_watch import told
from tests.concentrator.test_downlinks import forward, raw645
from tests.concentrator.world import START, World
from tests.headend.web_world import StandingClock, client
from tests.headend.world import config as headend_config

from kwhub.bluetooth.air import Air, AirServer, name_air
from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.replacement import replace_device
from kwhub.concentrator.config import BluetoothMeterSettings, BluetoothSettings, loads
from kwhub.concentrator.devices import Trouble
from kwhub.concentrator.display.preferences import Preferences
from kwhub.concentrator.display.screen import PanelScreen
from kwhub.concentrator.panel import Panel
from kwhub.domain.errors import ConfigError, LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.headend.store import alarm_rows
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376.afn_04 import MeterArchive
from kwhub.protocols.gdw1376.event_records import EventRecord
from kwhub.runtime.clock import SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.device import serve_meters

PORT = 9
TO_ABNORMAL = (*["down"] * 6, "enter")
"""What is abnormal is the seventh line of the screen."""


class BlueWorld(World):
    """The meters of the area, each with a device of its own; the first is point 1."""

    def __init__(self, clock, path, *, headend=None, tasks=None, bluetooth=(), **more):
        super().__init__(clock, path, hourly=False, **more)
        self.air = f"air:{path}"
        self._headend, self._group = headend, tasks
        rows = tuple(
            BluetoothMeterSettings(
                place.meter.address, place.point, device=self.device(place.point)
            )
            for place in self.area.places
        )
        made = {"unsecured": True, "meter": rows, "silent_s": 120.0, **dict(bluetooth)}
        below = BluetoothSettings("yard", self.air, PORT, heartbeat_s=20.0, **made)
        self.config = msgspec.structs.replace(self.config, bus=(), bluetooth=(below,))

    @staticmethod
    def device(point):
        return address(5, point)

    def meter(self, point):
        return next(place.meter for place in self.area.places if place.point == point)

    def at(self, point, *, settings=None, **more):
        """The device at a point, switched on."""
        made = settings or slave(name=f"p{point}", masters_max=1)
        if "bus" not in more:
            more["behind"] = [self.meter(point)]
        return node(self.clock, self.air, self.device(point), made, **more)

    def planned(self, until):
        begin = int(START.timestamp()) - 1
        (bus,) = self.concentrator.buses
        return {
            slot
            for meter in bus.meters
            for series in meter.series
            for slot in bus._plan.slots(series, meter.point, begin, int(until.timestamp()))
        }

    def missing(self, hours):
        return self.planned(START + timedelta(hours=hours)) - self.delivered()

    def troubles(self):
        """Point word, trouble and device of each record."""
        return [(each["point"], each["trouble"], each["device"].hex()) for each in told(self, 60)]

    async def _open_link(self, link):
        if self._headend is None or link != "station:":
            return await super()._open_link(link)
        here, there = pair()
        self._group.create_task(self._headend.attend(there))
        return here


async def screen_of(world, folder):
    """The concentrator's own screen, on the page of what is abnormal."""
    app = PanelScreen(
        Panel(world.concentrator),
        Preferences(folder / "panel.json"),
        clock=world.clock,
        language="en",
    )
    async with app.run_test(size=(100, 30)) as pilot:
        stage = Stage(world, app, pilot)
        await stage.press(*TO_ABNORMAL)
        listed = stage.text
        await stage.press("enter")  # the meter itself
        return listed + stage.text


def play_blue(story, path, **settings):
    async def main(clock):
        return await story(BlueWorld(clock, path, **settings))

    return run_virtual(main, start=START)


@pytest.mark.slow
def test_bluetooth_meters_are_read_by_the_plan_and_caught_up_after_a_silence(tmp_path):
    async def story(world):
        async with world.at(2), world.at(3):
            async with world.at(1):
                world.start()
                await world.until(hours=1, minutes=5)
                assert not world.missing(1)
                raw, took_s = await forward(world, PORT, raw645(world.meter(2).address))
                assert raw[0] == 0x68
                assert took_s < 3
                (bus,) = world.concentrator.buses
                shown = await bus.read_now(bus.meters[0])
                assert shown[0].value
                assert world.troubles() == []
            await world.until(hours=1, minutes=30)
            assert world.troubles() == [(0x8001, 1, "f00000000501")]
            assert [each.kind for each in world.concentrator.notes.abnormal(1)] == ["device"]
            shown = await screen_of(world, tmp_path)
            assert world.meter(1).address in shown
            assert "Bluetooth device" in shown
            async with world.at(1):
                await world.until(hours=2, minutes=20)
                assert not world.missing(2)  # its load record had it all
                assert not world.invented()
                assert not world.station.repeated
                assert world.troubles()[1:] == [(0x0001, 1, "f00000000501")]
                assert world.concentrator.notes.abnormal(1) == []
                await world.stop()

    play_blue(story, tmp_path / "store.sqlite", meters=3)


def test_a_meter_that_the_head_end_adds_is_looked_for_behind_the_gateways(tmp_path):
    gateway = address(5, 1)

    async def story(world):
        behind = [world.meter(point) for point in (1, 2, 3)]
        near, bus = pair()
        serving = asyncio.ensure_future(serve_meters(near, behind, world.clock))
        async with world.at(1, bus=bus):
            world.start()
            await world.until(minutes=2)
            archive = world.concentrator.archive
            line = MeterArchive(7, 7, PORT, 30, behind[1].address, bytes(6), 4, 5, "0" * 12, 0)
            archive.change([line])
            (below,) = world.concentrator.buses
            below.assign(below._plan, archive.meters(below.settings))
            (added,) = [each for each in below.meters if each.point == 7]
            shown = await below.read_now(added)
            assert shown[0].value
            await world.stop()
        serving.cancel()

    more = {"meter": (), "gateways": (gateway,)}
    play_blue(story, tmp_path / "store.sqlite", meters=3, bluetooth=more)


@asynccontextmanager
async def babbling(world, point):
    """A bus on which something that is no frame comes before each answer."""
    near, far = pair()
    inner, bus = pair()

    async def out():
        while True:
            await inner.write(await far.read())

    async def back():
        while True:
            await far.write(b"\x68\x55\x55" + await inner.read())

    tasks = [
        asyncio.ensure_future(work)
        for work in (out(), back(), serve_meters(bus, [world.meter(point)], world.clock))
    ]
    yield near
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)


@pytest.mark.slow
def test_the_head_end_has_alarms_of_unpaired_replaced_and_wrong_devices_and_their_end(tmp_path):
    keys = tmp_path / "yard.keys"

    async def main(clock):
        headend = HeadEnd(headend_config(tmp_path / "headend.sqlite"), clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(headend.run())
            world = BlueWorld(
                clock,
                tmp_path / "store.sqlite",
                headend=headend,
                tasks=tasks,
                meters=3,
                bluetooth={"keys": str(keys), "unsecured": False, "silent_s": 600.0},
            )
            await _scenes(world, keys, lambda: _alarms(headend))
            found = _alarms(headend)
            running.cancel()
            await headend.close()
            return found

    found = run_virtual(main, start=START)
    assert {"trouble not paired", "trouble speaks wrong", "trouble bond lost"} == {
        trouble for _, trouble, _ in found
    }
    assert (2, "trouble not paired", False) in found
    assert (1, "trouble bond lost", True) in found
    for language, words in (("en", _IN_ENGLISH), ("zh-CN", _IN_CHINESE)):
        page = _page_of_alarms(tmp_path / "headend.sqlite", language)
        assert [word for word in words if word not in page] == []


_IN_ENGLISH = ("speaks wrong", "not paired", "bond lost", BlueWorld.device(3))
_IN_CHINESE = ("报文异常", "未配对", "配对丢失")


def _page_of_alarms(path, language):
    """What a person reads on the head-end's page, the alarms that are over included."""
    headend = HeadEnd(headend_config(path), StandingClock())
    with client(headend, **{"Accept-Language": language}) as browser:
        page = browser.get("/alarms?state=all").text
    headend.store.close()
    return page


def _alarms(headend):
    """Point, trouble, and whether it has ended, of every alarm, oldest first."""
    with headend.store.database.read() as connection:
        found, _ = alarm_rows.alarms(connection, AlarmsWanted(descending=False))
    return [
        (each.point, EventRecord(60, each.body).words()[0].split(", ")[2], not each.open)
        for each in found
        if each.code == 60
    ]


async def _pair(world, keys, shown, *points):
    """A person pairs the concentrator's adapter with devices, before or after its work."""
    async with station(world.clock, world.air, None, typing(shown), keys=keys) as own:
        for point in points:
            await own.pair(world.device(point))


async def _replace(world, keys, shown, point):
    """A person has looked: the device was reset, and the meter behind it is the same."""
    device, number = world.device(point), world.meter(point).address

    async def read_number(_link):
        return number

    async with station(world.clock, world.air, None, typing(shown), keys=keys) as own:
        await replace_device(own, device, device, number, read_number)


async def _scenes(world, keys, alarms):
    shown: list[int] = []
    async with AsyncExitStack() as stack:
        garbage = await stack.enter_async_context(babbling(world, 3))
        open_ = slave(inspection=InspectionMode.OFF, masters_max=1)
        third = world.at(3, bus=garbage, pairing=showing(shown), settings=open_)
        await stack.enter_async_context(third)
        async with world.at(1, pairing=showing(shown)):
            await _pair(world, keys, shown, 1, 3)
            world.start()
            await world.until(minutes=5)  # nobody has paired with the device of point 2
            assert sorted(alarms()) == [
                (2, "trouble not paired", False),
                (3, "trouble speaks wrong", False),
            ]
        async with world.at(1, pairing=showing(shown)):  # the same address, and no bond
            await world.until(minutes=12)
            assert (1, "trouble bond lost", False) in alarms()
            await world.stop()
            await _replace(world, keys, shown, 1)
            world.start()
            await world.until(minutes=20)
            assert (1, "trouble bond lost", True) in alarms()
            await world.stop()


SETTINGS = """
[concentrator]
region = "4101"
terminal = 1
[uplink]
address = "tcp:10.0.0.7:4001"
[[bluetooth]]
name = "yard"
adapter = "usb:0"
port = 9
{more}
[[bluetooth.meter]]
address = "000000000038"
point = 1
device = "{device}"
"""


def test_settings_of_bluetooth_meters_are_read_and_mistakes_told():
    good = loads(SETTINGS.format(more='keys = "a.keys"', device="F0:00:00:00:00:01"))
    assert good.bluetooth[0].devices == {"F0:00:00:00:00:01": ("000000000038",)}
    assert list(good.downlinks) == ["bluetooth[0]"]
    with pytest.raises(ConfigError, match="file with the bonds"):
        loads(SETTINGS.format(more="", device="F0:00:00:00:00:01"))
    with pytest.raises(ConfigError, match="six bytes in quotes"):
        loads(SETTINGS.format(more="unsecured = true", device="00:00:00:00:00:01"))
    gateways = ", ".join(f'"F0:00:00:00:01:{n:02}"' for n in range(20))
    more = f"unsecured = true\ngateways = [{gateways}]"
    with pytest.raises(ConfigError, match="more than 20 devices"):
        loads(SETTINGS.format(more=more, device="F0:00:00:00:00:01"))


@pytest.mark.parametrize(
    ("more", "is_right"),
    [
        ("silent_s = 60", False),  # the next sign of life is due then
        ("silent_s = 68", False),  # and not here yet when one was missed
        ("silent_s = 69", True),
        ("heartbeat_s = 180", False),
        ("heartbeat_s = 20\nsilent_s = 29", True),
        ("heartbeat_s = 20\nsilent_s = 29\nanswer_timeout_s = 4", False),
    ],
)
def test_who_is_idle_must_not_count_as_silent(more, is_right):
    text = SETTINGS.format(more=f"unsecured = true\n{more}", device="F0:00:00:00:00:01")
    if is_right:
        assert loads(text).bluetooth[0].silent_s
        return
    told = (
        r"silent_s: must be at least \d+ with heartbeat_s = \d+ and answer_timeout_s = \d; raise it"
    )
    with pytest.raises(ConfigError, match=told):
        loads(text)


def test_an_adapter_that_cannot_be_opened_is_a_link_that_is_down(tmp_path):
    async def story(world):
        (below,) = world.config.bluetooth
        below = msgspec.structs.replace(below, adapter="bluetooth:0")
        world.config = msgspec.structs.replace(world.config, bluetooth=(below,))
        world.start()
        (bus,) = world.concentrator.buses
        await world.until(minutes=1)
        assert bus.is_down
        with pytest.raises(LinkDown):
            await bus.read_now(bus.meters[0])
        await world.stop()

    play_blue(story, tmp_path / "store.sqlite", meters=3)


class Yard:
    """A concentrator on an air behind a port, in true time; what it tells of its devices, changes only."""

    def __init__(self, folder):
        air = Air()
        name_air("yard", air)
        self.server = AirServer(air)
        self.folder = folder
        self.troubles: list[Trouble] = []
        self._latest: dict[str, Trouble] = {}

    async def begin(self):
        await self.server.open(0)
        more = {"gone_s": 1.0}
        store = self.folder / "store.sqlite"
        world = self.world = BlueWorld(SystemClock(), store, meters=3, bluetooth=more)
        world.air = "air:yard"
        (below,) = world.config.bluetooth
        below = msgspec.structs.replace(below, adapter=self.server.adapter)
        world.config = msgspec.structs.replace(world.config, bluetooth=(below,))
        world.start()
        (self.bus,) = world.concentrator.buses
        self._tell, self.bus.on_device = self.bus.on_device, self._look

    def _look(self, device):
        if device.trouble is not self._latest.get(device.address):
            self.troubles.append(device.trouble)
        self._latest[device.address] = device.trouble
        self._tell(device)

    async def until(self, is_so):
        async with asyncio.timeout(30):
            while not is_so():
                await SystemClock().sleep(0.02)


@pytest.mark.slow
def test_an_adapter_that_goes_while_nothing_is_due_is_told_and_opened_again_at_once(tmp_path):
    async def main():
        yard = Yard(tmp_path)
        await yard.begin()
        async with yard.world.at(1), yard.world.at(2), yard.world.at(3):
            fine, silent = [Trouble.NONE] * 3, [Trouble.SILENT] * 3
            await yard.until(lambda: yard.bus.counters.rounds and yard.troubles == fine)
            await yard.server.aclose()
            await yard.until(lambda: yard.bus.is_down and yard.troubles == fine + silent)
            await yard.server.open(int(yard.server.adapter.rpartition(":")[2]))
            await yard.until(lambda: not yard.bus.is_down)
            await yard.until(lambda: len(yard.troubles) >= len(fine + silent + fine))
            await yard.world.stop()
        await yard.server.aclose()
        return yard.troubles

    assert asyncio.run(main()) == [Trouble.NONE] * 3 + [Trouble.SILENT] * 3 + [Trouble.NONE] * 3
