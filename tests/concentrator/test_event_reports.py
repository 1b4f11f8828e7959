"""Events that the head-end denies: nothing is lost, nothing is held up."""

from datetime import datetime

from structlog.testing import capture_logs
from tests.concentrator.world import play

from kwhub.concentrator.uplink_events import AGAIN_S
from kwhub.protocols.gdw1376 import afn_0e
from kwhub.protocols.gdw1376.event_records import EventRecord, read_records
from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.messages import Deny


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
