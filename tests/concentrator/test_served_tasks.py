"""Report tasks of the head-end run on their schedule, and what they say is lost by no power cut."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.concentrator.power import PowerCut, Supply
from tests.concentrator.station import SHANGHAI, Station
from tests.concentrator.world import START, play

from kwhub.cli.app import run
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.outbox import Outbox
from kwhub.concentrator.panel import Panel
from kwhub.concentrator.panel_views import AskNetwork
from kwhub.concentrator.served_task_runs import HOLD_S, TaskReports
from kwhub.concentrator.served_tasks import ReportTask
from kwhub.protocols.gdw1376.afn_0d import CurveUnit, DayFreezeUnit
from kwhub.protocols.gdw1376.formats import A1
from kwhub.protocols.gdw1376.messages import Answered, Confirm, Confirmed, Denied, Deny
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.gdw1376.units import Unit, join_units
from kwhub.runtime.clock import SystemClock

MINUTES, HOURS, DAYS, MONTHS = range(4)
BASE = datetime(2026, 3, 1, 0, 5)
ENERGY, DEMAND, CURVE, FREEZE = 129, 145, 101, 161


class TaskStation(Station):
    """Keeps the reports of class 1 apart, and of class 2 those with the functions of a task."""

    def __init__(self, clock, functions=()):
        super().__init__(clock)
        self.functions = frozenset(functions)
        self.told = []  # wall time and units of each report of a task
        self.answer: Any = Confirm

    def _taken(self, event):
        functions = {function for unit in event.units for function in unit.functions}
        is_class_1 = event.frame.afn == 0x0C
        if is_class_1 or functions <= self.functions:
            self.told.append((self.clock.now().astimezone(SHANGHAI), event.units))
        if is_class_1:
            return [self.answer(event.frame)] if self.answer else []
        return super()._taken(event)


def setting(function, number, units, *, unit, period, base=BASE, factor=1):
    marks = b"".join(each.mark_bytes() for each in units)
    head = bytes([unit << 6 | period]) + A1.encode(WallClock.of(base)) + bytes([factor])
    return Unit((number,), (function,), head + bytes([len(units)]) + marks)


def switch(function, number, *, on=True):
    return Unit((number,), (function,), b"\x55" if on else b"\xaa")


async def online(world, functions=(), **delta):
    world.station = TaskStation(world.clock, functions)
    world.start()
    await world.until(**(delta or {"minutes": 1}))


def times(station):
    return [at.replace(microsecond=0, second=0, tzinfo=None) for at, _ in station.told]


def after(**delta):
    return START.replace(tzinfo=None) + timedelta(**delta)


def test_a_task_of_class_1_runs_while_it_is_on_and_reads_what_the_plan_does_not(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        task = setting(65, 3, [Unit((1, 2), (ENERGY,)), Unit((1,), (DEMAND,))], unit=0, period=30)
        assert isinstance(await ask(4, task), Confirmed)
        await world.until(minutes=50)
        assert world.station.told == []
        assert isinstance(await ask(4, switch(67, 3)), Confirmed)
        await world.until(hours=2, minutes=10)
        assert times(world.station) == [after(minutes=n) for n in (65, 95, 125)]
        for _, units in world.station.told:
            marks = [(unit.points, unit.functions) for unit in units]
            assert marks == [((1,), (ENERGY,)), ((2,), (ENERGY,)), ((1,), (DEMAND,))]
        answer = await ask(0x0B, Unit((3,), (1,)))
        assert isinstance(answer, Answered)
        # The tables do not know what stands in AFN 0B: all of it is one unit.
        assert join_units(answer.units).startswith(join_units(world.station.told[-1][1][:2]))
        assert (await ask(0x0A, Unit((3,), (65,)))).units == (task,)
        assert isinstance(await ask(4, switch(67, 3, on=False)), Confirmed)
        await world.until(hours=4)
        assert len(world.station.told) == 3
        assert world.concentrator.counters.uplink.task_reports == 3
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
def test_a_task_of_class_2_tells_of_its_period_as_soon_as_the_meters_were_read(tmp_path):
    async def story(world):
        await online(world, (CURVE, FREEZE))
        ask = world.station.ask
        curve = setting(
            66, 1, [Unit((1, 4), (CURVE,))], unit=HOURS, period=2, base=after(hours=0), factor=2
        )
        freeze = setting(66, 2, [Unit((0xFFFF,), (FREEZE,))], unit=DAYS, period=1)
        orders = (curve, switch(68, 1), freeze, switch(68, 2))
        assert isinstance(await ask(4, *orders), Confirmed)
        await world.until(hours=4, minutes=50)
        told = world.station.told
        first = [
            each for _, units in told for unit in units for each in read_unit(0x0D, unit, up=True)
        ]
        curves = [
            each for each in first if isinstance(each, CurveUnit) and each.interval_s == 1_800
        ]
        assert {(each.point, each.times()) for each in curves} == {
            (point, tuple(after(hours=begin, minutes=30 * n) for n in range(1, 5)))
            for point in (1, 4)
            for begin in (0, 2)
        }
        values = world.station.values
        for each in curves:
            for time, value in zip(each.times(), each.values, strict=True):
                at = int(time.replace(tzinfo=SHANGHAI).timestamp())
                assert value == values[each.point, "1-0:1.8.0", 900, at]
        await world.until(days=1, minutes=20)
        last = [
            each for _, units in told for unit in units for each in read_unit(0x0D, unit, up=True)
        ]
        days = [each for each in last if isinstance(each, DayFreezeUnit)]
        by_task = [each for each in days if each.day == START.date()]
        # Once by the outbox, once by the task.
        assert Counter(each.point for each in by_task) == dict.fromkeys((1, 2, 3, 4), 2)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_what_a_task_says_survives_a_power_cut_and_comes_once(tmp_path):
    async def story(world):
        await online(world)
        ask = world.station.ask
        task = setting(65, 1, [Unit((1,), (ENERGY,))], unit=HOURS, period=1)
        assert isinstance(await ask(4, task, switch(67, 1)), Confirmed)
        await world.until(minutes=61)
        world.station.answer = None  # the report at 01:05 is heard and not confirmed
        await world.until(minutes=65, seconds=5)
        _, first = world.station.told
        await world.stop()
        await world.until(minutes=70)
        world.station.answer = Confirm
        world.start()
        await world.until(minutes=80)
        assert [units for _, units in world.station.told[1:]] == [first[1], first[1]]
        await world.stop()
        await world.until(hours=5)
        world.start()
        await world.until(hours=6, minutes=30)
        # The runs of four hours without power are one, and then all goes on.
        assert times(world.station)[3:] == [
            after(hours=5),
            after(hours=5, minutes=5),
            after(hours=6, minutes=5),
        ]
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_class_2_makes_up_for_runs_that_were_missed_and_does_not_wait_for_silent_meters_for_ever(
    tmp_path,
):
    async def story(world):
        await online(world, (CURVE,))
        units = [Unit((1,), (CURVE,))]
        task = setting(66, 1, units, unit=HOURS, period=1, base=after(hours=0), factor=4)
        assert isinstance(await world.station.ask(4, task, switch(68, 1)), Confirmed)
        await world.until(minutes=59)
        await world.stop()
        world.station.told.clear()
        await world.until(hours=4, minutes=50)
        world.start()
        await world.until(hours=4, minutes=59)
        (made_up,) = hourly(world.station)
        assert made_up == tuple(after(hours=n) for n in (1, 2, 3, 4))
        world.be_deaf(True)
        await world.until(hours=5, seconds=HOLD_S - 60)
        assert len(hourly(world.station)) == 1
        world.be_deaf(False)
        await world.until(hours=5, seconds=HOLD_S + 120)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def hourly(station):
    """Times of the hourly curves in reports; the outbox itself reports quarters."""
    found = [
        each
        for _, units in station.told
        for unit in units
        for each in read_unit(0x0D, unit, up=True)
    ]
    return [
        each.times() for each in found if isinstance(each, CurveUnit) and each.interval_s == 3_600
    ]


def test_a_denied_report_of_a_task_is_offered_again_and_holds_up_nothing(tmp_path):
    async def story(world):
        await online(world)
        task = setting(65, 1, [Unit((1,), (ENERGY,))], unit=DAYS, period=1)
        assert isinstance(await world.station.ask(4, task, switch(67, 1)), Confirmed)
        world.station.answer = Deny
        await world.until(minutes=40)
        known = len(world.station.values)
        assert len(world.station.told) == 1
        world.station.answer = Confirm
        await world.until(hours=2, minutes=15)
        assert len(world.station.told) == 2
        assert len(world.station.values) > known
        counters = world.concentrator.counters.uplink
        assert (counters.task_reports, counters.task_reports_denied) == (1, 1)
        await world.until(hours=5)
        assert len(world.station.told) == 2
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_a_task_that_makes_no_sense_is_denied(tmp_path):
    async def story(world):
        await online(world)
        units = [Unit((1,), (ENERGY,))]
        good = setting(65, 1, units, unit=HOURS, period=1)
        for order in (
            setting(65, 65, units, unit=HOURS, period=1),
            setting(65, 1, units, unit=HOURS, period=0),
            setting(65, 1, [], unit=HOURS, period=1),
            Unit((1,), (65,), good.data[:1] + b"\xee" * 6 + good.data[7:]),
            Unit((1,), (65,), good.data[:-4] + bytes(4)),
            Unit((1,), (67,), b"\1"),
            Unit((0,), (67,), b"\x55"),
        ):
            assert isinstance(await world.station.ask(4, order), Denied)
        assert isinstance(await world.station.ask(4, good), Confirmed)
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


def test_tasks_are_seen_in_the_ledger_and_on_the_panel(tmp_path, capsys):
    store = tmp_path / "store.sqlite"

    async def story(world):
        await online(world)
        marks = [Unit((1,), (ENERGY,))]
        tasks = [setting(65, 3, marks, unit=MINUTES, period=30), switch(67, 3)]
        tasks += [setting(66, 7, [Unit((1,), (FREEZE,))], unit=DAYS, period=1), switch(68, 7)]
        tasks += [setting(65, 9, marks, unit=HOURS, period=1)]  # is not switched on
        assert isinstance(await world.station.ask(4, *tasks), Confirmed)
        world.station.answer = Deny
        await world.until(minutes=90)
        network = await Panel(world.concentrator).ask(AskNetwork())
        assert (network.tasks, network.task_reports, network.task_reports_waiting) == (2, 1, 3)
        await world.stop()

    play(story, store, hourly=False)
    assert run(["concentrator", "ledger", str(store), "--json"]) in {0, 1}
    told = json.loads(capsys.readouterr().out)
    assert told["task_reports_waiting"] == 3
    assert [(each["class"], each["task"], each["period"]) for each in told["tasks"]] == [
        (1, 3, "30 min"),
        (2, 7, "1 d"),
    ]
    assert told["tasks"][0]["last_run"] == "2026-03-01T17:05:00Z"
    assert run(["concentrator", "ledger", str(store), "--language", "zh"]) in {0, 1}
    told = capsys.readouterr().out
    assert "1类上报任务3：周期30 分钟，上次执行 2026-03-02 01:05" in told
    assert told.endswith("待上报的任务报告：3\n")


@pytest.mark.parametrize(
    ("unit", "period"), [(MINUTES, 7), (HOURS, 5), (DAYS, 3), (MONTHS, 1), (MONTHS, 5)]
)
def test_the_newest_moment_is_the_newest(unit, period):
    base = datetime(2026, 1, 31, 23, 59)
    task = ReportTask(1, 1, unit, period, base, 1, ())
    assert task.moment(0) == base
    for days in range(-800, 800, 11):
        time = base + timedelta(days=days, minutes=days)
        place = task.place_at(time)
        assert task.moment(place) <= time < task.moment(place + 1)
    assert ReportTask(1, 1, MONTHS, 1, base, 1, ()).moment(1) == datetime(2026, 2, 28, 23, 59)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_run_and_its_reports_are_there_both_or_not_at_all(tmp_path, after):
    task = ReportTask(1, 1, HOURS, 1, BASE, 1, (Unit((1,), (ENERGY,)),))
    clock, counters = SystemClock(), UplinkCounters()
    outcomes = set()
    for fatal in range(1, 20):
        path, copy = str(tmp_path / f"store-{fatal}"), tmp_path / f"copy-{fatal}"
        Outbox.open(path).close()
        supply = Supply(10_000, after=after, copy=copy)
        outbox = Outbox.open(path, opener=supply.opener)
        supply.left = fatal
        try:
            TaskReports(outbox.database, clock, counters).done(
                task, 3_600, [b"\1\1\2\1", b"\1\1\2\1"]
            )
        except PowerCut:
            outbox = Outbox.open(str(copy))
        else:
            supply.left = 10_000  # all of its writes were survived
        reports = TaskReports(outbox.database, clock, counters)
        found = []
        while (report := reports.due()) is not None:
            found.append(report.id)
            reports.confirmed(report)
        outcomes.add((reports.last_run(task), len(found)))
        outbox.close()
        if not supply.out:
            break
    assert outcomes == {(None, 0), (3_600, 2)}
