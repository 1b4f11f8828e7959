"""A year of one meter's quarter hours (35,040 values) as the page of the meter draws it in Chromium.

From the call of the address to the moment at which the chart says that it is drawn: page, scripts, data and canvas.
The first time the browser's own memory is empty. Nothing is promised but that it is measured; a second is what a reader
takes for the answer to a click (Nielsen, Usability Engineering, chapter 5).
"""

import asyncio
import datetime as dt
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from playwright.async_api import Page, async_playwright

from benchmarks.result import Result
from kwhub.domain.readings import CURVE_INTERVAL_S
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Area, Config, Meter, Service, Terminal
from kwhub.headend.people.rights import Role
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store.columns import Columns
from kwhub.headend.store.journal import Batch
from kwhub.headend.web.app import create_app, serve
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--disable-gpu", "--no-first-run", *(("--no-sandbox",) if os.geteuid() == 0 else ()))
DAYS = 365
VALUES = DAYS * 96
RUNS = 7
ONE_SECOND_MS = 1000.0
DRAWN = "#curve figure[data-drawn='1'] canvas"


def _filled(path: Path) -> HeadEnd:
    """One meter with a year of its register, up to now."""
    meters = (Meter(address="000000000001", point=1, name="Flat 1"),)
    area = Area(code="A1", name="A", terminal=(Terminal(region="4101", terminal=1, meter=meters),))
    service = Service(store=str(path), uplink="")
    headend = HeadEnd(Config(headend=service, area=(area,)), SystemClock())
    last = int(headend.clock.now().timestamp()) // CURVE_INTERVAL_S * CURVE_INTERVAL_S
    at = last - CURVE_INTERVAL_S * np.arange(VALUES, dtype="<i8")[::-1]
    steps = np.random.default_rng(1).integers(0, 30, VALUES) * 10_000
    columns = Columns(
        (ENERGY,),
        np.ones(VALUES, "<i4"),
        np.zeros(VALUES, "<u2"),
        np.full(VALUES, CURVE_INTERVAL_S, "<i4"),
        at,
        np.cumsum(steps, dtype="<i8"),
        np.full(VALUES, 3, "u1"),
    )
    headend.store.append([Batch(1, dt.datetime.now(dt.UTC), "benchmark", columns)])
    headend.store.pack()
    return headend


async def _drawn(page: Page) -> float:
    """Milliseconds from the call of the page to the drawn chart."""
    began = perf_counter()
    await page.goto(f"/meters/1?days={DAYS + 1}&measure=register", wait_until="commit")
    await page.wait_for_selector(DRAWN)
    return (perf_counter() - began) * 1000


async def _visited(headend: HeadEnd) -> list[float]:
    headend.people.staff.add("bench", "", [Grant(Role.ADMIN.value, 0)])
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.ensure_future(
        serve(create_app(headend), "127.0.0.1", 0, ready=told.set_result)
    )
    base = await told
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await (await browser.new_context(base_url=base)).new_page()
        await page.goto(f"/link/{headend.people.link('bench')}")
        found = [await _drawn(page) for _ in range(RUNS + 1)]
        await browser.close()
    serving.cancel()
    await asyncio.wait([serving])
    return found


def run() -> list[Result]:
    """Nothing where Chromium is not installed."""
    if not CHROMIUM.exists():
        return []
    with TemporaryDirectory() as folder:
        headend = _filled(Path(folder) / "headend.sqlite")
        times = asyncio.run(_visited(headend))
        headend.store.close()
    first, again = times[0], times[1:]
    named = {"first": first, "again, best": min(again), "again, median": median(again)}
    return [
        Result(
            f"a year drawn in Chromium, {name}",
            value,
            ONE_SECOND_MS,
            "ms",
            "a reader's second",
            lower_is_better=True,
        )
        for name, value in named.items()
    ]
