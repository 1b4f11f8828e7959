"""Concentrators of the benchmarks, in a process of their own: they send ready frames and wait for each answer.

``python -m benchmarks._feeder PORT CALLERS FRAMES UNITS VALUES`` prints the seconds that it took and leaves.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from time import perf_counter

from kwhub.headend.config import Area, Meter, Terminal
from kwhub.protocols.gdw1376.afn_0d import CurveUnit
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Login, Report

__all__ = ["CALLERS", "area", "feed", "reports"]

CALLERS = 16
POINTS = 40
HEAD_BYTES = 6
START = datetime(2026, 3, 1)  # noqa: DTZ001  wall time of the site


def area() -> Area:
    """The archive of all who call."""
    return Area(
        code="A1",
        name="benchmark",
        terminal=tuple(
            Terminal(
                region="4101",
                terminal=number + 1,
                meter=tuple(
                    Meter(address=f"{number:06}{point:06}", point=point)
                    for point in range(1, POINTS + 1)
                ),
            )
            for number in range(CALLERS)
        ),
    )


def reports(caller: int, frames: int, units: int, values: int) -> list[bytes]:
    """Frames with curves of registers that count, a day each."""
    address = TerminalAddress("4101", caller + 1)
    found = []
    for number in range(frames):
        first = number * units
        curves = []
        for n in range(first, first + units):
            day = START + timedelta(days=n // POINTS)
            steps = (Decimal(1000 + n + at * (3 + n % 5)).scaleb(-2) for at in range(values))
            curves.append(CurveUnit(n % POINTS + 1, 101, day, tuple(steps)).to_unit())
        found.append(initiated_frame(Report(tuple(curves)), address, number % 16).to_bytes())
    return found


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readexactly(HEAD_BYTES)
    await reader.readexactly((int.from_bytes(head[1:3], "little") >> 2) + 2)


async def _call(port: int, caller: int, frames: list[bytes], go: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(initiated_frame(Login(), TerminalAddress("4101", caller + 1), 0).to_bytes())
    await _answer(reader)
    await go.wait()
    for frame in frames:
        writer.write(frame)
        await _answer(reader)
    writer.close()


async def _main(port: int, callers: int, frames: int, units: int, values: int) -> None:
    ready = [reports(caller, frames, units, values) for caller in range(callers)]
    go = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for caller in range(callers):
            tasks.create_task(_call(port, caller, ready[caller], go))
        await asyncio.sleep(1.0)
        began = perf_counter()
        go.set()
    print(perf_counter() - began)


async def feed(port: int, callers: int, frames: int, units: int, values: int) -> float:
    """Have a process of its own send everything; the seconds from the first frame to the last answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks._feeder"),
        *map(str, (port, callers, frames, units, values)),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return float(told)


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
