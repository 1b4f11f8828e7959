"""The uplink against a real station session: nothing is lost, nothing known is sent again."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from tests.concentrator.station import SHANGHAI, Station

from kwhub.concentrator.answers import Answers
from kwhub.concentrator.config import Identity, MeterSettings, PlanSettings, UplinkSettings
from kwhub.concentrator.counters import UplinkCounters
from kwhub.concentrator.denials import DENIED
from kwhub.concentrator.outbox import Batch, Outbox, Slot
from kwhub.concentrator.plan import Plan
from kwhub.concentrator.uplink import Uplink
from kwhub.domain.readings import Register
from kwhub.protocols.gdw1376.afn_0d import CurveRequest, DayFreezeRequest
from kwhub.protocols.gdw1376.afn_10 import Forward, ForwardAnswer
from kwhub.protocols.gdw1376.messages import Answered, Denied
from kwhub.protocols.gdw1376.typed import CurrentRequest, read_unit
from kwhub.protocols.gdw1376.units import Unit
from kwhub.runtime.chance import seeded
from kwhub.runtime.tasks import Backoff, supervise
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 2, 12, 1, tzinfo=SHANGHAI)
NOON = int(datetime(2026, 3, 2, 12, tzinfo=SHANGHAI).timestamp())
ADDRESS = "000000000038"
ENERGY = Register("1-0:1.8.0")


class Wire:
    """A bus that answers with what it was asked, later."""

    def __init__(self, clock):
        self.clock = clock
        self.orders = []

    async def forward(self, order):
        self.orders.append(order)
        await self.clock.sleep(5)
        return b"answer to " + order.payload


class World:
    def __init__(self, clock, path):
        self.clock = clock
        self.station = Station(clock)
        self.outbox = Outbox.open(path)
        self.wire = Wire(clock)
        plan = Plan(PlanSettings(tariffs=2), SHANGHAI)
        meters = [plan.meter(MeterSettings(ADDRESS, 1, phases=3))]
        self.uplink = Uplink(
            Identity("4101", 2082),
            UplinkSettings("tcp:head-end:8001"),
            self.outbox,
            Answers(self.outbox, meters, SHANGHAI),
            clock=clock,
            open_link=self._open_link,
            ports={2: self.wire},
            counters=UplinkCounters(),
        )
        self.failures: list[Exception] = []

    async def _open_link(self, address):
        assert address == "tcp:head-end:8001"
        return await self.station.open_link()

    @asynccontextmanager
    async def running(self):
        task = asyncio.get_running_loop().create_task(
            supervise(
                self.uplink.connect,
                clock=self.clock,
                chance=seeded(1),
                backoff=Backoff(1, 60),
                told=self.failures.append,
            )
        )
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.outbox.close()

    def reasons(self):
        rows = self.outbox._database.rows("SELECT DISTINCT withheld FROM reading")
        return " ".join(reason for (reason,) in rows if reason)

    def read(self, *values, register="1-0:1.8.0", interval_s=900, start=NOON, point=1):
        batch = Batch(NOON)
        for index, value in enumerate(values):
            slot = Slot(point, Register(register), interval_s, start + index * interval_s)
            batch.read(slot, ADDRESS, Decimal(value) if value else None, "test")
        self.outbox.keep(batch)
        self.uplink.news.set()


def play(tmp_path, story):
    async def main(clock):
        async with World(clock, str(tmp_path / "store.sqlite")).running() as world:
            await story(world)

    run_virtual(main, start=START)


def test_login_report_confirm_and_news(tmp_path):
    async def story(world):
        world.read("1.00", "1.25")
        await world.clock.sleep(1)
        assert world.uplink.counters.logged_in
        assert world.outbox.counts().waiting == 0
        world.read("1.50", start=NOON + 1_800)
        await world.clock.sleep(3)
        assert list(world.station.values.values()) == [
            Decimal("1.00"),
            Decimal("1.25"),
            Decimal("1.50"),
        ]
        assert (world.uplink.counters.reports, world.station.reports) == (2, 2)
        await world.clock.sleep(700)
        assert world.station.beats == 2
        assert world.station.repeated == []

    play(tmp_path, story)


def test_an_uplink_that_was_gone_for_hours_catches_up(tmp_path):
    async def story(world):
        world.station.up = False
        for hour in range(5):
            for point in range(1, 31):
                start = NOON + hour * 3_600
                world.read("1.00", "1.25", "1.50", "1.75", start=start, point=point)
            await world.clock.sleep(3_600)
        assert world.outbox.counts().waiting == 600
        assert 10 < len(world.failures) < 600  # pauses grow, and have a bound
        world.station.up = True
        await world.clock.sleep(70)
        assert world.outbox.counts().waiting == 0
        assert len(world.station.values) == 600
        assert world.station.repeated == []

    play(tmp_path, story)


def test_a_report_whose_confirmation_is_lost_is_repeated_until_it_is_confirmed(tmp_path):
    async def story(world):
        await world.clock.sleep(1)
        world.station.confirming = False
        world.read("1.00")
        await world.clock.sleep(15)
        assert world.outbox.counts().waiting == 1
        world.station.confirming = True
        await world.clock.sleep(10)
        assert world.outbox.counts().waiting == 0
        assert world.uplink.counters.connects == 1
        world.station.confirming = False
        world.read("2.00", start=NOON + 900)
        await world.clock.sleep(45)  # four times ten seconds, then a new connection
        world.station.confirming = True
        await world.clock.sleep(60)
        assert world.uplink.counters.connects == 2
        assert world.outbox.counts().waiting == 0
        assert len(world.station.values) == 2

    play(tmp_path, story)


def test_a_head_end_that_does_not_know_us_or_denies_is_asked_again_later(tmp_path):
    async def story(world):
        world.station.knows = False
        world.read("1.00")
        await world.clock.sleep(5)
        assert "denies the login" in str(world.failures[0])
        world.station.knows = world.station.denying = True
        await world.clock.sleep(120)
        assert "denies the report" in str(world.failures[-1])
        assert world.uplink.counters.reports_denied > 0
        world.station.denying = False
        await world.clock.sleep(120)
        assert world.outbox.counts().waiting == 0

    play(tmp_path, story)


def test_one_point_that_is_denied_does_not_hold_up_the_others(tmp_path):
    async def story(world):
        world.station.denied = {7}
        for point in range(1, 31):
            world.read("1.00", "1.25", point=point)
        await world.clock.sleep(60)
        assert {key[0] for key in world.station.values} == {*range(1, 31)} - {7}
        assert world.station.repeated == []
        assert (world.outbox.counts().waiting, world.outbox.counts().withheld) == (0, 2)
        assert world.uplink.counters.readings_withheld == 2
        assert world.reasons() == DENIED
        assert world.station.offered < 40

    play(tmp_path, story)


def test_a_denied_reading_that_is_alone_waits_until_another_is_confirmed(tmp_path):
    async def story(world):
        world.station.denied = {1}
        world.read("1.00")
        await world.clock.sleep(900)
        assert (world.outbox.counts().waiting, world.outbox.counts().withheld) == (1, 0)
        assert world.station.offered < 40  # pauses grow
        world.read("2.00", point=2)
        await world.clock.sleep(300)
        assert (world.outbox.counts().waiting, world.outbox.counts().withheld) == (0, 1)

    play(tmp_path, story)


@pytest.mark.slow
def test_a_head_end_that_denies_everything_for_hours_costs_no_reading(tmp_path):
    async def story(world):
        world.station.denying = True
        for point in range(1, 201):
            world.read("1.00", register="1-0:16.7.0", interval_s=3_600, point=point)
        await world.clock.sleep(7_200)
        assert world.outbox.counts().waiting == 200
        world.station.denying = False
        await world.clock.sleep(120)
        assert len(world.station.values) == 200
        assert world.outbox.counts().withheld == 0

    play(tmp_path, story)


def test_what_cannot_be_said_does_not_stand_in_the_way(tmp_path):
    async def story(world):
        world.read("1.0000", "123.0000", "2.0000", register="1-0:16.7.0", interval_s=3_600)
        world.read("1.00")
        await world.clock.sleep(1)
        assert len(world.station.values) == 3
        assert world.outbox.counts().withheld == 1
        assert world.uplink.counters.readings_withheld == 1

    play(tmp_path, story)


def test_what_cannot_be_said_is_withheld_in_one_transaction_for_each_reason(tmp_path):
    async def story(world):
        world.read(*["123.0000"] * 50, register="1-0:16.7.0", interval_s=3_600)
        statements: list[str] = []
        world.outbox._database._connection.set_trace_callback(statements.append)
        await world.clock.sleep(1)
        assert world.outbox.counts().withheld == 50
        assert len([each for each in statements if each.startswith("BEGIN")]) == 1

    play(tmp_path, story)


def answers_to(event, afn):
    assert isinstance(event, Answered)
    return [typed for unit in event.units for typed in read_unit(afn, unit, up=True)]


def test_the_head_end_asks_for_clock_latest_values_and_history(tmp_path):
    async def story(world):
        midnight = NOON - 12 * 3_600
        world.read("11.00", "11.25", None, "11.75")
        for tariff, text in enumerate(["10.00", "4.00", "6.00"]):
            world.read(text, register=f"1-0:1.8.{tariff}", interval_s=86_400, start=midnight)
        world.read("1.2345", register="1-0:16.7.0", interval_s=3_600)
        world.read("0.985", register="1-0:13.7.0", interval_s=3_600)
        await world.clock.sleep(1)
        ask = world.station.ask
        (clock,) = answers_to(await ask(0x0C, Unit((0,), (2,))), 0x0C)
        assert clock.clock == datetime(2026, 3, 2, 12, 1, 1)
        energy, instant = answers_to(
            await ask(0x0C, CurrentRequest(1, 129), CurrentRequest(1, 25), CurrentRequest(9, 25)),
            0x0C,
        )
        assert energy.read_at == datetime(2026, 3, 2, 12, 45)
        assert energy.values == (Decimal("11.75"), None, None)
        assert instant.read_at == datetime(2026, 3, 2, 12)
        assert instant.values["active_power", "total"] == Decimal("1.2345")
        assert instant.values["power_factor", "total"] == Decimal("98.5")
        assert instant.values["voltage", "a"] is None
        curve, freeze = answers_to(
            await ask(
                0x0D,
                CurveRequest(1, 101, datetime(2026, 3, 2, 11, 45), 4),
                DayFreezeRequest(1, 161, date(2026, 3, 1)),
                DayFreezeRequest(1, 161, date(2026, 2, 1)),
                DayFreezeRequest(1, 163, date(2026, 3, 1)),
            ),
            0x0D,
        )
        assert curve.values == (None, Decimal("11.00"), Decimal("11.25"), None)
        assert freeze.values == (Decimal("10.00"), Decimal("4.00"), Decimal("6.00"))
        assert isinstance(await ask(0x0C, CurrentRequest(7, 129)), Denied)
        assert isinstance(await ask(0x0A, Unit((0,), (10,))), Denied)

    play(tmp_path, story)


def test_an_order_goes_to_the_bus_of_its_port_and_reports_go_on_meanwhile(tmp_path):
    async def story(world):
        await world.clock.sleep(1)
        order = asyncio.create_task(world.station.ask(0x10, Forward(2, b"question")))
        await world.clock.sleep(1)
        world.read("1.00")
        await world.clock.sleep(2.5)
        assert world.outbox.counts().waiting == 0
        assert not order.done()
        assert answers_to(await order, 0x10) == [ForwardAnswer(2, b"answer to question")]
        assert isinstance(await world.station.ask(0x10, Forward(9, b"question")), Denied)
        assert isinstance(await world.station.ask(0x10, Unit((0,), (9,), bytes(20))), Denied)

    play(tmp_path, story)


def test_an_order_that_comes_again_is_not_carried_out_again(tmp_path):
    async def story(world):
        await world.clock.sleep(1)
        order = asyncio.create_task(world.station.ask(0x10, Forward(2, b"trip")))
        await world.clock.sleep(1)
        session = world.station.online.machine
        raw = session._outstanding.raw
        await world.station.online.link.write(raw)
        assert answers_to(await order, 0x10) == [ForwardAnswer(2, b"answer to trip")]
        await world.station.online.link.write(raw)
        await world.clock.sleep(9)
        assert len(world.wire.orders) == 1

    play(tmp_path, story)


def test_the_station_sees_utc_times_as_wall_times_of_the_site(tmp_path):
    async def story(world):
        world.read("1.00", start=int(datetime(2026, 3, 2, 4, tzinfo=UTC).timestamp()))
        await world.clock.sleep(1)
        ((key, _),) = world.station.values.items()
        assert key == (1, ENERGY, 900, NOON)

    play(tmp_path, story)
