"""The network behind a local module: who hears whom, how long a frame takes, and which ones get lost.

Chance is a function of the seed and of the number of the frame, so the same questions in the same order
have the same fate on every machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kwhub.domain.errors import LocalError
from kwhub.sim.bus import MeterBus
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.noise import mix, unit_permille

__all__ = ["PlcNetwork", "PlcNode", "PlcSettings"]

_FE = b"\xfe"
_CANDIDATES = 4  #: neighbours that a node may choose its parent from
_LEVEL_MAX = 15
_FRAMES = 17  #: stream of the fate of frames
_TREE = 18  #: stream of the shape of the tree


@dataclass(frozen=True, slots=True)
class PlcSettings:
    """What the line and the module are like."""

    loss_permille: int = 50  #: frames lost on one hop
    tries: int = 2  #: how often a hop is tried before the module gives the frame up
    hop_s: float = 0.05  #: time of an empty frame on one hop
    rate: int = 9_600  #: bits a second on the line
    give_up_s: float = 8.0  #: after which the module believes that a slave is silent
    boot_s: float = 5.0  #: from reset to the report 03-F10
    slave_timeout_s: int = 90
    parallel_max: int = 5
    capacity: int = 1024


@dataclass(slots=True)
class PlcNode:
    """A meter and its place in the tree."""

    address: str
    meter: SimulatedMeter
    bus: MeterBus
    phase: int  #: 1 to 3
    hops: int  #: 1: heard by the module itself
    parent: str  #: empty: the module
    quality: int  #: 1 worst to 15
    powered: bool = True


class PlcNetwork:
    """All meters behind one module.

    Args:
        meters: with addresses of their own.
        seed: of the tree and of every loss.
        epoch_s: seconds since 1970-01-01 UTC at which the shell's ``now`` was 0.
        settings: of the line.

    Attributes:
        nodes: by address.
        frames: how many were put on the line, repeats included.
        lost: how many of them were lost.
    """

    def __init__(
        self,
        meters: Sequence[SimulatedMeter],
        *,
        seed: int,
        epoch_s: float,
        settings: PlcSettings,
    ) -> None:
        self.settings = settings
        self.frames = 0
        self.lost = 0
        self.nodes: dict[str, PlcNode] = {}
        self._seed = seed
        for number, meter in enumerate(meters):
            bus = MeterBus([meter], epoch_s=epoch_s)
            self._join(number, meter, bus)
        if len(self.nodes) != len(meters):
            raise LocalError("two meters behind one module have the same address")

    def _join(self, number: int, meter: SimulatedMeter, bus: MeterBus) -> None:
        """Put a meter below the best of a few neighbours: good hearing, few hops."""
        known = list(self.nodes.values())
        phase = 1 + mix(self._seed, _TREE, number, 0) % 3
        best_score, parent, hops = 500 - min(400, 4 * number), "", 1
        for turn in range(min(_CANDIDATES, len(known))):
            other = known[mix(self._seed, _TREE, number, 1, turn) % len(known)]
            score = unit_permille(self._seed, _TREE, number, 2, turn) - 60 * other.hops
            score -= 100 * (other.phase != phase)
            if score > best_score and other.hops < _LEVEL_MAX:
                best_score, parent, hops = score, other.address, other.hops + 1
        quality = 1 + mix(self._seed, _TREE, number, 3) % 15
        node = PlcNode(meter.address, meter, bus, phase, hops, parent, quality)
        self.nodes[meter.address] = node

    @property
    def depth(self) -> int:
        """Hops to the farthest node."""
        return max((node.hops for node in self.nodes.values()), default=0)

    def path(self, address: str) -> Iterator[PlcNode]:
        """The node and those between it and the module."""
        while address:
            node = self.nodes[address]
            yield node
            address = node.parent

    def trip(self, address: str, count: int) -> tuple[float, bool]:
        """Bring a frame of ``count`` bytes to a node or back: seconds, and whether it arrived."""
        spent, settings = 0.0, self.settings
        for node in self.path(address):
            for _attempt in range(settings.tries):
                self.frames += 1
                spent += settings.hop_s + count * 8 / settings.rate
                chance = unit_permille(self._seed, _FRAMES, self.frames)
                if node.powered and chance >= settings.loss_permille:
                    break
                self.lost += 1
            else:
                return spent, False
        return spent, True

    def read(self, address: str, raw: bytes, now: float) -> tuple[float, bytes]:
        """Ask a meter: seconds until the module knows, and the answer without preamble; empty when silent."""
        give_up_s = self.settings.give_up_s
        down_s, arrived = self.trip(address, len(raw))
        if not arrived:
            return max(give_up_s, down_s), b""
        said, heard_s = self.tell(address, raw, now + down_s)
        if not said:
            return max(give_up_s, down_s), b""
        up_s, arrived = self.trip(address, len(said))
        spent = down_s + heard_s + up_s
        return (spent, said) if arrived else (max(give_up_s, spent), b"")

    def tell(self, address: str, raw: bytes, now: float) -> tuple[bytes, float]:
        """Give a meter bytes: what it says, without preamble, and how long it takes to say it."""
        bus = self.nodes[address].bus
        bus.receive(raw, now)
        said, at = bytearray(bus.outgoing(now)), now
        while (due := bus.deadline()) is not None:
            at = max(at, due)
            bus.on_deadline(at)
            said += bus.outgoing(at)
        bus.events()
        return bytes(said).lstrip(_FE), at - now
