"""The whole way of an order, live on the loop: pages, head-end, concentrator, bus, simulated meters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.headend.web_world import NOW, address, filled

from kwhub.concentrator.app import Concentrator
from kwhub.concentrator.config import (
    BusSettings,
    Config,
    Identity,
    MeterSettings,
    PlanSettings,
    UplinkSettings,
)
from kwhub.headend.app import HeadEnd
from kwhub.links.base import Link
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock, LoopClock
from kwhub.sim.climate import Climate
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

__all__ = ["CHINA_S", "PRESENT", "SILENT", "alone", "live"]

CHINA_S = 8 * 3600
PRESENT = (1, 2)
"""Numbers of the meters that are there; every other one of the terminal is silent."""

SILENT = 5
NO_PLAN = PlanSettings(curve_minutes=0, hourly=False, day_freeze=False, history_days=0)


def simulated(number: int) -> SimulatedMeter:
    climate = Climate(seed=7, first_day=int(NOW.timestamp()) // 86_400 - 30)
    load = CustomerLoad(Kind.HOUSEHOLD, number, climate, utc_offset_s=CHINA_S)
    return SimulatedMeter(address(number), load, seed=number, phases=3 if number == 1 else 1)


def concentrator(store: Path, uplink: Link, bus: Link, clock: Clock) -> Concentrator:
    """One that collects nothing by itself, so that the readings of the store stay as they are."""
    ways = {"tcp:127.0.0.1:8001": uplink, "tcp:127.0.0.1:6001": bus}

    async def open_link(name: str) -> Link:
        return ways[name]

    meters = tuple(
        MeterSettings(address=address(number), point=number, phases=3 if number == 1 else 1)
        for number in (*PRESENT, SILENT)
    )
    config = Config(
        concentrator=Identity(region="4101", terminal=2082, store=str(store)),
        uplink=UplinkSettings(address="tcp:127.0.0.1:8001"),
        bus=(
            BusSettings(
                name="bus-1",
                address="tcp:127.0.0.1:6001",
                port=2,
                answer_timeout_s=0.2,
                attempts=1,
                meter=meters,
            ),
        ),
        plan=NO_PLAN,
    )
    return Concentrator(config, clock, chance=seeded(1), open_link=open_link)


@asynccontextmanager
async def alone(folder: Path, clock: Clock) -> AsyncIterator[HeadEnd]:
    """A head-end with its readings, to which nobody is connected."""
    headend = filled(folder / "headend.sqlite", clock)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(headend.run())
            yield headend
            running.cancel()
    finally:
        await headend.close()


@asynccontextmanager
async def live(folder: Path) -> AsyncIterator[HeadEnd]:
    """A head-end with its readings, and one terminal that is logged in. The loop may be real or virtual."""
    clock = LoopClock(NOW)
    headend = filled(folder / "headend.sqlite", clock)
    (upper, uplink), (master, meters) = pair(), pair()
    box = concentrator(folder / "concentrator.sqlite", uplink, master, clock)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work)
                for work in (
                    headend.run(),
                    headend.attend(upper),
                    serve_meters(meters, [simulated(number) for number in PRESENT], clock),
                    box.run(),
                )
            ]
            async with asyncio.timeout(10):
                while not headend.queries.terminals()[0].online:
                    await clock.sleep(0.01)
            yield headend
            for task in running:
                task.cancel()
    finally:
        box.close()
        await headend.close()
