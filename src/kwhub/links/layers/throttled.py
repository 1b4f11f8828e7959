"""Pacing: bytes take the time that they would take on a real half-duplex bus."""

from dataclasses import replace

from kwhub.domain.errors import LinkBusy, LinkDown, LocalError
from kwhub.links.base import Link, LinkFacts
from kwhub.links.layers.layer import Layer
from kwhub.runtime.clock import Clock

__all__ = ["LATE_S_MAX", "SLICE_S", "Throttled"]

SLICE_S = 0.2
"""Longest stretch of wire time handed on in one piece: well below the 500 ms between two bytes
after which DL/T 645-2007 takes a frame as ended, so that long frames at 600 baud stay alive."""

LATE_S_MAX = 0.02
"""Most of a late wake-up that is forgiven; a process that slept longer has lost the time."""

BITS_PER_BYTE = 11
"""Start, eight data, even parity, stop.  Source: DL/T 645-2007, clause 4 (8E1)."""


class Throttled(Layer):
    """Makes both directions of a link as slow as a bus.

    Put it on one end only: it paces what this end writes and what it receives. What is written
    reaches the far end when its last bit would; what the far end writes reaches this end's reader
    a wire time later. The bus carries one thing at a time, in the order of asking.

    All times lie on one line of absolute moments, so rounding and late wake-ups do not add up:
    when a timer fires late, the next byte still starts where it would have started in time. On
    virtual time, where nothing is ever late, the pacing is exact.
    """

    def __init__(
        self,
        inner: Link,
        clock: Clock,
        *,
        baud: int | None = None,
        bits_per_byte: int = BITS_PER_BYTE,
        turnaround_s: float = 0.0,
    ) -> None:
        """Pace a link.

        Args:
            inner: the link; its own speed should be far higher.
            clock: gives the time.
            baud: bits a second; None takes it from the facts of ``inner``.
            bits_per_byte: 11 for 8E1, 10 for 8N1.
            turnaround_s: silence between the end of a write and the first bit of what comes back,
                such as the least answer delay Td of DL/T 645-2007, 20 ms.

        Raises:
            LocalError: no speed is known.
        """
        super().__init__(inner)
        speed = baud or inner.facts.baud
        if not speed or speed < 0:
            raise LocalError("a paced link needs its speed in baud")
        self._facts = replace(
            inner.facts, baud=speed, bits_per_byte=bits_per_byte, half_duplex=True
        )
        self._clock = clock
        self._byte_s = bits_per_byte / speed
        self._slice_bytes = max(1, int(SLICE_S / self._byte_s))
        self._turnaround_s = turnaround_s
        self._free_at = 0.0
        self._answer_from = 0.0
        self._late_s = 0.0
        self._arriving = b""
        self._arriving_from = 0.0
        self._open = True
        self._reading = False

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return self._facts

    async def write(self, data: bytes) -> None:
        """Write; returns when the last bit is through."""
        start = max(self._bus_now(), self._free_at)
        end = self._free_at = start + len(data) * self._byte_s
        self._answer_from = end + self._turnaround_s
        try:
            for at in range(0, len(data), self._slice_bytes):
                piece = data[at : at + self._slice_bytes]
                await self._reach(start + (at + len(piece)) * self._byte_s)
                await self.inner.write(piece)
        except BaseException:
            if self._free_at == end:  # what will not be sent does not occupy the bus
                self._free_at = min(end, self._clock.monotonic())
            raise

    async def read(self) -> bytes:
        """Read; returns when the last bit of the piece has arrived."""
        if self._reading:
            raise LinkBusy("another task is reading from this link")
        self._reading = True
        try:
            return await self._read()
        finally:
            self._reading = False

    async def _read(self) -> bytes:
        if not self._arriving:
            data = await self.inner.read()
            self._arriving_from = max(self._bus_now(), self._free_at, self._answer_from)
            self._free_at = self._arriving_from + len(data) * self._byte_s
            self._arriving = data
        piece = self._arriving[: self._slice_bytes]
        arrives_at = self._arriving_from + len(piece) * self._byte_s
        await self._reach(arrives_at)
        if not self._open:
            raise LinkDown("closed by this side")
        self._arriving = self._arriving[len(piece) :]
        self._arriving_from = arrives_at
        return piece

    async def aclose(self) -> None:
        """See Link; a reader in the middle of a slice hears of it at the slice's end."""
        self._open = False
        await self.inner.aclose()
        self._arriving = b""

    def _bus_now(self) -> float:
        """Where the bus stands: the present moment less what the last timer was late."""
        return self._clock.monotonic() - self._late_s

    async def _reach(self, moment: float) -> None:
        left = moment - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)
        self._late_s = min(LATE_S_MAX, max(0.0, self._clock.monotonic() - moment))
