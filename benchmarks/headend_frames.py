"""Frames of Q/GDW 1376.1 that one core takes: a report of one value is decoded, journalled and confirmed.

Against a bare protocol of asyncio that sends back what it gets, called by the same callers in the same run. Both
are counted by the processor time of the process that serves, so that a busy machine does not tell a story.
"""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import structlog

from benchmarks._feeder import CALLERS, area, feed
from benchmarks.result import Result
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config, Limits, Service
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

FRAMES = 250
LIMITS = Limits(frames_per_s=1e6, frames_burst=1_000_000)


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if isinstance(self.transport, asyncio.Transport):
            self.transport.write(data)


async def _echoed() -> float:
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0)
    began = process_time()
    await feed(server.sockets[0].getsockname()[1], CALLERS, FRAMES, 1, 1)
    server.close()
    return CALLERS * FRAMES / (process_time() - began)


async def _confirmed(folder: Path) -> float:
    service = Service(
        store=str(folder / "headend.sqlite"), uplink="tcp-listen:127.0.0.1:0", power_safe=False
    )
    headend = HeadEnd(Config(headend=service, limits=LIMITS, area=(area(),)), SystemClock())
    serving = asyncio.ensure_future(headend.run())
    await headend.running.wait()
    began = process_time()
    await feed(int(headend.address.rpartition(":")[2]), CALLERS, FRAMES, 1, 1)
    used = process_time() - began
    serving.cancel()
    await asyncio.wait([serving])
    if headend.front.counters["readings"] != CALLERS * FRAMES:
        raise SystemExit("not every report was stored: nothing to compare")
    await headend.close()
    return CALLERS * FRAMES / used


def run() -> Result:
    """Frames a second of one core."""
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=errors_only)
    with TemporaryDirectory() as name:
        ours = asyncio.run(_confirmed(Path(name)))
    return Result(
        "1376.1 reports, confirmed",
        ours=ours,
        reference=asyncio.run(_echoed()),
        unit="frames/s",
        against="bare asyncio echo, per core",
    )
