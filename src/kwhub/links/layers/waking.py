"""Waking a device that sleeps on a radio: a long run of FE bytes goes first; the device listens for it now and then.

A sleeping receiver opens its ear for a moment, again and again. What is sent while it sleeps is lost, so whoever asks
first sends FE bytes for longer than the pause between two such moments. FE is also what frames of DL/T 645 begin
with, so a device that was awake already takes them for a long preamble. The same layers work on any link: over TCP a
device is as deaf as over the air.

Nobody who floods the air empties a battery: the time awake is rationed. A third of the ration of an hour comes back
evenly, so that a device under attack can still be woken every few minutes, by whoever comes.

Source: kwhub; the run of FE bytes is the preamble of DL/T 645-2007, clause 5, made longer.
"""

from kwhub.domain.errors import LocalError
from kwhub.links.base import Link
from kwhub.links.layers.layer import Layer
from kwhub.runtime.clock import Clock

__all__ = ["AWAKE_S", "WAKES_AN_HOUR_MAX", "WAKE_BYTE", "WAKE_BYTES", "Dozing", "Waking"]

WAKE_BYTE = 0xFE
WAKE_BYTES = 64
"""Wake-up bytes in a row that wake a sleeping device."""
AWAKE_S = 20.0
"""How long a device stays awake after it was last spoken to."""
WAKES_AN_HOUR_MAX = 60
"""So often a device is awake for its usual time in an hour, at most: who floods the air shall not empty its battery."""

_SPARE_BYTES = 16  #: sent more than needed: the first ones may go under in noise
_HOUR_S = 3_600.0
_SAVED = 2 / 3
"""Share of an hour's ration that can be saved up; the rest comes back in the course of the hour."""


class Waking(Layer):
    """The end that asks: wakes the peer before it speaks after a pause.

    Args:
        inner: the link.
        clock: gives the time.
        wake_bytes: that the peer wants to hear.
        awake_s: how long the peer stays awake; after a pause of half of it the peer is woken anew.

    Attributes:
        wakes: how often the peer was woken.
    """

    def __init__(
        self, inner: Link, clock: Clock, *, wake_bytes: int = WAKE_BYTES, awake_s: float = AWAKE_S
    ) -> None:
        super().__init__(inner)
        if wake_bytes < 1 or awake_s <= 0:
            raise LocalError("wake_bytes and awake_s are above zero")
        self._clock = clock
        self._call = bytes([WAKE_BYTE]) * (wake_bytes + _SPARE_BYTES)
        self._fresh_s = awake_s / 2
        self._heard_at: float | None = None
        self.wakes = 0

    async def read(self) -> bytes:
        """See Link."""
        data = await self.inner.read()
        self._heard_at = self._clock.monotonic()
        return data

    async def write(self, data: bytes) -> None:
        """Write, after the wake-up bytes if nothing was heard of the peer lately."""
        heard = self._heard_at
        if heard is None or self._clock.monotonic() - heard > self._fresh_s:
            self.wakes += 1
            data = self._call + data
        await self.inner.write(data)


class Dozing(Layer):
    """The end that sleeps: hears nothing but wake-up bytes until it is awake.

    Args:
        inner: the link.
        clock: gives the time.
        wake_bytes: in a row that wake it.
        awake_s: how long it stays awake after it last said something.
        wakes_an_hour: times ``awake_s`` that it is awake in any hour, at most; what comes beyond is not heard.

    Attributes:
        wakes: how often it was woken.
        refused: wake-ups that came when the ration was used up.
        awake_total_s: how long it was awake in all.
    """

    def __init__(
        self,
        inner: Link,
        clock: Clock,
        *,
        wake_bytes: int = WAKE_BYTES,
        awake_s: float = AWAKE_S,
        wakes_an_hour: int = WAKES_AN_HOUR_MAX,
    ) -> None:
        super().__init__(inner)
        if wake_bytes < 1 or awake_s <= 0 or wakes_an_hour < 1:
            raise LocalError("wake_bytes, awake_s and wakes_an_hour are above zero")
        self._clock = clock
        self._wake_bytes = wake_bytes
        self._awake_s = awake_s
        self._awake_until = 0.0
        self._run = 0
        ration_s = wakes_an_hour * awake_s
        self._full_s = max(awake_s, ration_s * _SAVED)
        self._back = ((ration_s - self._full_s) or ration_s) / _HOUR_S  # s that come back in each
        self._left_s = self._full_s
        self._counted_at = clock.monotonic()
        self.awake_total_s = 0.0
        self.wakes = 0
        self.refused = 0

    @property
    def is_awake(self) -> bool:
        """Whether it hears everything."""
        return self._clock.monotonic() < self._awake_until

    async def read(self) -> bytes:
        """Read what is heard awake."""
        while True:
            data = await self.inner.read()
            if not self.is_awake:
                data = self._woken_by(data)
            if data:
                return data

    async def write(self, data: bytes) -> None:
        """Write, and stay awake for what comes back, as long as the ration lasts."""
        now = self._count()
        self._awake_until = now + min(self._awake_s, self._left_s)
        await self.inner.write(data)

    def _woken_by(self, data: bytes) -> bytes:
        """What is heard of bytes that come in sleep: those after enough wake-up bytes in a row."""
        for at, byte in enumerate(data):
            self._run = self._run + 1 if byte == WAKE_BYTE else 0
            if self._run >= self._wake_bytes:
                self._run = 0
                return data[at + 1 :] if self._wake() else b""
        return b""

    def _count(self) -> float:
        """Take what was spent awake from the ration, add what has come back; the present moment."""
        now, before = self._clock.monotonic(), self._counted_at
        spent = max(0.0, min(now, self._awake_until) - before)
        self.awake_total_s += spent
        self._left_s = max(0.0, self._left_s - spent + self._back * (now - before))
        self._left_s = min(self._full_s, self._left_s)
        self._counted_at = now
        return now

    def _wake(self) -> bool:
        now = self._count()
        if self._left_s < self._awake_s:
            self.refused += 1
            return False
        self.wakes += 1
        self._awake_until = now + self._awake_s
        return True
