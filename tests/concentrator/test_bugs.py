"""A bug in the reports, the uplink or the watch over the meters is told once, counted, and ends nothing else."""

from datetime import timedelta

from structlog.testing import capture_logs
from tests.concentrator.test_served_tasks import ENERGY, TaskStation, setting, switch
from tests.concentrator.world import START, play

from kwhub.concentrator import report, uplink_setbacks
from kwhub.concentrator.clock_watch import ClockWatch
from kwhub.concentrator.served_task_runs import TaskReports
from kwhub.concentrator.served_tasks import ReportTask
from kwhub.concentrator.uplink import Uplink
from kwhub.concentrator.uplink_setbacks import BROKEN
from kwhub.protocols.gdw1376.messages import Confirmed
from kwhub.protocols.gdw1376.units import Unit


def hours(count):
    return START + timedelta(hours=count)


def bugs_in(logs):
    return [entry for entry in logs if "bug" in entry["event"]]


def test_a_reading_that_meets_a_bug_does_not_hold_up_the_others(tmp_path, monkeypatch):
    """It is offered again the next day, when the bug may be mended."""
    real = report.pack
    bad: set[int] = set()

    def pack(entries, zone, **settings):
        if any(entry.point == 2 and entry.at in bad for entry in entries):
            raise ZeroDivisionError
        return real(entries, zone, **settings)

    async def story(world):
        bad.update(slot.at for slot in world.planned(hours(1)) if slot.interval_s == 900)
        monkeypatch.setattr(uplink_setbacks, "pack", pack)
        world.start()
        await world.until(hours=3, minutes=5)
        kept_back = world.planned(hours(3)) - world.delivered()
        assert {(slot.point, slot.at in bad) for slot in kept_back} == {(2, True)}
        outbox, counters = world.concentrator.outbox, world.concentrator.counters.uplink
        assert outbox.counts().withheld == len(kept_back)
        assert counters.broken > 0
        assert counters.connects == 1
        bad.clear()
        assert outbox.offer_again(BROKEN)
        await world.until(hours=4, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(4))
        assert world.station.repeated == []

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    assert len(bugs_in(logs)) == 1


def test_a_bug_that_meets_every_report_leaves_the_connection_and_the_reading_alone(
    tmp_path, monkeypatch
):
    calls = []

    def broken(self, places=()):
        calls.append(places)
        raise ZeroDivisionError

    async def story(world):
        world.start()
        await world.until(hours=1, minutes=5)
        with monkeypatch.context() as patch:
            patch.setattr(Uplink, "settle", broken)
            await world.until(hours=5, minutes=5)
        counters = world.concentrator.counters.uplink
        assert counters.logged_in
        assert counters.connects == 1
        assert counters.broken == len(calls)
        assert 5 < len(calls) < 20  # the pauses grow
        await world.until(hours=6, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(6))

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    assert len(bugs_in(logs)) == 1


def test_a_bug_in_the_connection_is_tried_again_after_pauses_that_grow(tmp_path, monkeypatch):
    calls = []

    async def broken(self, way=None):
        calls.append(way)
        raise ZeroDivisionError

    async def story(world):
        with monkeypatch.context() as patch:
            patch.setattr(Uplink, "connect", broken)
            world.start()
            await world.until(hours=3, minutes=5)
        assert world.concentrator.counters.uplink.broken == len(calls)
        assert 3 * 12 <= len(calls) < 3 * 30  # at last every 150 to 300 s
        await world.until(hours=4, minutes=5)
        await world.stop()
        assert world.delivered() == world.planned(hours(4))
        assert world.station.repeated == []

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    assert len(bugs_in(logs)) == 1


def test_a_bug_in_the_watch_over_one_meter_costs_neither_the_others_nor_its_readings(
    tmp_path, monkeypatch
):
    real = ClockWatch.visit
    seen = []

    async def visit(self, meter, state, talk, note):
        seen.append(meter.point)
        if meter.point == 1:
            raise ZeroDivisionError
        await real(self, meter, state, talk, note)

    async def story(world):
        monkeypatch.setattr(ClockWatch, "visit", visit)
        world.start()
        await world.until(hours=3, minutes=5)
        await world.stop()
        assert seen.count(1) == seen.count(2) == seen.count(3) == 3  # every hour
        counters = world.concentrator.counters.watch
        assert counters.broken_visits == 3
        assert counters.looks > 0
        assert world.delivered() == world.planned(hours(3))

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    (told,) = bugs_in(logs)
    assert told["meter"]


def test_a_watch_that_meets_a_bug_at_once_pauses(tmp_path, monkeypatch):
    calls = []

    def broken():
        calls.append(1)
        raise ZeroDivisionError

    async def story(world):
        world.start()
        monkeypatch.setattr(world.concentrator.meter_watch, "_pause_s", broken)
        await world.until(hours=3, minutes=5)
        await world.stop()
        assert 3 * 12 <= len(calls) < 3 * 30
        assert world.concentrator.counters.watch.broken_visits == len(calls)
        assert world.delivered() == world.planned(hours(3))

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    assert len(bugs_in(logs)) == 1


async def with_tasks(world, *numbers):
    """A concentrator that runs a task every half hour for each number."""
    world.station = TaskStation(world.clock)
    world.start()
    await world.until(minutes=1)
    for number in numbers:
        task = setting(65, number, [Unit((number,), (ENERGY,))], unit=0, period=30)
        assert isinstance(await world.station.ask(4, task, switch(67, number)), Confirmed)


def test_a_bug_in_a_report_task_costs_neither_the_others_nor_the_readings(tmp_path, monkeypatch):
    real = ReportTask.wanted
    calls = []

    def wanted(self, shelf, after, until):
        if self.number == 1:
            calls.append(until)
            raise ZeroDivisionError
        return real(self, shelf, after, until)

    async def story(world):
        await with_tasks(world, 1, 2)
        with monkeypatch.context() as patch:
            patch.setattr(ReportTask, "wanted", wanted)
            await world.until(hours=4)
        counters = world.concentrator.counters.uplink
        assert counters.tasks_broken == len(calls) == 4  # once an hour
        assert counters.task_reports == len(world.station.told) == 8
        await world.until(hours=5, minutes=4)
        points = {units[0].points for _, units in world.station.told[8:]}
        assert points == {(1,), (2,)}
        await world.stop()
        assert world.delivered() == world.planned(hours(5))

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    (told,) = bugs_in(logs)
    assert (told["data_class"], told["task"]) == (1, 1)


def test_a_bug_before_any_task_is_looked_at_pauses(tmp_path, monkeypatch):
    calls = []

    def broken(self, tasks):
        calls.append(tasks)
        raise ZeroDivisionError

    async def story(world):
        with monkeypatch.context() as patch:
            patch.setattr(TaskReports, "forget_all_but", broken)
            await with_tasks(world, 1)
            await world.until(hours=3, minutes=5)
        assert 3 * 12 <= len(calls) < 3 * 30
        assert world.concentrator.counters.uplink.tasks_broken == len(calls)
        await world.until(hours=4, minutes=5)
        assert world.station.told
        await world.stop()
        assert world.delivered() == world.planned(hours(4))

    with capture_logs() as logs:
        play(story, tmp_path / "store.sqlite", meters=3)
    assert len(bugs_in(logs)) == 1
