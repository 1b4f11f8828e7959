"""The port that concentrators call: who is let in, what they speak, and how long they may keep a place.

A line costs memory and nothing else while it is silent: one sweep looks after the time of all of them, and a
task lives only as long as there is something to do. See `kwhub.headend.front.line`.
"""

import asyncio
import resource
from collections import Counter
from contextlib import suppress

import structlog

from kwhub.domain.errors import KwhubError, LinkDown
from kwhub.headend.config import Limits
from kwhub.headend.front.connection import Connection
from kwhub.headend.front.detect import detect, guess
from kwhub.headend.front.front import Front
from kwhub.headend.front.line import Line, Resting
from kwhub.links.address import parse
from kwhub.links.tcp_listen import listen, stop

__all__ = ["SWEEP_S", "Door"]

SWEEP_S = 1.0
"""Time between two looks at who has been silent for too long, in seconds."""

FILES_BESIDE = 256
"""Open files that the rest of the head-end needs."""

NOTED_S = 60.0
"""A caller who speaks something else is shown once in so many seconds."""

NOTED_MAX = 100
"""And so many of them at the most."""

SHOWN_BYTES = 16

_log = structlog.get_logger("kwhub.headend")


class Door:
    """One port.

    Counters of what it does stand in those of the front: ``full``, ``crowded`` (too many of one address),
    ``crowded_out`` (a stranger who made room), ``unknown_protocol``, ``late`` (no log-in in time).

    Where strangers take every place, the oldest of the address that has most of them makes room for the next one: who
    logs in at once gets in, however many addresses only call.
    """

    def __init__(self, front: Front, limits: Limits) -> None:
        self.scheme = "tcp"
        self.unread_bytes = limits.unread_bytes
        self._front = front
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._lines: set[Line] = set()
        self._strangers: dict[Line, float] = {}  # by the moment of their call
        self._of_address: Counter[str] = Counter()
        self._strange: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()  # since the last sweep
        self._noted: set[str] = set()
        self._forget_at = 0.0
        self._called = asyncio.Event()  # somebody is there, or was refused since the last sweep

    @property
    def lines(self) -> int:
        """Lines that are open."""
        return len(self._lines)

    async def open(self, address: str) -> str:
        """Open the port; nobody is attended to before ``run``.

        Returns:
            the address with the true port.

        Raises:
            ConfigError: the address is wrong.
            LinkDown: the port cannot be opened.
        """
        _make_room(self._limits.connections + FILES_BESIDE)
        self._server, text = await listen(parse(address), lambda _: Line(self))
        self.scheme = text.partition("-listen:")[0]
        return text

    async def run(self) -> None:
        """Attend to everybody who calls, until cancelled; nobody there costs no time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._front.watch())
                try:
                    for line in list(self._lines):  # who called before we were ready
                        self.wake(line)
                    while True:
                        await self._called.wait()
                        await asyncio.sleep(SWEEP_S)
                        self.sweep(loop.time())
                        if not self._lines:
                            self._called.clear()
                finally:  # nobody is attended to by a group that is ending
                    self._tasks = None
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the port and every line, and write down that they ended."""
        server, self._server = self._server, None
        if server is not None:
            await stop(server)
        async with asyncio.TaskGroup() as tasks:
            for line in list(self._lines):
                tasks.create_task(self._dismiss(line, "the head-end stops"))
        if server is not None:
            await server.wait_closed()

    def welcome(self, line: Line) -> None:
        """See Porter."""
        host = line.host
        self._called.set()
        is_full = len(self._lines) >= self._limits.connections or (
            len(self._strangers) >= self._limits.strangers
        )
        if self._of_address[host] >= self._limits.connections_of_address or (
            self._strange[host] >= self._limits.strangers_of_address
        ):
            self._refuse(line, "crowded")
        elif is_full and not self._make_place():
            self._refuse(line, "full")
        else:
            line.counted = True
            self._lines.add(line)
            self._strangers[line] = asyncio.get_running_loop().time()
            self._of_address[host] += 1
            self._strange[host] += 1

    def wake(self, line: Line) -> None:
        """See Porter."""
        if self._tasks is not None and not line.working and line in self._lines:
            line.working = True
            self._tasks.create_task(self._attend(line))

    def gone(self, line: Line) -> None:
        """See Porter."""
        if not line.counted:
            return
        self._know(line)
        line.counted = False
        _count_down(self._of_address, line.host)
        if line.owner is None and not line.unread:
            self._lines.discard(line)
        else:
            self.wake(line)

    async def _attend(self, line: Line) -> None:
        """Do what there is to do on a line. A bug ends this line only, and is never silent."""
        try:
            await self._work(line)
        except Resting:
            line.working = False
            line.rest()
            if line.unread or line.is_down:
                self.wake(line)
            return
        except (KwhubError, OSError) as error:
            _log.warning("connection_failed", peer=line.facts.address, error=str(error))
        except Exception as error:  # noqa: BLE001  told below
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the handler of a peer failed", "exception": error}
            )
        await self._dismiss(line)

    async def _work(self, line: Line) -> None:
        """Find out who calls, and attend until the line is down. Raises Resting."""
        if line.owner is None and not await self._recognise(line):
            return
        connection = line.owner
        if isinstance(connection, Connection):
            try:
                await connection.run_until_rest()
            finally:
                if connection.terminal is not None:
                    self._know(line)

    async def _recognise(self, line: Line) -> bool:
        """Give the line to the protocol that it speaks; False when it speaks none, or went away."""
        first, protocol = b"", None
        try:
            while protocol is None:
                first += await line.read()
                protocol = detect(first)
        except LinkDown:
            return False
        if not protocol:
            self._front.counters["unknown_protocol"] += 1
            await self._note_stranger(line, first)
            return False
        line.owner = self._front.connect(line)
        line.give_back(first)
        return True

    async def _note_stranger(self, line: Line, first: bytes) -> None:
        """Show who speaks something else; of one address once in a while, lest it fills the store."""
        if line.host in self._noted or len(self._noted) >= NOTED_MAX:
            return
        self._noted.add(line.host)
        what = guess(first) or f"it began with {first[:SHOWN_BYTES].hex(' ').upper()}"
        _log.warning("unknown_protocol", peer=line.facts.address, what=what)
        await self._front.turn_away(line, f"denied: unknown protocol: {what}")

    async def _dismiss(self, line: Line, reason: str = "") -> None:
        """Close a line, and write down that it ended."""
        connection = line.owner
        try:
            if isinstance(connection, Connection):
                connection.end_reason = reason or connection.end_reason
                await connection.end()
                await self._front.part(connection)
            else:
                await line.aclose()
        finally:
            self._lines.discard(line)

    def _make_place(self) -> bool:
        """Send the oldest stranger of the address with most strangers away; False when there are none."""
        most = max(self._strange.values(), default=0)
        waiting = (each for each in self._strangers if not _logged_in(each))  # the oldest first
        oldest = next((each for each in waiting if self._strange[each.host] == most), None)
        if oldest is None:
            return False
        self._know(oldest)
        self._refuse(oldest, "crowded_out")
        return True

    def _refuse(self, line: Line, why: str) -> None:
        self._front.counters[why] += 1
        self._refused[why] += 1
        line.abort()

    def _know(self, line: Line) -> None:
        """A line is not a stranger's any more."""
        if self._strangers.pop(line, None) is not None:
            _count_down(self._strange, line.host)

    def sweep(self, now: float) -> None:
        """Send away who is silent for too long, and tell of those who were refused."""
        for line, since in list(self._strangers.items()):
            if _logged_in(line):
                self._know(line)
            elif now - since >= self._limits.login_s:
                self._front.counters["late"] += 1
                self._cut(line)
        for line in self._lines:
            connection = line.owner
            if isinstance(connection, Connection) and now >= connection.due and line.counted:
                self._cut(line)
        if self._refused:
            _log.warning("refused", **self._refused)
            self._refused.clear()
        if now >= self._forget_at:
            self._noted.clear()
            self._forget_at = now + NOTED_S

    def _cut(self, line: Line) -> None:
        if isinstance(line.owner, Connection):
            line.owner.note_silence()
        line.abort()


def _logged_in(line: Line) -> bool:
    return isinstance(line.owner, Connection) and line.owner.terminal is not None


def _count_down(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def _make_room(files: int) -> None:
    """Let this process have so many open files, or as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft < files:
        _log.info("fewer_connections", open_files=soft, wanted=files)
