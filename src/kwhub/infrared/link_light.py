"""Simulated light as a link: bytes become pulse trains, cross the optical channel, and are read again.

Inside one process both ends join an air by name; between processes the trains travel as JSON lines
(``{"durations_us": [...], "carrier_hz": ..., "duty": ...}``, light first) over any byte link, and
each end's own options say how light reaches *its* eye.  A byte takes as long as on real light.

Source: the UART of DL/T 645-2007, clause 4 (1200 baud, 8E1, light is 0); the rest is our own.
"""

import asyncio
from dataclasses import dataclass, field

import msgspec

from kwhub.domain.errors import DecodeError, LinkDown
from kwhub.infrared import uart
from kwhub.infrared.channel import Arrival, OpticalChannel, Scene
from kwhub.infrared.pulses import Pulses
from kwhub.links.base import Inbox, Link, LinkFacts
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import Clock

__all__ = ["LINE_BYTES_MAX", "Air", "AirEnd", "LightLink", "Settings", "air_named"]

SLICE_S = 0.2
"""Longest piece that is sent as one train, well below the 500 ms that end a frame."""

LINE_BYTES_MAX = 1 << 20
"""Longest JSON line that is taken from another process."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One simulated way through the air."""

    scene: Scene = field(default_factory=Scene)
    line: uart.Line = field(default_factory=uart.Line)
    carrier_hz: float = 38_000.0
    echo: float = 0.0  #: share of one's own light that comes back
    seed: int = 1


class _Ear:
    """A receiver module with a UART behind it."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.inbox = Inbox()
        self.channel = OpticalChannel(
            settings.scene, seeded(settings.seed, "light", name), echo=settings.echo
        )
        self._line = settings.line
        self._shining = 0
        self._arrivals: list[Arrival] = []

    def begins(self) -> None:
        """Somebody whom this ear can hear begins to send."""
        self._shining += 1

    def ends(self, arrival: Arrival | None) -> None:
        """That one has ended; with what arrived, or None when nothing was sent after all."""
        self._shining -= 1
        if arrival is not None:
            self._arrivals.append(arrival)
        if self._shining == 0 and self._arrivals:
            arrivals, self._arrivals = self._arrivals, []
            self._hear(arrivals)

    def _hear(self, arrivals: list[Arrival]) -> None:
        seen = self.channel.receiver.see(arrivals)
        if seen.pulses is not None:
            self.inbox.put(uart.receive(seen.pulses, self._line).data)


class _Sender:
    """What both kinds of end have in common: trains that last as long as they last."""

    def __init__(self, address: str, settings: Settings, clock: Clock, name: str) -> None:
        line = settings.line
        self.facts = LinkFacts(address, baud=line.baud, bits_per_byte=line.bits, half_duplex=True)
        self.ear = _Ear(settings, name)
        self._settings = settings
        self._clock = clock

    async def read(self) -> bytes:
        """See Link."""
        return await self.ear.inbox.read()

    async def write(self, data: bytes) -> None:
        """See Link; returns when the last bit is through."""
        self._check()
        size = max(1, int(SLICE_S / self.facts.wire_time_s(1)))
        start_s = self._clock.monotonic()
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            pulses = uart.encode(piece, self._settings.line, carrier_hz=self._settings.carrier_hz)
            from_s = start_s + self.facts.wire_time_s(at)
            await self._shine(pulses, from_s, start_s + self.facts.wire_time_s(at + len(piece)))

    async def _shine(self, pulses: Pulses, from_s: float, to_s: float) -> None:
        """Let others and perhaps oneself see a train."""
        raise LinkDown(f"{self.facts.address}: {pulses.length_us} us from {from_s} s to {to_s} s")

    def _check(self) -> None:
        if self.ear.inbox.closed:
            raise LinkDown(f"{self.facts.address}: the link is closed")


class AirEnd(_Sender):
    """One end in an air. Made by :meth:`Air.attach`."""

    def __init__(self, air: "Air", number: int, clock: Clock) -> None:
        super().__init__(f"ir:sim:{air.name}", air.settings, clock, f"{air.name}/{number}")
        self._air = air

    async def aclose(self) -> None:
        """See Link; light goes on without one talker, and nobody notices."""
        if not self.ear.inbox.closed:
            self.ear.inbox.close("closed by this side", drop=True)
            self._air.detach(self)

    async def _shine(self, pulses: Pulses, from_s: float, to_s: float) -> None:
        hearers = self._air.hearers(self)
        for end in hearers:
            end.ear.begins()
        sent = False
        try:
            await self._clock.sleep(to_s - self._clock.monotonic())
            self._check()
            sent = True
        finally:
            for end in hearers:
                channel = end.ear.channel
                arrives = channel.reflection if end is self else channel.arrival
                end.ear.ends(arrives(pulses, from_s * 1e6) if sent else None)


class Air:
    """A room with light in it; any number of ends, each with an eye of its own."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self._ends: list[AirEnd] = []
        self._attached = 0

    def attach(self, clock: Clock) -> AirEnd:
        """Bring one more end into the room."""
        self._attached += 1
        end = AirEnd(self, self._attached, clock)
        self._ends.append(end)
        return end

    def detach(self, end: AirEnd) -> None:
        """Take an end out; the room is forgotten with its last one."""
        self._ends.remove(end)
        if not self._ends and _airs.get(self.name) is self:
            del _airs[self.name]

    def hearers(self, talker: AirEnd) -> tuple[AirEnd, ...]:
        """Whom the light of an end reaches; itself when something reflects."""
        return tuple(end for end in self._ends if end is not talker or self.settings.echo > 0)


_airs: dict[str, Air] = {}
"""Airs that have at least one end, by name."""


def air_named(name: str, settings: Settings | None) -> Air | None:
    """The air of a name, made when it is not there yet.

    Args:
        name: of the air.
        settings: None takes the air as it is, or with the defaults.

    Returns:
        None when the air is there with other settings.
    """
    air = _airs.get(name)
    if air is None:
        air = _airs[name] = Air(name, settings or Settings())
    return air if settings is None or settings == air.settings else None


class LightLink(_Sender):
    """One end whose peer is in another process."""

    def __init__(self, inner: Link, address: str, settings: Settings, clock: Clock) -> None:
        """Send and take trains over ``inner``, which is closed with this link."""
        super().__init__(address, settings, clock, "remote")
        self._inner = inner
        self._pending = b""
        self.refused_lines = 0  #: lines that were no train
        self._task = asyncio.get_running_loop().create_task(self._take())

    async def aclose(self) -> None:
        """See Link."""
        self.ear.inbox.close(f"{self.facts.address}: closed by this side", drop=True)
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._inner.aclose()

    async def _shine(self, pulses: Pulses, from_s: float, to_s: float) -> None:
        await self._clock.sleep(to_s - self._clock.monotonic())
        self._check()
        reflected = self.ear.channel.reflection(pulses, from_s * 1e6)
        await self._inner.write(_line(pulses))
        if reflected is not None:
            self.ear.begins()
            self.ear.ends(reflected)

    async def _take(self) -> None:
        try:
            while True:
                *lines, self._pending = (self._pending + await self._inner.read()).split(b"\n")
                for line in lines:
                    self._see(line)
                if len(self._pending) > LINE_BYTES_MAX:
                    self._pending = b""
                    self.refused_lines += 1
        except LinkDown as error:
            self.ear.inbox.close(str(error))

    def _see(self, line: bytes) -> None:
        try:
            fields = msgspec.json.decode(line, type=_Train)
            pulses = Pulses(fields.durations_us, fields.carrier_hz, fields.duty)
        except (msgspec.DecodeError, DecodeError):
            self.refused_lines += 1
            return
        self.ear.begins()
        start_us = self._clock.monotonic() * 1e6 - pulses.length_us
        self.ear.ends(self.ear.channel.arrival(pulses, start_us))


class _Train(msgspec.Struct):
    durations_us: tuple[float, ...]
    carrier_hz: float | None = None
    duty: float | None = None


def _line(pulses: Pulses) -> bytes:
    rounded = tuple(round(duration, 3) for duration in pulses.durations_us)
    return msgspec.json.encode(_Train(rounded, pulses.carrier_hz, pulses.duty)) + b"\n"
