"""A short-range radio: one channel that all share, with range, loss and the time that bytes take in the air.

Nodes stand somewhere; whoever is near enough hears a transmission, more surely the nearer it is. Two that overlap destroy
each other for everybody who would hear both. A node listens before it talks. A packet carries what was written, in
pieces with a preamble and a check sum of the radio's own: a damaged piece is not delivered at all.

Source: kwhub; the figures are those of common 470 MHz modules for meters (10 kbit/s GFSK, about 200 m between houses).
"""

import math
from dataclasses import dataclass, field

from kwhub.domain.errors import LinkDown, LocalError
from kwhub.links.base import Inbox, LinkFacts
from kwhub.runtime.chance import Random
from kwhub.runtime.clock import Clock

__all__ = ["Air", "AirSettings", "RadioLink"]

_BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True)
class AirSettings:
    """What the radio can do.

    Attributes:
        bit_s: bits a second in the air.
        packet_bytes: most bytes of a write in one packet.
        overhead_bytes: of each packet: preamble, synchronisation, length, check sum.
        turnaround_s: from listening to sending.
        range_m: nothing is heard beyond.
        loss: share of packets that are lost close by; it grows to 1 at the end of the range.
    """

    bit_s: int = 10_000
    packet_bytes: int = 128
    overhead_bytes: int = 12
    turnaround_s: float = 0.002
    range_m: float = 200.0
    loss: float = 0.01

    def __post_init__(self) -> None:
        """Check the bounds. Raises LocalError."""
        if min(self.bit_s, self.packet_bytes, self.range_m) <= 0 or not 0 <= self.loss <= 1:
            raise LocalError("speed, packet and range are above zero, loss is 0 to 1")

    def packet_s(self, count: int) -> float:
        """Seconds that a packet with so many bytes takes."""
        return (count + self.overhead_bytes) * _BITS_PER_BYTE / self.bit_s

    def minimum_s(self, count: int) -> float:
        """The least time in which so many bytes can be sent at once, turnaround included."""
        whole, rest = divmod(count, self.packet_bytes)
        packets = whole * self.packet_s(self.packet_bytes) + (self.packet_s(rest) if rest else 0)
        return packets + (whole + bool(rest)) * self.turnaround_s

    def heard(self, distance_m: float) -> float:
        """The share of packets that arrive over a distance: falls with the fourth power of it."""
        if distance_m >= self.range_m:
            return 0.0
        return (1 - self.loss) * (1 - (distance_m / self.range_m) ** 4)


@dataclass(slots=True)
class _Transmission:
    """One packet in the air."""

    sender: "RadioLink"
    until: float
    spoiled: set["RadioLink"] = field(default_factory=set)  #: who heard another one, too


class Air:
    """The channel.

    Args:
        clock: gives the time.
        chance: seeded.
        settings: of every node.

    Attributes:
        busy_s: how long somebody has been sending.
        packets: that were sent.
        lost: deliveries that failed within range.
    """

    def __init__(self, clock: Clock, chance: Random, settings: AirSettings | None = None) -> None:
        self.settings = settings or AirSettings()
        self.clock = clock
        self.busy_s = 0.0
        self.packets = 0
        self.lost = 0
        self._chance = chance
        self._nodes: list[RadioLink] = []
        self._sending: list[_Transmission] = []

    def node(self, name: str, place: tuple[float, float] = (0.0, 0.0)) -> "RadioLink":
        """Put a node somewhere (metres east, metres north); a link of its own."""
        node = RadioLink(self, name, place)
        self._nodes.append(node)
        return node

    def remove(self, node: "RadioLink") -> None:
        """Switch a node off."""
        if node in self._nodes:
            self._nodes.remove(node)

    def is_busy(self, node: "RadioLink") -> bool:
        """Whether a node hears somebody sending."""
        return any(self._reach(each.sender, node) > 0 for each in self._sending)

    async def send(self, sender: "RadioLink", data: bytes) -> None:
        """Send one packet; returns when its last bit is out."""
        duration_s = self.settings.packet_s(len(data))
        mine = _Transmission(sender, self.clock.monotonic() + duration_s)
        for other in self._sending:
            both = {node for node in self._nodes if self._hears_both(node, mine, other)}
            mine.spoiled |= both
            other.spoiled |= both
        self._sending.append(mine)
        self.packets += 1
        self.busy_s += duration_s
        try:
            await self.clock.sleep(duration_s)
        finally:
            self._sending.remove(mine)
        for node in list(self._nodes):
            if node is not sender:
                self._deliver(mine, node, data)

    def pause_s(self) -> float:
        """A random pause before a busy channel is tried again."""
        return self._chance.uniform(1, 8) * self.settings.packet_s(8)

    def _hears_both(self, node: "RadioLink", one: _Transmission, other: _Transmission) -> bool:
        return min(self._reach(one.sender, node), self._reach(other.sender, node)) > 0

    def _reach(self, sender: "RadioLink", node: "RadioLink") -> float:
        return self.settings.heard(math.dist(sender.place, node.place))

    def _deliver(self, sent: _Transmission, node: "RadioLink", data: bytes) -> None:
        share = self._reach(sent.sender, node)
        if share <= 0:
            return
        if node in sent.spoiled or self._chance.random() >= share:
            self.lost += 1
            return
        node.hear(data)


class RadioLink:
    """One node as a link: what it writes is heard by all in range, what they write is read here.

    Attributes:
        place: where it stands; a handheld walks.
    """

    def __init__(self, air: Air, name: str, place: tuple[float, float]) -> None:
        self.place = place
        self._air = air
        self._inbox = Inbox()
        self._facts = LinkFacts(
            f"radio:{name}", air.settings.bit_s, _BITS_PER_BYTE, half_duplex=True
        )
        self._open = True

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return self._facts

    async def read(self) -> bytes:
        """See Link."""
        return await self._inbox.read()

    async def write(self, data: bytes) -> None:
        """Wait for a quiet channel and send, packet by packet."""
        size = self._air.settings.packet_bytes
        for at in range(0, len(data), size):
            if not self._open:
                raise LinkDown("closed by this side")
            while self._air.is_busy(self):
                await self._air.clock.sleep(self._air.pause_s())
            await self._air.clock.sleep(self._air.settings.turnaround_s)
            await self._air.send(self, data[at : at + size])

    async def aclose(self) -> None:
        """See Link."""
        self._open = False
        self._air.remove(self)
        self._inbox.close("closed by this side", drop=True)

    def hear(self, data: bytes) -> None:
        """Bytes that arrived through the air."""
        self._inbox.put(data)
