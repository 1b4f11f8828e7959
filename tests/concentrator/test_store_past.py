"""A store that does not know all any more: what gave way to its limit, and a backup that is hours old."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from tests.concentrator.world import START, play


def hours(count):
    return START + timedelta(hours=count)


@pytest.mark.slow
def test_what_gave_way_is_not_read_again_after_a_wrong_clock(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=3, minutes=30)
        concentrator = world.concentrator
        reported = concentrator.outbox.counts().readings
        assert world.delivered() == world.planned(hours(3))
        concentrator.size.limit_bytes = 1
        assert concentrator.size.make_room() == reported
        concentrator.size.limit_bytes = 1 << 30
        marks = concentrator.outbox.forgotten()
        wanted = world.planned(hours(3))
        for slot in wanted:
            assert marks[slot.point][slot.register, slot.interval_s] >= slot.at
        # The ledger begins anew, as after a clock that was ahead.
        with concentrator.outbox.database.transaction() as connection:
            connection.execute("DELETE FROM progress")
        await world.until(hours=5, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(5))
        assert world.station.repeated == []

    play(story, tmp_path / "store.sqlite", meters=3, hourly=False)


@pytest.mark.slow
@pytest.mark.parametrize("reached", [True, False], ids=["reported", "not reported"])
def test_a_backup_that_is_hours_old_is_filled_up_from_the_meters(tmp_path, reached):
    """Whether the head-end had got what the backup lacks or not; it keeps each value once."""

    async def story(world):
        store, backup = tmp_path / "store.sqlite", tmp_path / "backup.sqlite"
        world.start()
        await world.until(hours=2, minutes=30)
        with closing(sqlite3.connect(store)) as old, closing(sqlite3.connect(backup)) as new:
            old.backup(new)
        world.station.confirming = reached
        await world.until(hours=4, minutes=10)
        await world.stop()
        world.station.confirming = True
        for file in tmp_path.glob("store.sqlite-*"):
            file.unlink()
        shutil.copy(backup, store)
        world.start()
        await world.until(hours=6, minutes=30)
        await world.stop()
        assert world.delivered() == world.planned(hours(6))
        assert world.invented() == []
        again = {key[3] for key in world.station.repeated}
        between = {slot.at for slot in world.planned(hours(4)) - world.planned(hours(2))}
        assert again == (between if reached else set())

    play(story, tmp_path / "store.sqlite", meters=3, hourly=False)
