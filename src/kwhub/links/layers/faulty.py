"""Trouble on the wire, as named knobs with a seed and a count of what was done."""

import asyncio
from collections import deque

from kwhub.links.base import Link
from kwhub.links.layers.layer import Layer
from kwhub.links.layers.spoiler import FaultCounts, FaultRates, Spoiler
from kwhub.runtime.chance import Random

__all__ = ["FaultCounts", "FaultRates", "Faulty"]


class Faulty(Layer):
    """Makes trouble in both directions of a link.

    Attributes:
        rates: may be replaced at any time, for trouble that comes and goes.
        counts: what was done so far.
    """

    def __init__(self, inner: Link, chance: Random, rates: FaultRates) -> None:
        """Make a link faulty.

        Args:
            inner: the link.
            chance: a stream of its own; the same seed and the same traffic give the same trouble.
            rates: the knobs.
        """
        super().__init__(inner)
        self._spoiler = Spoiler(chance, rates)
        self._ready: deque[bytes] = deque()
        self._held: deque[bytes] = deque()
        self._reading: asyncio.Timeout | None = None

    @property
    def rates(self) -> FaultRates:
        """The knobs."""
        return self._spoiler.rates

    @rates.setter
    def rates(self, rates: FaultRates) -> None:
        self._spoiler.rates = rates

    @property
    def counts(self) -> FaultCounts:
        """What was done so far."""
        return self._spoiler.counts

    async def write(self, data: bytes) -> None:
        """See Link."""
        for piece in self._spoiler.spoil(data):
            await self.inner.write(piece)
        if self._spoiler.happens(self.rates.echo):
            self.counts.echoed += 1
            self._ready.append(bytes(data))
        self._ready.extend(self._held)
        self._held.clear()
        if self._ready and self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def read(self) -> bytes:
        """See Link."""
        while not self._ready:
            timer = asyncio.timeout(None)  # set off by a write that has something for the reader
            try:
                async with timer:
                    self._reading = timer
                    data = await self.inner.read()
            except TimeoutError:
                if not timer.expired():
                    raise  # not of ours
                continue
            finally:
                self._reading = None
            pieces = self._spoiler.spoil(data)
            if pieces and self._spoiler.happens(self.rates.late_answer):
                self.counts.answers_held += 1
                self._held.extend(pieces)
            else:
                self._ready.extend(pieces)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """See Link."""
        await self.inner.aclose()
        self._ready.clear()
