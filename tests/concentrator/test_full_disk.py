"""A store that cannot be written, at any moment and for any time: nothing is lost, and reading goes on afterwards."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.concentrator.failing_store import FailingStore
from tests.concentrator.world import START, play

from kwhub.cli.logs import configure
from kwhub.concentrator.database import open_file


def hours(count):
    return START + timedelta(hours=count)


class FullDisk:
    """A store whose file can be kept from growing."""

    def opener(self, path):
        self.connection = open_file(path)
        return self.connection

    def fill(self):
        self.connection.execute("PRAGMA max_page_count = 1")  # means: as large as it is

    def free(self):
        self.connection.execute("PRAGMA max_page_count = 100000")


@pytest.mark.parametrize("log", [None, "/dev/full"], ids=["log", "log on the same disk"])
def test_a_disk_that_is_full_for_hours_loses_nothing(tmp_path, log):
    async def story(world):
        disk = FullDisk()
        world.start(disk.opener)
        await world.until(hours=2, minutes=5)
        disk.fill()
        await world.until(hours=6, minutes=5)
        assert len(world.delivered()) < len(world.planned(hours(6)))
        (bus,) = world.concentrator.counters.buses.values()
        assert bus.sessions <= 4 * 5  # what cannot be kept is not asked again and again
        disk.free()
        await world.until(hours=7, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(7))
        assert world.station.repeated == []

    if log is not None:
        configure("warning", path=Path(log))
    play(story, tmp_path / "store.sqlite")


MINUTES = (1, 20, 70)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "step"), [("write", 1), ("commit", 1), ("all", 61)])
def test_a_store_that_fails_from_any_statement_on_for_any_time_loses_nothing(tmp_path, which, step):
    """The trouble begins at the first, second, ... statement of an hour, in a round or between rounds."""

    def hit(at, minutes):
        async def story(world):
            store = FailingStore(which)
            task = world.start(store.opener)
            await world.until(minutes=55)
            store.left = at
            while not store.failed and world.clock.now() < hours(2):
                await world.clock.sleep(5)
            if store.failed:
                await world.clock.sleep(minutes * 60)
            store.left = None
            await world.until(hours=2 + minutes // 60, minutes=45)
            assert not task.done()
            await world.stop()
            assert world.delivered() == world.planned(hours(2 + minutes // 60))
            assert world.station.repeated == []
            assert world.invented() == []
            return store.failed

        file = tmp_path / f"{which}-{at}.sqlite"
        return play(story, file, meters=3, tariffs=0)

    at = tried = 0
    while hit(at, MINUTES[tried % len(MINUTES)]):
        at, tried = at + step, tried + 1
    assert tried > 3
