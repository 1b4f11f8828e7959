"""A meter that a module finds and nobody knows is told to the head-end once (ERC 35)."""

import pytest
from tests.concentrator import world as worlds
from tests.concentrator.downworld import play_down
from tests.concentrator.station import SHANGHAI
from tests.concentrator.test_clock_watch import told
from tests.concentrator.world import play
from tests.sim.plc_world import addresses

from kwhub.concentrator import events_unknown
from kwhub.concentrator.archive import Archive
from kwhub.concentrator.events import Events
from kwhub.concentrator.events_notes import Notes
from kwhub.concentrator.events_unknown import UnknownMeters
from kwhub.concentrator.outbox import Outbox
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.gdw1376_2.afn_06 import DeviceReport, FoundDevice, SlaveReport
from kwhub.protocols.gdw1376_2.tables import read_unit
from kwhub.runtime.clock import SystemClock
from kwhub.sim.device import serve_meters

OURS = addresses(2)[0]
COLLECTOR = FoundDevice("000000800001", 2, 3, 0, (("000000700098", 1), (OURS, 2)))
DEVICES = DeviceReport((FoundDevice("000000700099", 2, 2, 1), COLLECTOR))


def test_strangers_are_told_once_whatever_is_said_again(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=10)
        await world.say(SlaveReport(((OURS, 2, 1), ("000000700099", 2, 2))))
        await world.until(minutes=11)
        assert set(world.bus("module-1").reports.unknown) == {"000000700099"}
        await world.say(DEVICES)
        await world.until(minutes=12)
        await world.stop()
        world.start()
        await world.until(minutes=22)
        await world.say(DEVICES)
        await world.until(minutes=40)
        assert [each["meter [1]"].hex() for each in told(world, 35)] == [
            "990070000000001e",
            "9800700000000001",
        ]
        assert [each["port"] for each in told(world, 35)] == [31, 31]
        assert world.concentrator.events.unreported() == []
        await world.stop()

    play_down(story, tmp_path / "store.sqlite", plc=2)


class Hasty:
    """The meters' end of a wire on which others answer, too, each so many times."""

    def __init__(self, far, others):
        self._far = far
        self._others = [other for other, times in others for _ in range(times)]

    def __getattr__(self, name):
        return getattr(self._far, name)

    async def write(self, data):
        first = self._others.pop().to_bytes() if self._others else b""
        await self._far.write(first + data)


@pytest.mark.slow
def test_who_answers_twice_on_a_wire_and_is_not_in_the_archive_is_told_once(tmp_path, monkeypatch):
    known = []
    others = [
        (Frame645("000000700091", 0x91, bytes(8)), 3),
        (Frame645("000000700090", 0x81, bytes(6)), 2),
        (Frame645("000000700092", 0x91, bytes(8)), 1),  # once only: may be a damaged one
    ]

    def serve_all(far, meters, clock):
        late = [(Frame645(meters[0].address, 0x91, bytes(8)), 3)]  # is in the archive
        known.append(meters[0].address)
        return serve_meters(Hasty(far, others + late), meters[1:], clock)

    monkeypatch.setattr(worlds, "serve_meters", serve_all)

    async def story(world):
        world.start()
        await world.until(minutes=40)
        told_of = [(each["meter [1]"].hex(), each["port"]) for each in told(world, 35)]
        port = world.config.bus[0].port
        assert sorted(told_of) == [("9000700000000001", port), ("910070000000001e", port)]
        assert known
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_only_so_many_strangers_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(events_unknown, "STRANGERS_MAX", 3)
    outbox = Outbox.open(str(tmp_path / "store.sqlite"))
    archive, events = Archive(outbox.database), Events(outbox.database)
    rung = []
    unknown = UnknownMeters(
        Notes(outbox.database, archive), archive, SystemClock(), SHANGHAI, lambda: rung.append(1)
    )
    for number in range(5):
        unknown.found(31, f"{number:012d}", is_old=False)
    assert len(events.unreported()) == len(rung) == 3
    outbox.close()


def test_a_report_of_devices_has_the_meters_below_collectors():
    data = DEVICES.to_data()
    assert read_unit(0x06, 4, data, up=True) == DEVICES
    assert DEVICES.meters == {"000000700099": 2, "000000700098": 1, OURS: 2}
    for size in range(len(data)):
        assert read_unit(0x06, 4, data[:size], up=True) is None
