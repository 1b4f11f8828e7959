"""What the screen may ask of a running concentrator, and the live look at one meter."""

import asyncio
import json

import pytest
from msgspec import structs
from tests.concentrator.test_events_watch import trouble
from tests.concentrator.test_ledger import swap
from tests.concentrator.world import START, play

from kwhub.cli.app import run
from kwhub.concentrator.config import MeterSettings
from kwhub.concentrator.panel import Panel
from kwhub.concentrator.panel_live import live_registers
from kwhub.concentrator.panel_views import (
    ROWS_MAX,
    AskAbnormal,
    AskArchive,
    AskBuses,
    AskEvents,
    AskFailures,
    AskHead,
    AskMeter,
    AskNetwork,
    AskSettings,
    AskStatus,
    ReadNow,
)
from kwhub.domain.errors import LinkDown, LocalError, NoAnswer
from kwhub.protocols.gdw1376.event_records import EventRecord

START_S = int(START.timestamp())


@pytest.mark.slow
def test_status_counts_meters_and_what_waits(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=5)
        panel = Panel(world.concentrator)
        head, status = await panel.ask(AskHead()), await panel.ask(AskStatus())
        assert (head.now, head.is_online, head.alarms) == (START_S + 7_500, True, 0)
        assert (head.terminal, head.zone, head.way) == ("4101-02082", "Asia/Shanghai", "uplink")
        assert (status.meters, status.meters_silent, status.buses, status.buses_down) == (
            4,
            0,
            1,
            0,
        )
        assert (status.waiting, status.gaps_open, status.gaps_lost) == (0, 0, 0)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_archive_has_the_newest_energy_of_each_point(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=5)
        archive = await Panel(world.concentrator).ask(AskArchive(1, 2))
        await world.stop()
        assert (archive.total, archive.offset) == (4, 1)
        places = {place.point: place.meter for place in world.area.places}
        assert [row.point for row in archive.rows] == sorted(places)[1:3]
        for row in archive.rows:
            assert row.address == places[row.point].address
            assert row.at == START_S + 7_200
            reported = world.station.values[row.point, "1-0:1.8.0", 900, row.at]
            assert float(row.value or 0) == pytest.approx(float(reported))

    play(story, tmp_path / "store.sqlite")


@pytest.mark.slow
def test_a_silent_meter_stands_among_the_failures_with_its_reason(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=50)
        world.be_deaf(deaf=True)
        await world.until(hours=2, minutes=30)
        panel = Panel(world.concentrator)
        failures = await panel.ask(AskFailures())
        assert failures.total == 4
        assert {row.cause for row in failures.rows} == {"silent"}
        assert (await panel.ask(AskHead())).alarms == 4
        assert (await panel.ask(AskStatus())).meters_silent == 4
        (bus,) = (await panel.ask(AskBuses())).rows
        assert (bus.meters, bus.meters_done, bus.meters_silent, bus.is_up) == (4, 0, 4, True)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_abnormal_meters_are_listed_until_it_is_over_or_they_leave_the_archive(tmp_path, capsys):
    def command():
        code = run(["concentrator", "abnormal", str(tmp_path / "store.sqlite"), "--json"])
        told = json.loads(capsys.readouterr().out)["abnormal"]
        assert code == (1 if told else 0)
        return [(each["point"], each["english"]) for each in told]

    async def story(world):
        swap(world, world.area.places[1], faults=trouble("voltage loss", 2.1, 3.5))
        swap(world, world.area.places[2], faults=trouble("voltage loss", 2.1, 30))
        world.start()
        await world.until(hours=3, minutes=10)
        panel = Panel(world.concentrator)
        listed = await panel.ask(AskAbnormal())
        assert [(row.point, row.kind, row.text_zh) for row in listed.rows] == [
            (2, "voltage_loss", "失压"),
            (3, "voltage_loss", "失压"),
        ]
        assert listed.rows[0].address == world.area.places[1].meter.address
        detail = await panel.ask(AskMeter(2))
        assert detail.abnormal == listed.rows[:1]
        assert command() == [(point, "voltage lost on a phase") for point in (2, 3)]
        await world.until(hours=5)
        assert [row.point for row in (await panel.ask(AskAbnormal())).rows] == [3]
        await world.stop()
        (bus,) = world.config.bus
        kept = tuple(meter for meter in bus.meter if meter.point != 3)
        world.config = structs.replace(world.config, bus=(structs.replace(bus, meter=kept),))
        world.start()
        assert (await Panel(world.concentrator).ask(AskAbnormal())).total == 0
        assert world.concentrator.notes.abnormal() == []
        assert command() == []
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_a_round_makes_progress(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=2, minutes=30)
        buses = await Panel(world.concentrator).ask(AskBuses())
        await world.stop()
        assert buses.hour == START_S + 7_200
        assert [(bus.meters, bus.meters_done) for bus in buses.rows] == [(4, 4)]

    play(story, tmp_path / "store.sqlite")


def test_read_now_brings_every_register_with_its_unit(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=30)
        panel = Panel(world.concentrator)
        three = next(place for place in world.area.places if place.meter.phases == 3)
        snapshot = await panel.ask(ReadNow(three.point))
        detail = await panel.ask(AskMeter(three.point))
        await world.stop()
        assert snapshot.address == three.meter.address
        assert [value.error for value in snapshot.values] == [""] * len(snapshot.values)
        units = {value.register: value.unit for value in snapshot.values}
        assert {units[f"1-0:{phase}.7.0"] for phase in (32, 52, 72)} == {"V"}
        assert {units[f"1-0:{phase}.7.0"] for phase in (31, 51, 71)} == {"A"}
        assert units["1-0:1.8.0"] == "kWh"
        assert str(snapshot.meter_clock).startswith("2026-03-02 01:3")
        assert 0 < snapshot.took_s < 10
        assert (detail.phases, detail.protocol) == (3, "dlt645-2007")
        assert detail.readings[0].register == "1-0:1.8.0"
        assert (detail.last_contact or 0) > START_S + 3_600

    play(story, tmp_path / "store.sqlite", meters=6)


@pytest.mark.slow
def test_read_now_goes_before_the_plan(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, seconds=61)
        (bus,) = world.concentrator.buses
        sessions = bus.counters.sessions
        await Panel(world.concentrator).ask(ReadNow(world.area.places[-1].point))
        in_between = bus.counters.sessions - sessions
        await world.until(hours=1, minutes=20)
        assert in_between <= 2
        assert bus.counters.sessions - sessions > 8
        await world.stop()

    play(story, tmp_path / "store.sqlite", meters=24)


@pytest.mark.slow
def test_read_now_may_be_given_up_and_harms_nobody(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=50)
        panel = Panel(world.concentrator)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await panel.ask(ReadNow(world.area.places[0].point))
        assert (await panel.ask(ReadNow(world.area.places[1].point))).values
        await world.until(hours=3, minutes=5)
        await world.stop()
        assert world.concentrator.counters.as_dict()["uplink"]["failures"] == 0
        assert world.invented() == []

    play(story, tmp_path / "store.sqlite")


def test_read_now_tells_silence_and_a_bus_that_is_down(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=50)
        panel = Panel(world.concentrator)
        world.be_deaf(deaf=True)
        with pytest.raises(NoAnswer):
            await panel.ask(ReadNow(world.area.places[0].point))
        with pytest.raises(LocalError, match="no point 99"):
            await panel.ask(ReadNow(99))
        await world.stop()
        with pytest.raises(LinkDown):
            await panel.ask(ReadNow(world.area.places[0].point))

    play(story, tmp_path / "store.sqlite")


def test_events_come_newest_first_in_both_languages(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=5)
        events = world.concentrator.events
        before = (await Panel(world.concentrator).ask(AskEvents())).total
        events.add(
            EventRecord(37, bytes.fromhex("3510020326 0180 00")), START_S + 10, important=True
        )
        events.add(EventRecord(3, bytes.fromhex("3610020326 01")), START_S + 900, important=False)
        found = await Panel(world.concentrator).ask(AskEvents(0, 1))
        assert found.total == before + 2
        assert (found.rows[0].code, found.rows[0].is_important) == (3, False)
        (older,) = (await Panel(world.concentrator).ask(AskEvents(1, 1))).rows
        assert older.code == 37
        assert "p1 begins" in older.text_en
        assert "测量点1发生" in older.text_zh
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_network_and_settings(tmp_path):
    async def story(world):
        world.start()
        await world.until(hours=1, minutes=5)
        panel = Panel(world.concentrator)
        network = await panel.ask(AskNetwork())
        assert (network.uplinks[0].address, network.is_online) == ("station:", True)
        assert (network.connects, network.uplinks[0].last_failure) == (1, "")
        assert network.readings_delivered > 0
        rows = dict((await panel.ask(AskSettings())).rows)
        assert (rows["concentrator.region"], rows["plan.curve_minutes"]) == ("4101", "15")
        await world.stop()

    play(story, tmp_path / "store.sqlite")


def test_lists_are_cut_into_pieces(tmp_path):
    async def story(world):
        world.start()
        await world.until(minutes=5)
        panel = Panel(world.concentrator)
        assert len((await panel.ask(AskArchive(-5, 10_000))).rows) == 4 < ROWS_MAX
        assert (await panel.ask(AskArchive(500, 5))).rows == ()
        assert (await panel.ask(AskFailures(0, -1))).rows == ()
        await world.stop()

    play(story, tmp_path / "store.sqlite")


@pytest.mark.parametrize(("phases", "count"), [(1, 8), (3, 18)])
def test_a_live_look_knows_the_phases(phases, count):
    meter = MeterSettings("000000000001", 1, phases)
    assert len(set(live_registers(meter))) == count
