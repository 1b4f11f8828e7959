"""How much memory a concentrator takes that is logged in and silent: fifteen thousand of them in one process.

The head-end with its store runs in a process of its own; this one opens the sockets on loopback, logs every terminal
in and keeps the connection. Resident memory is looked at before, with the archive of all terminals loaded, and when
every log-in is confirmed and nothing goes on any more. What the kernel keeps for a socket is not counted.
"""

import asyncio
import gc
import logging
import resource
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from benchmarks.result import Result
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Area, Config, Service, Terminal
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Login
from kwhub.runtime.clock import SystemClock

__all__ = ["run"]

CONCENTRATORS = 15_000
AT_ONCE = 250
PROMISED_BYTES = 3 * 1024
FILES_BESIDE = 300
SETTLE_S = 2.0
PATIENCE_S = 60.0
CONFIRMATION_BYTES = 16


def _config(folder: Path, count: int) -> Config:
    terminals = tuple(Terminal(region="4101", terminal=number + 1) for number in range(count))
    area = Area(code="A1", name="benchmark", terminal=terminals)
    service = Service(
        store=str(folder / "headend.sqlite"),
        uplink="tcp-listen:127.0.0.1:0",
        heartbeat_s=86_400,
        power_safe=False,
    )
    return Config(headend=service, area=(area,))


def _resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _serve(folder: Path, count: int) -> None:
    """The process of the head-end: says its port and its memory whenever it is asked."""
    errors_only = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=errors_only)
    headend = HeadEnd(_config(folder, count), SystemClock())
    loop = asyncio.get_running_loop()
    serving = loop.create_task(headend.run())
    await headend.running.wait()
    print(headend.address.rpartition(":")[2], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(_resident(), headend.door.lines, headend.front.online, flush=True)
    serving.cancel()
    await asyncio.wait([serving])
    await headend.close()


def _logged_in(port: int, numbers: range) -> list[socket.socket]:
    """Plain sockets of some concentrators, when the log-in of each is confirmed."""
    lines = []
    for number in numbers:
        line = socket.socket()
        # Addresses of the own machine in turn, as one has too few ports for all.
        line.bind((f"127.0.0.{1 + number % 4}", 0))
        line.connect(("127.0.0.1", port))
        line.settimeout(PATIENCE_S)
        frame = initiated_frame(Login(), TerminalAddress("4101", number + 1), 0)
        line.sendall(frame.to_bytes())
        lines.append(line)
    for line in lines:
        left = CONFIRMATION_BYTES
        while left:
            got = len(line.recv(left))
            if not got:
                raise SystemExit("a log-in was turned away: nothing to compare")
            left -= got
    return lines


async def _measure(folder: Path, count: int) -> tuple[float, int]:
    """Bytes a connection, and how many terminals were logged in."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.headend_idle", str(folder), str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    orders, news = server.stdin, server.stdout
    if orders is None or news is None:
        raise RuntimeError("no pipes")
    port = int(await news.readline())

    async def look() -> list[int]:
        await asyncio.sleep(SETTLE_S)
        orders.write(b"\n")
        return [int(each) for each in (await news.readline()).split()]

    await look()
    before, _, _ = await look()
    lines = []
    for first in range(0, count, AT_ONCE):
        lines += _logged_in(port, range(first, min(first + AT_ONCE, count)))
    after, _, online = await look()
    server.kill()
    for line in lines:
        line.close()
    await server.wait()
    return (after - before) / count, online


def run() -> Result:
    """Bytes of resident memory of one connection; the promise is 3 KiB."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(CONCENTRATORS, hard - FILES_BESIDE)
    with TemporaryDirectory() as name:
        each, online = asyncio.run(_measure(Path(name), count))
    if online != count:
        raise SystemExit(f"only {online} of {count} are logged in: nothing to compare")
    return Result(
        f"{count} idle concentrators",
        ours=each,
        reference=PROMISED_BYTES,
        unit="bytes each",
        against="promised",
        lower_is_better=True,
        least_ratio=1.0,
    )


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
