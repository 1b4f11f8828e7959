"""Events that the head-end denies: nothing is lost, nothing is held up."""

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs
from tests.concentrator.test_served_tasks import TaskStation, setting, switch
from tests.concentrator.world import START, play

from kwhub.concentrator.uplink_events import AGAIN_S
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.event_records import EventRecord, read_records
from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.messages import Confirmed, Deny
from kwhub.protocols.gdw1376.units import Unit


class Choosy:
    """Lets the station deny reports that have one of some records."""

    def __init__(self, station):
        self.bad = set()
        self.came = []
        self._reported = station._reported
        station._reported = self.reported

    def reported(self, event):
        if event.frame.afn == afn_0e.AFN:
            last = [each.body[-1] for unit in event.units for each in read_records(unit.data)]
            if self.bad.intersection(last):
                return [Deny(event.frame)]
            self.came += last
        return self._reported(event)


def test_one_bad_record_does_not_hold_up_the_others_and_is_not_lost(tmp_path):
    async def story(world):
        choosy = Choosy(world.station)
        choosy.bad = {3}
        world.start()
        await world.until(minutes=1)
        concentrator = world.concentrator
        body = A15.encode(datetime(2026, 3, 2))
        for number in range(20):
            concentrator.events.add(EventRecord(21, body + bytes([number])), 0, important=True)
        with capture_logs() as lines:
            concentrator.uplink.news.set()
            await world.clock.sleep(60)
        assert choosy.came == [each for each in range(20) if each != 3]
        counters = concentrator.counters.uplink
        assert (counters.events_reported, counters.events_denied) == (19, 1)
        assert [line["number"] for line in lines] == [3]
        assert [each.number for each in concentrator.events.unreported()] == [3]
        choosy.bad = set()
        await world.clock.sleep(AGAIN_S)
        concentrator.uplink.news.set()
        await world.clock.sleep(60)
        assert choosy.came[-1] == 3
        assert counters.connects == 1
        assert concentrator.events.unreported() == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
@pytest.mark.parametrize("afn", [afn_0e.AFN, 0x0C])
def test_reports_of_a_kind_that_is_ignored_hold_up_no_reading(tmp_path, afn):
    async def story(world):
        station = world.station = TaskStation(world.clock)
        ordinary = station._reported
        ignored = []

        def reported(event):
            if event.frame.afn == afn:
                ignored.append(world.clock.monotonic())
                return []
            return ordinary(event)

        station._reported = reported
        world.start()
        await world.until(minutes=1)
        concentrator = world.concentrator
        if afn == 0x0C:
            task = setting(65, 3, [Unit((1,), (129,))], unit=0, period=15)
            assert isinstance(await station.ask(4, task, switch(67, 3)), Confirmed)
        else:
            body = A15.encode(datetime(2026, 3, 2))
            for number in range(3):
                concentrator.events.add(EventRecord(21, body + bytes([number])), 0, important=True)
        await world.until(hours=4, minutes=20)
        assert world.planned(START + timedelta(hours=4)) <= world.delivered()
        assert station.repeated == []
        assert 4 <= concentrator.counters.uplink.failures <= 20  # one in a quarter of an hour
        assert len(ignored) >= 4  # offered again and again
        if afn == afn_0e.AFN:
            assert len(concentrator.events.unreported()) == 3
        station._reported = ordinary
        await world.until(hours=6)
        assert concentrator.events.unreported() == []
        assert bool(station.told) is (afn == 0x0C)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)
