"""Timings of the codes that have a leader and tell bits by the length of a mark or of a space.

Source: NEC, Sony SIRC: San Bergmans, sbprojects.net/knowledge/ir; remote-module code: the maker's
published receiver (leader 9000/4500, 500 mark, 800/1500 space, 30 %), single source.
"""

from dataclasses import dataclass

__all__ = ["NEC", "REMOTE_MODULE", "SIRC", "PulseTable"]


@dataclass(frozen=True, slots=True)
class PulseTable:
    """One code; every time in microseconds, every pair is mark, space."""

    name: str
    carrier_hz: float
    duty: float
    leader: tuple[float, float]
    zero: tuple[float, float]
    one: tuple[float, float]
    lengths: tuple[int, ...]  #: how many bits a frame may have
    msb_first: bool
    stop: float  #: mark after the last bit; 0 where the last bit's own mark ends the frame
    period_us: float  #: from the beginning of a frame to that of its repetition

    @property
    def gap_us(self) -> float:
        """The shortest space that ends a frame."""
        return 1.6 * max(self.zero[1], self.one[1])


REMOTE_MODULE = PulseTable(
    name="REMOTE_MODULE",
    carrier_hz=38_000,
    duty=0.5,
    leader=(9000, 4500),
    zero=(500, 800),
    one=(500, 1500),
    lengths=(24,),
    msb_first=True,
    stop=500,
    period_us=110_000,
)
NEC = PulseTable(
    name="NEC",
    carrier_hz=38_000,
    duty=0.33,
    leader=(9000, 4500),
    zero=(560, 560),
    one=(560, 1690),
    lengths=(32,),
    msb_first=False,
    stop=560,
    period_us=110_000,
)
SIRC = PulseTable(
    name="SIRC",
    carrier_hz=40_000,
    duty=0.33,
    leader=(2400, 600),
    zero=(600, 600),
    one=(1200, 600),
    lengths=(12, 15, 20),
    msb_first=False,
    stop=0,
    period_us=45_000,
)
