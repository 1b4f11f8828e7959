"""Every changing conversation against the whole simulated meter, on virtual time over a paced bus."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from kwhub.client import Line
from kwhub.exchange.address import change_address, write_address
from kwhub.exchange.change import Verdict
from kwhub.exchange.clearing import clear_demand, clear_events, clear_meter
from kwhub.exchange.clock import adjust_clock, compare_clock, set_clock
from kwhub.exchange.events import read_events
from kwhub.exchange.freeze import FreezePattern, freeze
from kwhub.exchange.parameters import write_parameter
from kwhub.exchange.passwords import change_password
from kwhub.exchange.ports import Output, set_output
from kwhub.exchange.relay import RelayCommand, control_relay
from kwhub.links.layers import Throttled
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Authority, Key
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

ADDRESS = "000000000038"
ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 9, 4, tzinfo=UTC)  # noon in China
WRITER = Authority(Key(4, "000000"), "00000077")
CLEARER = Authority(Key(2, "000000"), "00000077")
STRANGER = Authority(Key(4, "987654"), "00000077")


def simulated(offset_s=0):
    climate = Climate(1, day_number(date(2026, 1, 5)))
    load = CustomerLoad(Kind.SHOP, 3, climate, utc_offset_s=28_800)
    meter = SimulatedMeter(ADDRESS, load, phases=3, clock=MeterClock(offset_s=offset_s))
    meter.press_programming_key(int(START.timestamp()), for_s=86_400)
    return meter


def on_a_bus(main, meter=None):
    """Run ``main(meter of the face, wall time)`` at 2400 baud."""

    async def go(clock):
        near, far = pair()
        paced = Throttled(near, clock, baud=2400)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve_meters(far, [meter or simulated()], clock))
            line = Line(paced, clock)
            result = await main(
                line.meter(ADDRESS), lambda: clock.now().astimezone(ZONE).replace(tzinfo=None)
            )
            await paced.aclose()
        return result

    return run_virtual(go, start=START)


def test_a_parameter():
    async def main(meter, _now):
        done = await meter.run(write_parameter, 0x04000302, [Decimal(30)], WRITER)
        refused = await meter.run(write_parameter, 0x04000302, [Decimal(15)], STRANGER)
        return done, refused

    done, refused = on_a_bus(main)
    assert done.verdict is Verdict.DONE
    assert refused.verdict is Verdict.REFUSED
    assert refused.after.payload == b"\x30"


def test_a_clock_is_adjusted_once_a_day():
    async def main(meter, now):
        first = await meter.run(adjust_clock, now)
        second = await meter.run(adjust_clock, lambda: now() + timedelta(seconds=60))
        return first, second

    first, second = on_a_bus(main, simulated(offset_s=200))
    assert first.before.offset_s == pytest.approx(200, abs=2)
    assert first.verdict is Verdict.DONE
    assert second.verdict is Verdict.NOT_DONE


def test_a_clock_is_set():
    async def main(meter, now):
        done = await meter.run(set_clock, now, WRITER)
        return done, await meter.run(compare_clock, now)

    done, reading = on_a_bus(main, simulated(offset_s=7000))
    assert done.verdict is Verdict.DONE
    assert reading.is_right


def test_the_relay_and_what_is_recorded_of_it():
    async def main(meter, _now):
        trip = await meter.run(control_relay, RelayCommand.TRIP, CLEARER)
        protect = await meter.run(control_relay, RelayCommand.PROTECT, CLEARER)
        close = await meter.run(control_relay, RelayCommand.CLOSE, CLEARER)
        tripped = await meter.run(control_relay, RelayCommand.TRIP, CLEARER)
        logs = await meter.run(read_events, ["relay_trip", "relay_close"])
        return trip, protect, close, tripped, logs

    trip, protect, close, tripped, (trips, closes) = on_a_bus(main)
    assert trip.verdict is Verdict.DONE
    assert protect.verdict is Verdict.DONE
    assert close.verdict is Verdict.DONE
    assert tripped.verdict is Verdict.REFUSED  # protected
    assert trips.counters[0].value == 1
    assert "00000077" in [value.value for value in trips.records[0].values]
    assert closes.counters[0].value == 1


def test_freezes():
    async def main(meter, _now):
        instant = await meter.run(freeze, FreezePattern.now())
        daily = await meter.run(freeze, FreezePattern.daily(0, 30))
        return instant, daily

    instant, daily = on_a_bus(main)
    assert instant.verdict is Verdict.DONE
    assert daily.verdict is Verdict.DONE


def test_clearing():
    async def main(meter, _now):
        return [
            await meter.run(conversation, CLEARER)
            for conversation in (clear_demand, clear_events, clear_meter)
        ]

    assert [done.verdict for done in on_a_bus(main)] == [Verdict.DONE] * 3


def test_a_password():
    async def main(meter, _now):
        done = await meter.run(change_password, CLEARER.key, Key(4, "654321"))
        after = Authority(Key(4, "654321"))
        return done, await meter.run(write_parameter, 0x04000302, [Decimal(30)], after)

    done, written = on_a_bus(main)
    assert done.verdict is Verdict.DONE
    assert written.verdict is Verdict.DONE


def test_an_address():
    async def main(meter, _now):
        moved = await meter.run(change_address, "000000000123", WRITER)
        return moved, await meter.line.run(write_address("000000000456"))

    moved, given = on_a_bus(main)
    assert (moved.verdict, moved.after) == (Verdict.DONE, "000000000123")
    assert (given.verdict, given.after) == (Verdict.DONE, "000000000456")


def test_the_signal_of_the_terminal():
    async def main(meter, _now):
        return await meter.run(set_output, Output.DEMAND_PERIOD)

    assert on_a_bus(main).verdict is Verdict.TAKEN


def test_what_the_meter_records_of_all_this():
    async def main(meter, now):
        await meter.run(set_clock, now, WRITER)
        await meter.run(write_parameter, 0x04000302, [Decimal(30)], WRITER)
        await meter.run(clear_demand, CLEARER)
        return await meter.run(read_events)

    logs = {log.kind: log for log in on_a_bus(main)}
    assert logs["programming"].counters[0].value >= 1
    assert logs["clock_set"].counters[0].value >= 1
    assert logs["demand_clear"].records
    assert not [kind for kind, log in logs.items() if log.error]
