"""How much memory a concentrator with 1,000 meters takes: the command itself, in a process of its own.

``kwhub concentrator run`` reads a day of load records, freezes and present values from 1,000 meters on eight
buses and reports to a head-end, all over loopback TCP; meters and head-end live in the process of the benchmark.
When everything was read, the kernel says how much memory was resident at the most (``VmHWM``). The
reference is what was promised for a small gateway box.
"""

import asyncio
import logging
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import structlog

from benchmarks.result import Result
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Area, Config, Meter, Service, Terminal
from kwhub.links.base import Link
from kwhub.links.tcp_listen import Server, serve
from kwhub.runtime.clock import SystemClock
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.meter import SimulatedMeter

__all__ = ["run"]

METERS = 1_000
BUSES = 8
PROMISED_MIB = 120.0
LOOK_S = 2.0
STILL_LOOKS = 3  #: so many looks without a new reading: the round is over
PATIENCE_S = 600.0
ZONE = ZoneInfo("Asia/Shanghai")

SETTINGS = """
[concentrator]
region = "4101"
terminal = 1
store = "concentrator.sqlite"

[uplink]
address = "{uplink}"

[plan]
history_days = 1
"""
BUS = """
[[bus]]
name = "bus-{bus}"
address = "{address}"
port = {port}
baud = 19200
answer_timeout_s = 30.0  # the simulated meters work out their past before their first answer
"""
METER = '[[bus.meter]]\naddress = "{address}"\npoint = {point}\n'


async def _serve_bus(meters: list[SimulatedMeter], clock: SystemClock) -> Server:
    async def attend(link: Link) -> None:
        await serve_meters(link, meters, clock, reply_delay_s=0.0)

    return await serve("tcp-listen:127.0.0.1:0", attend, clock)


def _head_end(path: Path, area: TransformerArea, clock: SystemClock) -> HeadEnd:
    meters = tuple(Meter(address=each.meter.address, point=each.point) for each in area.places)
    terminal = Terminal(region="4101", terminal=1, meter=meters)
    areas = (Area(code="A1", name="benchmark", terminal=(terminal,)),)
    return HeadEnd(
        Config(Service(store=str(path), uplink="tcp-listen:127.0.0.1:0"), area=areas), clock
    )


def _settings(area: TransformerArea, uplink: str, servers: Sequence[Server]) -> str:
    text = SETTINGS.format(uplink=uplink.replace("-listen", ""))
    for bus, server in enumerate(servers, start=1):
        address = server.address.replace("-listen", "")
        text += BUS.format(bus=bus, address=address, port=bus + 1)
        for place in area.places:
            if place.bus == bus:
                text += METER.format(address=place.meter.address, point=place.point)
    return text


def _read(store: Path) -> tuple[int, int]:
    """Readings and the points that they are of."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        readings, points = connection.execute(
            "SELECT count(*), count(DISTINCT point) FROM reading"
        ).fetchone()
    return int(readings), int(points)


async def _until_read(store: Path, process: asyncio.subprocess.Process) -> int:
    """Wait until nothing new is read any more; how many readings there are."""
    before, still, end = 0, 0, time.monotonic() + PATIENCE_S
    while still < STILL_LOOKS:
        await asyncio.sleep(LOOK_S)
        if process.returncode is not None or time.monotonic() > end:
            raise RuntimeError(f"not all meters were read; exit code {process.returncode}")
        readings = points = 0
        with suppress(sqlite3.OperationalError):  # the store is just being made
            readings, points = _read(store)
        still = still + 1 if readings == before and points == METERS else 0
        before = readings
    return before


def _resident_mib(pid: int, line: str) -> float:
    for each in Path(f"/proc/{pid}/status").read_text().splitlines():
        if each.startswith(f"{line}:"):
            return int(each.split()[1]) / 1024
    raise ValueError(f"the kernel does not say {line}")


async def _measure(folder: Path) -> tuple[int, float, float]:
    """Readings, and MiB at the most and at the end."""
    clock = SystemClock()
    start = clock.now().astimezone(ZONE) - timedelta(days=3)
    area = TransformerArea(5, start=start, meters=METERS, concentrators=1, buses=BUSES)
    head_end = _head_end(folder / "head-end.sqlite", area, clock)
    serving = asyncio.ensure_future(head_end.run())
    await head_end.running.wait()
    servers = [await _serve_bus(list(area.bus(bus)), clock) for bus in range(1, BUSES + 1)]
    (folder / "site.toml").write_text(_settings(area, head_end.address, servers))
    command = str(Path(sys.executable).with_name("kwhub"))
    process = await asyncio.create_subprocess_exec(
        command,
        "concentrator",
        "run",
        str(folder / "site.toml"),
        "--log-level",
        "error",
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        readings = await _until_read(folder / "concentrator.sqlite", process)
        most = _resident_mib(process.pid, "VmHWM")
        now = _resident_mib(process.pid, "VmRSS")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        await head_end.close()
        for server in servers:
            await server.aclose()
    return readings, most, now


def run() -> list[Result]:
    """After the first round, which is the greatest: a day from every meter."""
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=errors_only)  # of the head-end in this process
    with TemporaryDirectory() as name:
        readings, most, now = asyncio.run(_measure(Path(name)))
    return [
        Result(
            f"{METERS} meters, {moment}",
            ours=mib,
            reference=PROMISED_MIB,
            unit="MiB",
            against=f"promised; {readings} readings",
            lower_is_better=True,
            least_ratio=1.0,
        )
        for moment, mib in (("most resident", most), ("then resident", now))
    ]
