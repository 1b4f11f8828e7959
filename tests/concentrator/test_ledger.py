"""The ledger: every planned value is there, or missing for a cause that can be told."""

import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest
from msgspec import structs
from tests.concentrator.station import SHANGHAI
from tests.concentrator.world import START, play

from kwhub.cli.app import run
from kwhub.concentrator.database import StoreError
from kwhub.concentrator.ledger import LedgerBook, Outline, open_to_read
from kwhub.concentrator.ledger_causes import CAUSES, Cause
from kwhub.concentrator.plan import Why
from kwhub.sim.clockwork import ClockStep, MeterClock
from kwhub.sim.faults import MeterFaults, Span
from kwhub.sim.meter import SimulatedMeter

START_S = int(START.timestamp())
DAY = date(2026, 3, 2)
ZONE = SHANGHAI


def book_of(world):
    return LedgerBook(world.concentrator.outbox.database, ZONE)


def lines(world, *, first=DAY, last=None, points=()):
    now = int(world.clock.now().timestamp())
    return list(book_of(world).lines(first, last or first, now, points))


def swap(world, place, **what):
    """Put another meter with the same address in the place of one in the area."""
    old = place.meter
    settings = {"seed": old.seed, "clock": old.clock, "phases": old.phases, **what}
    meter = SimulatedMeter(old.address, old.load, **settings)
    world.replaced[old.address] = meter
    return meter


def test_a_day_without_trouble_is_complete(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=3, minutes=5)
        found = lines(world)
        assert {(line.point, line.series) for line in found} == {
            (point, series) for point in (1, 2, 3, 4) for series in ("curve", "hourly")
        }
        assert all(line.got == line.expected and not line.missing for line in found)
        assert Outline.of(found).completeness == 1.0
        (freezes,) = lines(world, first=DAY - timedelta(days=1), points=[3])
        assert (freezes.series, freezes.expected, freezes.got) == ("day", 5, 5)
        expected = sum(line.expected for line in found) + 4 * 5
        assert expected == len(world.planned(START + timedelta(hours=3)))
        await world.stop()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_what_a_silent_meter_owes_is_told_as_silent(tmp_path):
    async def story(world):
        dead = world.area.places[0]
        swap(world, dead, faults=MeterFaults(dead=(Span(START_S, START_S + 86_400 * 9),)))
        world.start()
        await world.until(hours=5, minutes=30)
        mine = lines(world, points=[dead.point])
        assert mine
        for line in mine:
            assert line.got == 0 < line.expected
            assert line.causes == {Cause.SILENT: line.expected}
            assert (line.open, line.lost) == (line.expected, 0)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_a_record_that_a_wrong_clock_jumped_over_is_put_down_to_the_clock(tmp_path):
    async def story(world):
        place = world.area.places[0]
        clock = MeterClock(steps=(ClockStep(START_S + 5_000, 1_200),))
        swap(world, place, clock=clock)
        world.start()
        await world.until(hours=30)
        (curve,) = lines(world, points=[place.point])[:1]
        assert curve.series == "curve"
        assert set(curve.causes) == {Cause.CLOCK}
        assert [missing.slot.at for missing in curve.missing] == [START_S + 5_400]
        assert curve.lost == 1
        assert any(error_s > 1_000 for _, error_s in book_of(world).drift(place.point))
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
def test_a_register_that_is_new_to_the_plan_is_read_from_the_past(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=5, minutes=5)
        await world.stop()
        before = {(line.point, line.series): line for line in lines_of(world)}
        assert ("hourly" in {series for _, series in before}) is False
        plan = structs.replace(world.config.plan, hourly=True, curve_minutes=30)
        world.config = structs.replace(world.config, plan=plan)
        world.start()
        await world.until(hours=6, minutes=15)
        await world.stop()
        after = {(line.point, line.series): line for line in lines_of(world)}
        for point in (1, 2, 3, 4):
            assert after[point, "curve"].expected == 13
            assert after[point, "hourly"].expected == 7 * len(registers(world, point))
        assert not [line for line in after.values() if line.got != line.expected]
        assert world.delivered() >= world.planned(START + timedelta(hours=6))
        assert world.station.repeated == []

    def lines_of(world):
        with closing(open_to_read(world.config.concentrator.store)) as database:
            now = int(world.clock.now().timestamp())
            return list(LedgerBook(database, ZONE).lines(DAY, DAY, now))

    def registers(world, point):
        (slots,) = [
            {slot.register for slot in world.planned(START) if slot.point == point}
            for _ in range(1)
        ]
        return {register for register in slots if not register.startswith("1-0:1.8")}

    play(story, tmp_path / "store.sqlite", hourly=False, tariffs=0)


@pytest.mark.slow
def test_a_meter_that_was_silent_from_the_first_day_is_read_from_its_first_day(tmp_path):
    async def story(world):
        place = world.area.places[0]
        swap(world, place, faults=dead_until(80))
        world.start()
        await world.until(hours=83)
        for day in (0, 1, 2):
            (curve,) = lines(world, first=DAY + timedelta(days=day), points=[place.point])[:1]
            assert curve.expected == curve.got == 96
        await world.stop()

    def dead_until(hours):
        return MeterFaults(dead=(Span(START_S - 60, START_S + hours * 3_600),))

    play(story, tmp_path / "store.sqlite", meters=3, hourly=False, tariffs=0)


def test_a_replaced_meter_leaves_its_gaps_with_the_cause(tmp_path):
    async def story(world):
        place = world.area.places[0]
        world.start()
        await world.until(hours=2, minutes=5)
        world.be_deaf(True)
        await world.until(hours=4, minutes=5)
        outbox = world.concentrator.outbox
        world.be_deaf(False)
        outbox.adopt([(place.point, "000000000099")], int(world.clock.now().timestamp()))
        assert all(state.adopted_at for state in outbox.meters() if state.point == place.point)
        assert {gap.cause for gap in outbox.gaps(state="lost")} <= {Cause.REPLACED}
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_every_cause_has_words_in_both_languages():
    assert set(CAUSES) == set(Cause)
    assert all(english and chinese for english, chinese in CAUSES.values())
    assert len(Why) < len(Cause)


def test_the_command_tells_the_ledger_of_a_running_service(tmp_path, capsys):
    path = tmp_path / "store.sqlite"

    async def story(world):
        world.start()
        await world.until(hours=2, minutes=5)
        code = run(["concentrator", "ledger", str(path), "--json", "--last", "2026-03-01"])
        told = json.loads(capsys.readouterr().out)
        assert code == 0
        assert told["expected"] == told["got"] == 20
        assert told["completeness"] == 1.0
        code = run(["concentrator", "ledger", str(path), "--language", "zh", "--point", "2"])
        text = capsys.readouterr().out
        assert "完整率" in text
        assert "尚未抄读" in text
        assert code == 0
        await world.stop()

    play(story, path)


def test_the_command_says_what_is_missing_one_by_one(tmp_path, capsys):
    path = tmp_path / "store.sqlite"

    async def story(world):
        dead = world.area.places[0]
        swap(world, dead, faults=MeterFaults(dead=(Span(START_S, START_S + 86_400),)))
        world.start()
        await world.until(hours=2, minutes=5)
        await world.stop()
        arguments = ["--first", "2026-03-02", "--last", "2026-03-02", "--point", str(dead.point)]
        capsys.readouterr()  # the log of the concentrator in this process
        assert run(["concentrator", "ledger", str(path), "--each", "--json", *arguments]) == 1
        curve = json.loads(capsys.readouterr().out)["lines"][0]
        assert {one["cause"] for one in curve["missing"]} == {"silent"}
        assert run(["concentrator", "ledger", str(path), "--each", *arguments]) == 1
        assert "the meter did not answer" in capsys.readouterr().out

    play(story, path)


def test_a_store_is_not_touched_by_looking(tmp_path):
    with pytest.raises(StoreError, match="no such file"):
        open_to_read(str(tmp_path / "none.sqlite"))
    old = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="start the concentrator of this version once"):
        open_to_read(str(old))
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_the_command_knows_a_wrong_zone_and_an_empty_store(tmp_path, capsys):
    path = tmp_path / "store.sqlite"

    async def story(world):
        world.start()
        await world.stop()

    play(story, path)
    assert run(["concentrator", "ledger", str(path)]) == 2
    assert "nothing was planned yet" in capsys.readouterr().err
    assert run(["concentrator", "ledger", str(path), "--zone", "Mars/Base"]) == 2
    assert "no time zone" in capsys.readouterr().err
