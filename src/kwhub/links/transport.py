"""A link over any asyncio transport: the common part of TCP and serial links."""

import asyncio
from typing import cast

from kwhub.domain.errors import LinkDown
from kwhub.links.base import Inbox, LinkFacts

__all__ = ["CLOSE_S", "TransportLink"]

CLOSE_S = 5.0
"""How long a closing link waits for its last bytes to leave."""


class TransportLink(asyncio.Protocol):
    """Both the protocol that asyncio calls and the link that the caller holds."""

    def __init__(self, facts: LinkFacts) -> None:
        """Make a link that waits for its transport; asyncio calls ``connection_made``."""
        self.facts = facts
        self.inbox = Inbox(self._resume_reading)
        self._transport: asyncio.Transport | None = None
        self._paused_reading = False
        self._room = asyncio.Event()
        self._room.set()
        self._lost = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        """See Link."""
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        """See Link; waits while too much is still on its way."""
        if self._transport is None or self.inbox.closed:
            raise LinkDown(f"{self.facts.address}: the link is closed")
        self._transport.write(data)
        if not self._room.is_set():
            await self._room.wait()
            if self._lost.done():
                raise LinkDown(f"{self.facts.address}: the link went down while writing")

    async def aclose(self) -> None:
        """See Link; what was written still leaves if the peer takes it within CLOSE_S."""
        self.inbox.close(f"{self.facts.address}: closed by this side", drop=True)
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._lost)
        except TimeoutError:
            self._transport.abort()
            await asyncio.shield(self._lost)

    def abort(self) -> None:
        """Close at once; what was written and has not left is lost."""
        self.inbox.close(f"{self.facts.address}: closed by this side", drop=True)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # for sockets it is no subclass

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.inbox.put(data)
        if self.inbox.full and not self._paused_reading and self._transport is not None:
            self._paused_reading = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        why = f": {exc}" if exc is not None else ""
        self.inbox.close(f"{self.facts.address}: the other side is gone{why}")
        self._room.set()
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        """Called by asyncio."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._room.set()

    def _resume_reading(self) -> None:
        if self._paused_reading and self._transport is not None:
            self._paused_reading = False
            self._transport.resume_reading()
