"""What a link is, and the receiving half that most links share."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kwhub.domain.errors import LinkBusy, LinkDown

__all__ = ["INBOX_BYTES_MAX", "Inbox", "Link", "LinkFacts"]

INBOX_BYTES_MAX = 1 << 20
"""Received bytes that nobody has read yet, per link, before the sender is made to wait."""


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What is known of a way before a byte has moved."""

    address: str  #: as given to ``open_link``, or a name for links made in memory
    baud: int | None = (
        None  #: bits a second on the slowest part of the way; None when it does not matter
    )
    bits_per_byte: int = 11  #: start, eight data bits, parity, stop
    half_duplex: bool = False  #: only one side may talk at a time

    def wire_time_s(self, count: int) -> float:
        """Seconds that ``count`` bytes take on the wire; 0 when the speed does not matter."""
        return count * self.bits_per_byte / self.baud if self.baud else 0.0


class Link(Protocol):
    """Bytes to and from a peer.

    The contract, held for every link by :func:`kwhub.testing.check_link`: bytes arrive in order
    and unchanged, in pieces of any size; one task may read while another writes; a read that is
    cancelled loses nothing; after ``aclose`` every call raises LinkDown.
    """

    @property
    def facts(self) -> LinkFacts:
        """What is known of the way."""

    async def read(self) -> bytes:
        """Wait for bytes; at least one. One reader at a time.

        Raises:
            LinkDown: the link was closed by this side, or everything that the peer sent before
                it went away has been read.
            LinkBusy: another task is reading.
        """

    async def write(self, data: bytes) -> None:
        """Hand bytes over; returns when they are on their way. One writer at a time.

        Raises:
            LinkDown: the link is closed.
        """

    async def aclose(self) -> None:
        """Close; waking whoever reads. Closing again does nothing."""


def _nothing() -> None:
    """The room call-back of an inbox whose sender looks for itself."""


class Inbox:
    """Bytes that arrived and wait for their one reader.

    A read only ever takes bytes in the moment in which it returns them, so cancelling it at any
    point loses none.
    """

    __slots__ = ("_chunks", "_error", "_on_room", "_waiter", "size")

    def __init__(self, on_room: Callable[[], None] = _nothing) -> None:
        """Make an empty inbox.

        Args:
            on_room: called when a read has emptied an inbox that had been ``full``.
        """
        self._chunks: deque[bytes] = deque()
        self._error: LinkDown | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_room = on_room
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether the sender ought to wait."""
        return self.size >= INBOX_BYTES_MAX

    @property
    def closed(self) -> bool:
        """Whether nothing more will arrive."""
        return self._error is not None

    def put(self, data: bytes) -> None:
        """Add bytes; bytes that come after the end are dropped, as on a wire that nobody holds."""
        if data and self._error is None:
            self._chunks.append(data)
            self.size += len(data)
            self._wake()

    def close(self, reason: str, *, drop: bool = False) -> None:
        """End the inbox; the first reason stays. With ``drop`` what was not read is forgotten."""
        if drop:
            self._chunks.clear()
            self.size = 0
        if self._error is None:
            self._error = LinkDown(reason)
        self._wake()

    async def read(self) -> bytes:
        """Take everything that has arrived, waiting for the first byte. See Link.read."""
        while not self._chunks:
            if self._error is not None:
                raise LinkDown(*self._error.args)
            await self._wait()
        chunks, was_full = self._chunks, self.full
        data = chunks.popleft() if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.size = 0
        if was_full:
            self._on_room()
        return data

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise LinkBusy("another task is reading from this link")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
