"""Trouble on the wire, as named knobs with a seed and a count of what was done."""

import asyncio
from collections import deque
from dataclasses import dataclass, fields

from kwhub.domain.errors import LocalError
from kwhub.links.base import Link
from kwhub.links.layers.layer import Layer
from kwhub.runtime.chance import Random

__all__ = ["FaultCounts", "FaultRates", "Faulty"]


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities from 0 to 1. "Piece" is what one write, or one read of the inner link, carries."""

    loss: float = 0.0  #: a piece vanishes, in either direction
    bit_flip: float = 0.0  #: for each byte, in either direction: one of its bits is turned
    cut: float = 0.0  #: a piece ends early, in either direction
    duplicate: float = 0.0  #: a piece arrives twice, in either direction
    echo: float = 0.0  #: what this side writes comes back to it, as from optical heads
    late_answer: float = 0.0  #: a received piece is held back and arrives after the next write

    def __post_init__(self) -> None:
        for knob in fields(self):
            rate = getattr(self, knob.name)
            if not 0.0 <= rate <= 1.0:
                raise LocalError(f"{knob.name} is a probability from 0 to 1, not {rate}")


@dataclass(slots=True)
class FaultCounts:
    """How often each trouble was made."""

    lost: int = 0
    bits_flipped: int = 0
    cut: int = 0
    duplicated: int = 0
    echoed: int = 0
    answers_held: int = 0


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
        self.rates = rates
        self.counts = FaultCounts()
        self._chance = chance
        self._ready: deque[bytes] = deque()
        self._held: deque[bytes] = deque()
        self._reading: asyncio.Timeout | None = None

    async def write(self, data: bytes) -> None:
        """See Link."""
        for piece in self._spoil(data):
            await self.inner.write(piece)
        if self._happens(self.rates.echo):
            self.counts.echoed += 1
            self._ready.append(bytes(data))
        self._ready.extend(self._held)
        self._held.clear()
        if self._ready and self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def read(self) -> bytes:
        """See Link."""
        while not self._ready:
            try:
                # Ended early by a write that has something of its own for the reader.
                async with asyncio.timeout(None) as self._reading:
                    data = await self.inner.read()
            except TimeoutError:
                continue
            finally:
                self._reading = None
            pieces = self._spoil(data)
            if pieces and self._happens(self.rates.late_answer):
                self.counts.answers_held += 1
                self._held.extend(pieces)
            else:
                self._ready.extend(pieces)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """See Link."""
        await self.inner.aclose()
        self._ready.clear()

    def _happens(self, rate: float) -> bool:
        return rate > 0.0 and self._chance.random() < rate

    def _spoil(self, data: bytes) -> list[bytes]:
        """What arrives of one piece: nothing, the piece, a changed piece, or two."""
        if self._happens(self.rates.loss):
            self.counts.lost += 1
            return []
        if self.rates.bit_flip > 0.0:
            data = self._flip(data)
        if len(data) > 1 and self._happens(self.rates.cut):
            self.counts.cut += 1
            data = data[: self._chance.randrange(1, len(data))]
        if self._happens(self.rates.duplicate):
            self.counts.duplicated += 1
            return [data, data]
        return [data]

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for index in range(len(changed)):
            if self._chance.random() < self.rates.bit_flip:
                self.counts.bits_flipped += 1
                changed[index] ^= 1 << self._chance.randrange(8)
        return bytes(changed)
