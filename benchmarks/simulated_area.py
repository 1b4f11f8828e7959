"""How many meters live how many days in one second of the processor.

Every meter of a few buses at 2400 baud is read every hour for a simulated day, over real DL/T 645
bytes between real sessions: once in the event heap, once on asyncio with a clock that jumps. A
"meter-day" is one meter read 24 times. The second line is the cost of a register alone: two
million of them, as many as a week of sixty meters may need, must not dominate.
"""

import asyncio
import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from benchmarks.result import Result
from kwhub.links.drive import Driver
from kwhub.links.layers import Throttled
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.messages import Data, ReadData
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.bus import MeterBus
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.kernel import Asker, Cable, Kernel, Station
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.noise import mix
from kwhub.sim.shapes import Kind

__all__ = ["run"]

START = datetime(2026, 3, 8, 16, tzinfo=UTC)
BUSES = 10
METERS_PER_BUS = 50
HOURS = 24
BAUD = 2_400
ENERGY_TOTAL = 0x0001_0000
READINGS = BUSES * METERS_PER_BUS * HOURS
METER_DAYS = BUSES * METERS_PER_BUS * HOURS / 24
MINUTES_PER_WEEK = 7 * 24 * 60
REGISTER_READ_US_MAX = 10.0


def _buses() -> list[list[SimulatedMeter]]:
    climate = Climate(1, day_number(START.date()) - 30)
    return [
        [
            SimulatedMeter(
                f"{bus:04d}{number:08d}",
                CustomerLoad(Kind.HOUSEHOLD, mix(bus, number), climate, utc_offset_s=28_800),
            )
            for number in range(METERS_PER_BUS)
        ]
        for bus in range(BUSES)
    ]


def _round(meters: Sequence[SimulatedMeter]) -> Generator[ReadData, Any, int]:
    got = 0
    for meter in meters:
        event = yield ReadData(meter.address, ENERGY_TOTAL)
        got += isinstance(event, Data)
    return got


def _heap() -> int:
    kernel = Kernel(START)
    got: list[int] = []
    for number, meters in enumerate(_buses()):
        cable = Cable(kernel, baud=BAUD)
        asker = Asker(kernel, f"master {number}", Session(Role.MASTER, baud=BAUD), cable)
        Station(kernel, f"bus {number}", MeterBus(meters, epoch_s=START.timestamp()), cable)
        for hour in range(HOURS):
            kernel.at(hour * 3600.0, lambda a=asker, m=meters: a.start(_round(m), got.append))  # type: ignore[misc]
    kernel.run_until(HOURS * 3600.0)
    return sum(got)


async def _collect(meters: Sequence[SimulatedMeter], clock: LoopClock, got: list[int]) -> None:
    ours, theirs = pair()
    paced = Throttled(ours, clock, baud=BAUD)
    driver = Driver(paced, Session(Role.MASTER, baud=BAUD), clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_meters(theirs, meters, clock))
        for hour in range(HOURS):
            await clock.sleep_until(START + timedelta(hours=hour))
            got.append(await driver.run(_round(meters)))
        await paced.aclose()


def _loop() -> int:
    got: list[int] = []

    async def main(clock: LoopClock) -> None:
        async with asyncio.TaskGroup() as tasks:
            for meters in _buses():
                tasks.create_task(_collect(meters, clock, got))

    run_virtual(partial(main), start=START)
    return sum(got)


def _measure(world: Any) -> float:
    """Meter-days a second of CPU. Raises ValueError when a reading is missing."""
    began = time.process_time()
    got = world()
    took_s = time.process_time() - began
    if got != READINGS:
        raise ValueError(f"{got} readings of {READINGS} were got")
    return METER_DAYS / took_s


def _register_read_us() -> float:
    """Microseconds that one register read takes, a minute of the week later each time."""
    load = _buses()[0][0].load
    first_s = int(START.timestamp())
    began = time.process_time()
    for minute in range(MINUTES_PER_WEEK):
        load.joules(first_s + minute * 60)
    return (time.process_time() - began) / MINUTES_PER_WEEK * 1e6


def run() -> list[Result]:
    heap, loop = _measure(_heap), _measure(_loop)
    return [
        Result(
            "simulated_area, event heap",
            ours=heap,
            reference=loop,
            unit="meter-days a CPU second",
            against="asyncio on virtual time",
        ),
        Result(
            "simulated_area, register read",
            ours=_register_read_us(),
            reference=REGISTER_READ_US_MAX,
            unit="us",
            against="what a week of play may cost",
            lower_is_better=True,
            least_ratio=1.0,
        ),
    ]
