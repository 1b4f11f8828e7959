"""An infrared head on a serial port, and the reading module that passes everything through.

Source: DL/T 645-2007, clause 4 (infrared: 1200 baud, 8E1, half duplex).
"""

import asyncio

from kwhub.domain.errors import LinkBusy, LinkDown
from kwhub.infrared.head_echo import EchoFilter
from kwhub.links.base import Link
from kwhub.links.layers import Layer
from kwhub.runtime.clock import Clock

__all__ = ["HeadLink", "pass_through"]


class HeadLink(Layer):
    """A link without the echoes of its own light."""

    def __init__(self, inner: Link, clock: Clock) -> None:
        """Take echoes out of what ``inner`` receives; it is closed with this link."""
        super().__init__(inner)
        self.filter = EchoFilter()
        self._clock = clock
        self._free_at = 0.0
        self._reading = False

    async def write(self, data: bytes) -> None:
        """See Link."""
        now = self._clock.monotonic()
        self._free_at = max(now, self._free_at) + self.facts.wire_time_s(len(data))
        self.filter.sent(bytes(data), self._free_at)
        await self.inner.write(data)

    async def read(self) -> bytes:
        """See Link; bytes that may be an echo wait until that is known, or for HOLD_S."""
        if self._reading:
            raise LinkBusy("another task is reading from this link")
        self._reading = True
        try:
            while not (data := await self._next()):
                pass
            return data
        finally:
            self._reading = False

    async def _next(self) -> bytes:
        deadline = self.filter.deadline()
        delay = None if deadline is None else deadline - self._clock.monotonic()
        timer = asyncio.timeout(delay)
        try:
            async with timer:
                data = await self.inner.read()
        except TimeoutError:
            if not timer.expired():
                raise
            return self.filter.release()
        except LinkDown:
            held = self.filter.release()
            if not held:
                raise
            return held
        return self.filter.feed(data, self._clock.monotonic())

    async def aclose(self) -> None:
        """See Link."""
        self.filter.release()
        await self.inner.aclose()


async def pass_through(wire: Link, light: Link) -> None:
    """Be the reading module: every byte of the wire goes out as light, and what the meter says comes up.

    Nothing is looked into, kept or added, and of one's own light nothing goes up when ``light``
    takes echoes out. Returns by an exception only.

    Raises:
        ExceptionGroup: of LinkDown when one of the links has gone.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_pump(wire, light))
        tasks.create_task(_pump(light, wire))


async def _pump(source: Link, target: Link) -> None:
    while True:
        await target.write(await source.read())
