"""One caller's line: the protocol that asyncio calls, and the link that a connection uses.

Tens of thousands of concentrators are silent nearly all of the time. A line therefore has no task, no
queue and no event while nothing happens on it; they are made when bytes arrive, and given back afterwards.
"""

import asyncio
from typing import Protocol, cast

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Inbox, LinkFacts
from kwhub.links.tcp import tune
from kwhub.links.tcp_listen import authority
from kwhub.links.transport import CLOSE_S

__all__ = ["UNSENT_BYTES_MAX", "Line", "Owner", "Porter", "Resting"]

UNSENT_BYTES_MAX = 65_536
"""Bytes of one line that wait for the network before the one who writes has to wait."""


class Resting(Exception):
    """Nothing has arrived, and the line may be left alone until something does."""


class Owner(Protocol):
    """Who attends to a line."""

    @property
    def may_rest(self) -> bool:
        """Whether who reads may be sent home."""


class Porter(Protocol):
    """Who looks after lines."""

    scheme: str  #: ``tcp`` or ``tls``
    unread_bytes: int

    def welcome(self, line: "Line") -> None:
        """Somebody has called."""

    def wake(self, line: "Line") -> None:
        """There is something to do on a line."""

    def gone(self, line: "Line") -> None:
        """The line is down."""


class Line(asyncio.Protocol):
    """A Link.

    Attributes:
        working: whether a task attends to it.
        owner: who attends to it; None before it is known what it speaks.
        counted: whether the porter let it in, and has not counted it out again.
    """

    __slots__ = (
        "_inbox",
        "_lost",
        "_paused",
        "_porter",
        "_room",
        "_transport",
        "counted",
        "owner",
        "working",
    )

    def __init__(self, porter: Porter) -> None:
        self.working = False
        self.owner: Owner | None = None
        self.counted = False
        self._porter = porter
        self._inbox: Inbox | None = None
        self._transport: asyncio.Transport | None = None
        self._room: asyncio.Event | None = None
        self._lost: asyncio.Event | None = None
        self._paused = False

    @property
    def host(self) -> str:
        """The other side's address, empty when it hung up at once."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return str(peer[0]) if peer else ""

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        where = authority(*peer[:2]) if peer else ""
        return LinkFacts(f"{self._porter.scheme}:{where}")

    @property
    def is_down(self) -> bool:
        """Whether nothing more will come."""
        return self._transport is None or (self._inbox is not None and self._inbox.closed)

    @property
    def unread(self) -> int:
        """Bytes that have arrived and were not read."""
        return self._inbox.size if self._inbox is not None else 0

    async def read(self) -> bytes:
        """See Link. Raises Resting instead of waiting when the one who attends may go home."""
        inbox = self._filled()
        if self.owner is not None and not inbox.size and not inbox.closed and self.owner.may_rest:
            raise Resting
        data = await inbox.read()
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """See Link; waits while too much is still on its way."""
        if self._transport is None or self.is_down:
            raise LinkDown(f"{self.facts.address}: the link is closed")
        self._transport.write(data)
        if self._room is not None:
            await self._room.wait()
            if self.is_down:
                raise LinkDown(f"{self.facts.address}: the link went down while writing")

    async def aclose(self) -> None:
        """See Link; what was written still leaves if the peer takes it within CLOSE_S."""
        self._filled().close("closed by this side", drop=True)
        if self._transport is None:
            return
        self._lost = self._lost or asyncio.Event()
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._lost.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Close at once; what was written and has not left is lost."""
        self._filled().close("closed by this side", drop=True)
        if self._transport is not None:
            self._transport.abort()

    def give_back(self, data: bytes) -> None:
        """Have the next read return what was just read."""
        self._filled().put(data)

    def call(self) -> None:
        """Have somebody attend to the line."""
        self._porter.wake(self)

    def rest(self) -> None:
        """Give back what only a line at work needs."""
        if self._inbox is not None and not self._inbox.size and not self._inbox.closed:
            self._inbox = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # for sockets it is no subclass
        if not self.host:  # it hung up before it was let in
            self._transport.abort()
            return
        tune(transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        self._porter.welcome(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        inbox = self._filled()
        inbox.put(data)
        if (
            inbox.size >= self._porter.unread_bytes
            and not self._paused
            and self._transport is not None
        ):
            self._paused = True
            self._transport.pause_reading()
        self._porter.wake(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._filled().close(f"the other side is gone{f': {exc}' if exc else ''}")
        for event in (self._room, self._lost):
            if event is not None:
                event.set()
        self._porter.gone(self)
        self._transport = None

    def pause_writing(self) -> None:
        """Called by asyncio."""
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def _filled(self) -> Inbox:
        if self._inbox is None:
            self._inbox = Inbox()
        return self._inbox
