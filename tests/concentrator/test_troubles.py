"""Trouble that goes on is told at its begin, once an hour, and when it is over; that of a device ends with it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import structlog
from structlog.testing import capture_logs
from tests.concentrator.world import START, play

from kwhub.concentrator.archive import Archive
from kwhub.concentrator.devices import Device, DeviceEvents, Trouble
from kwhub.concentrator.events import Events
from kwhub.concentrator.events_notes import Notes
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.troubles import Troubles
from kwhub.domain.errors import LinkDown
from kwhub.protocols.gdw1376.messages import Reported
from kwhub.runtime.virtual import run_virtual

SHED, YARD = "F0:00:00:00:00:01", "F0:00:00:00:00:02"


def test_what_goes_on_unchanged_is_told_once_an_hour_with_how_often():
    async def main(clock):
        troubles = Troubles(structlog.get_logger(), clock)
        for _ in range(150):  # 2 h 30 min
            troubles.met("bus failed", LinkDown("no answer"), bus="a")
            await clock.sleep(60)
        troubles.met("bus failed", LinkDown("refused"), bus="a")
        troubles.met("bus failed", LinkDown("refused"), bus="b")
        troubles.over("bus failed", "bus works again", bus="a")
        troubles.over("bus failed", "bus works again", bus="a")
        troubles.met("bus failed", LinkDown("refused"), bus="a")

    with capture_logs() as logs:
        run_virtual(main, start=START)
    assert [(log["event"], log["bus"], log.get("error"), log.get("again")) for log in logs] == [
        ("bus failed", "a", "no answer", None),
        ("bus failed", "a", "no answer", 59),
        ("bus failed", "a", "no answer", 59),
        ("bus failed", "a", "refused", 29),
        ("bus failed", "b", "refused", None),
        ("bus works again", "a", None, None),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("confirms", [False, True])
def test_a_head_end_that_lets_us_in_and_hangs_up_fills_no_log(tmp_path, confirms):
    async def story(world):
        world.station.confirming = confirms
        ordinary = world.station._heard

        def heard(event):
            if isinstance(event, Reported):
                world._spawn(world.station.hang_up())
            return ordinary(event)

        world.station._heard = heard
        world.start()
        await world.until(hours=6)
        assert world.concentrator.counters.uplink.failures > 12
        await world.stop()

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", hourly=False)
    told = [log["event"] for log in logs if "uplink" in log["event"]]
    assert 3 <= told.count("uplink failed") <= 12
    assert len(told) <= 20


@pytest.mark.slow
def test_a_head_end_that_is_away_for_hours_fills_no_log(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=20)
        world.station.up = False
        await world.station.hang_up()
        await world.until(hours=5, minutes=20)
        world.station.up = True
        await world.until(hours=6)
        assert world.concentrator.counters.uplink.failures > 40
        await world.stop()

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", hourly=False)
    failed = [log for log in logs if log["event"] == "uplink failed"]
    assert 5 <= len(failed) <= 8
    assert len([log for log in logs if "knows us by [uplink] again" in log["event"]]) == 1


def test_a_meter_that_got_another_device_is_not_in_the_trouble_of_the_old_one(tmp_path):
    async def main(clock):
        outbox = Outbox.open(str(tmp_path / "store.sqlite"))
        notes = Notes(outbox.database, Archive(outbox.database))
        zone = ZoneInfo("Asia/Shanghai")

        def devices():
            return DeviceEvents(notes, Archive(outbox.database), clock, zone, lambda: None)

        devices().found(Device(SHED, (1, 2), Trouble.SILENT))
        await clock.sleep(timedelta(minutes=5).total_seconds())
        devices().found(Device(YARD, (1,), Trouble.NONE))
        assert [each.point for each in notes.abnormal()] == [2]
        events = Events(outbox.database)
        records = events.between(0, events.counters()[1], important=False)
        records += events.between(0, events.counters()[0], important=True)
        assert [event.record.code for event in records] == [60, 60, 60]
        outbox.dismiss([1])
        assert notes.abnormal() == []
        devices().found(Device(SHED, (2,), Trouble.SILENT))
        assert [each.point for each in notes.abnormal()] == [2]  # as new
        outbox.close()

    run_virtual(main, start=START)
