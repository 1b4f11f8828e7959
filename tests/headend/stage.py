"""A head-end at work on virtual time, and concentrators that connect to it."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from tests.headend.concentrator import FakeConcentrator
from tests.headend.world import DAYS, NOON, config

from kwhub.domain.readings import Register
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config
from kwhub.links.memory import pair
from kwhub.protocols.gdw1376.afn_0d import CurveUnit
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

__all__ = ["CURVE", "DAY", "ENERGY", "WALL", "connect", "curve_of", "play"]

ENERGY = Register("1-0:1.8.0")
DAY = dt.date(2026, 3, 3)
WALL = dt.datetime(2026, 3, 3)
CURVE = CurveUnit(2, 101, WALL, (Decimal("1.25"), None, Decimal("1.5")))
"""Three values of meter 2, the second one missing."""


Script: TypeAlias = Callable[[HeadEnd, asyncio.TaskGroup], Awaitable[None]]


def play(tmp_path: Path, script: Script, *, settings: Config | None = None) -> None:
    """Run a script(headend, tasks) on virtual time with the head-end at work around it."""

    async def main(clock: LoopClock) -> None:
        headend = HeadEnd(settings or config(tmp_path / "headend.sqlite"), clock)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(headend.run())
            await script(headend, tasks)
            running.cancel()
            await headend.close()

    run_virtual(main, start=NOON)


def connect(headend: HeadEnd, tasks: asyncio.TaskGroup, **options: Any) -> FakeConcentrator:
    """A concentrator on a memory link."""
    here, there = pair()
    tasks.create_task(headend.attend(there))
    concentrator = FakeConcentrator(here, headend.clock, **options)
    tasks.create_task(concentrator.run())
    return concentrator


def curve_of(headend: HeadEnd) -> list[Decimal | None]:
    """The first hour of meter 2, as a page sees it."""
    start = DAYS.start(DAY)
    return headend.queries.curve(2, ENERGY, start, start + dt.timedelta(hours=1)).values
