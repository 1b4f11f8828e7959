"""What a bad wire makes of a piece of bytes: named knobs, a seeded stream of chance, and a count."""

from dataclasses import dataclass, fields

from kwhub.domain.errors import LocalError
from kwhub.runtime.chance import Random

__all__ = ["FaultCounts", "FaultRates", "Spoiler"]


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Probabilities from 0 to 1. "Piece" is what one write, or one read of the inner link, carries."""

    loss: float = 0.0  #: a piece vanishes, in either direction
    bit_flip: float = 0.0  #: for each byte, in either direction: one of its bits is turned
    flip: float = (
        0.0  #: one bit of a piece is turned, in either direction; every checksum sees that
    )
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


class Spoiler:
    """Makes trouble of pieces of bytes, one after the other; knows no link.

    Attributes:
        rates: may be replaced at any time, for trouble that comes and goes.
        counts: what was done so far.
    """

    def __init__(self, chance: Random, rates: FaultRates) -> None:
        """Make trouble.

        Args:
            chance: a stream of its own; the same seed and the same pieces give the same trouble.
            rates: the knobs; ``echo`` and ``late_answer`` are the business of the caller.
        """
        self.rates = rates
        self.counts = FaultCounts()
        self._chance = chance

    def happens(self, rate: float) -> bool:
        """Draw once; nothing is drawn where nothing can happen."""
        return rate > 0.0 and self._chance.random() < rate

    def spoil(self, data: bytes) -> list[bytes]:
        """What arrives of one piece: nothing, the piece, a changed piece, or two."""
        if self.happens(self.rates.loss):
            self.counts.lost += 1
            return []
        if self.rates.bit_flip > 0.0:
            data = self._flip(data)
        if data and self.happens(self.rates.flip):
            data = self._flip_one(data)
        if len(data) > 1 and self.happens(self.rates.cut):
            self.counts.cut += 1
            data = data[: self._chance.randrange(1, len(data))]
        if self.happens(self.rates.duplicate):
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

    def _flip_one(self, data: bytes) -> bytes:
        self.counts.bits_flipped += 1
        changed = bytearray(data)
        changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)
