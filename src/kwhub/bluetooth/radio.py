"""How well two virtual controllers hear each other: distance, loss, retransmission, time-out.

All chance is seeded. The model is plain: free-field loss with an exponent gives the signal, the
signal gives the share of lost packets, a lost packet is sent again one connection interval later.
"""

import math
from dataclasses import dataclass, field

from kwhub.runtime.chance import Random

__all__ = ["Ideal", "Radio", "Setting"]

REFERENCE_DBM = -50.0
"""Signal at one metre, 0 dBm sent."""

FLOOR_DBM = -95.0
"""Nothing is received below it: a usual module at 1 Mbit/s."""

FADE_DB = 10.0
"""Above the floor by so much, loss has fallen to almost nothing."""

RETRANSMISSIONS_MAX = 1_000

ROUNDING = 1e-6
"""Of an interval: a moment so short before a connection event counts as that event."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The surroundings of all links of one air."""

    exponent: float = 2.0  #: 2 in the open, 3 to 4 through walls
    interval_s: float = 0.03  #: connection interval: nothing is sent between its ticks
    packet_loss: float = 0.0  #: share lost to interference, on top of weak signal
    supervision_s: float = 2.0  #: silence after which a link is given up


class Ideal:
    """A radio that hears everything at once."""

    setting = Setting(interval_s=0.0)

    def signal_dbm(self, one: str, two: str) -> float | None:
        """Received signal between two addresses in dBm; None when they do not hear each other."""
        del one, two
        return REFERENCE_DBM

    def delay_s(self, one: str, two: str, now: float) -> float | None:
        """Seconds until a packet has arrived; None when it never does."""
        del one, two, now
        return 0.0


@dataclass(slots=True)
class Radio:
    """A radio with distances.

    Attributes:
        places: address to position in metres; who has none stands at the origin.
        cut: pairs (sorted addresses) between which a wall of lead stands.
    """

    chance: Random
    setting: Setting = field(default_factory=Setting)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    cut: set[tuple[str, str]] = field(default_factory=set)

    def signal_dbm(self, one: str, two: str) -> float | None:
        """See Ideal."""
        if (min(one, two), max(one, two)) in self.cut:
            return None
        here, there = self.places.get(one, (0.0, 0.0)), self.places.get(two, (0.0, 0.0))
        distance_m = max(1.0, math.dist(here, there))
        signal = REFERENCE_DBM - 10 * self.setting.exponent * math.log10(distance_m)
        return signal if signal > FLOOR_DBM else None

    def loss(self, signal_dbm: float) -> float:
        """Share of packets that are lost at a signal."""
        weak = max(0.0, 1.0 - (signal_dbm - FLOOR_DBM) / FADE_DB)
        return 1.0 - (1.0 - weak) * (1.0 - self.setting.packet_loss)

    def delay_s(self, one: str, two: str, now: float) -> float | None:
        """See Ideal: until the next connection event, and one more interval for each loss."""
        signal = self.signal_dbm(one, two)
        if signal is None:
            return None
        interval, loss = self.setting.interval_s, self.loss(signal)
        wait = (int(now / interval + ROUNDING) + 1) * interval - now if interval else 0.0
        for _ in range(RETRANSMISSIONS_MAX):
            if self.chance.random() >= loss:
                return wait
            wait += interval
            if wait > self.setting.supervision_s:
                return None
        return None
