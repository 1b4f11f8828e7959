"""The sixteen inputs: edges in, counts, registers and power out.

Source: IEC 62053-31 (pulse output devices); GB/T 17215.321 (pulse constant on the name plate).
"""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kwhub.catalog.terminal_profile import CHANNELS, REGISTER_ROLLS_OVER, ChannelKind
from kwhub.exchange.terminal_settings import ChannelSettings
from kwhub.protocols.pulse.edges import EdgeRules, EdgeState, count
from kwhub.protocols.pulse.energy import PulseMeter
from kwhub.terminal.countlog import Counts

__all__ = ["Base", "Channel", "Channels", "Told"]

_US_PER_S: Final = 1_000_000
_EXACT: Final = Decimal("0.000001")
_TICK: Final = Decimal("0.01")
_POWER_TICK: Final = Decimal("0.0001")
_POWER_MAX: Final = Decimal("99.9999")
_BOUNCES_A_SECOND: Final = 200
"""So many edges that do not stay are no contact but a fault: a loose wire, or interference."""


@dataclass(frozen=True, slots=True)
class Base:
    """From where a register counts.

    Attributes:
        reading: what the register showed, kWh; six decimals.
        count: the total at that moment.
        given: the reading that a person gave; None when nobody ever did.
    """

    reading: Decimal = Decimal(0)
    count: int = 0
    given: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a batch of edges was about.

    Attributes:
        pulses: that were counted.
        implausible: that were left out as too fast.
        faulty: the input bounces without end.
    """

    pulses: int
    implausible: int
    faulty: bool


_NOTHING: Final = Told(0, 0, faulty=False)


class Channel:
    """One pulse input.

    Attributes:
        total: pulses since the terminal was made.
        implausible: pulses that came faster than the largest current allows.
        bounces: edges that did not stay, since the start.
        base: from where the register counts.
    """

    def __init__(self, settings: ChannelSettings, base: Base, total: int, implausible: int) -> None:
        self.total = total
        self.implausible = implausible
        self.bounces = 0
        self.base = base
        self._state = EdgeState(level=False)
        self._apart_us = 0  #: between the last two pulses
        self._since_us = 0
        self.settings = settings
        self.use(settings)

    def base_for(self, settings: ChannelSettings) -> Base:
        """From where the register counts when it takes other settings now."""
        if settings.constant == self.settings.constant:
            return self.base
        return replace(self.base, reading=self._exact, count=self.total)

    def use(self, settings: ChannelSettings) -> None:
        """Take other settings; the register goes on from what it shows."""
        self.base = self.base_for(settings)
        self.settings = settings
        counts = settings.kind is ChannelKind.PULSE
        self._meter = PulseMeter(
            settings.constant or 1,
            current_max_a=settings.current_max_a or Decimal(1),
            voltage_v=settings.voltage_v or Decimal(1),
            phases=settings.phases or 1,
        )
        apart_us = self._meter.apart_us if counts else 0
        self._rules = EdgeRules(debounce_us=settings.debounce_ms * 1_000, apart_us=apart_us)

    def wake(self, now_us: int, *, stored: bool, level: bool) -> None:
        """Begin to listen.

        Args:
            now_us: the present moment, microseconds.
            stored: the last level that stayed, before the power went.
            level: the level now; when it is active and was not, a pulse has begun meanwhile.
        """
        self._state = EdgeState(stored, now_us, level)
        self._since_us = now_us

    @property
    def level(self) -> bool:
        """The last level that stayed."""
        return self._state.level

    def take(self, times_us: NDArray[np.int64], levels: NDArray[np.bool_], now_us: int) -> Told:
        """Take the edges until a moment. Raises LocalError when times go back."""
        if not len(times_us) and self._state.waiting_us is None:
            self._since_us = now_us
            return _NOTHING
        before = self._state.last_pulse_us
        self._state, counted = count(times_us, levels, now_us, self._state, self._rules)
        self.bounces += counted.bounces
        span_us = max(now_us - self._since_us, 1)
        self._since_us = now_us
        faulty = counted.bounces * _US_PER_S > _BOUNCES_A_SECOND * max(span_us, _US_PER_S)
        if self.settings.kind is not ChannelKind.PULSE:
            return Told(0, 0, faulty=False)
        pulses = len(counted.pulses)
        if pulses:
            last = int(counted.pulses[-1])
            former = int(counted.pulses[-2]) if pulses > 1 else before
            self._apart_us = last - former if former > 0 else 0
        self.total += pulses
        self.implausible += counted.implausible
        return Told(pulses, counted.implausible, faulty)

    @property
    def _exact(self) -> Decimal:
        turned = Decimal(self.total - self.base.count) / self._meter.constant
        return (self.base.reading + turned).quantize(_EXACT, ROUND_DOWN)

    @property
    def register(self) -> Decimal:
        """KWh with two decimals, cut off as on a meter's display."""
        return (self._exact % REGISTER_ROLLS_OVER).quantize(_TICK, ROUND_DOWN)

    def power_kw(self, now_us: int) -> Decimal:
        """The load: from the last two pulses, or less when the next one is late; kW."""
        last_us = self._state.last_pulse_us
        if not self._apart_us or last_us < 0:
            return Decimal(0).quantize(_POWER_TICK)
        between_us = max(self._apart_us, now_us - last_us)
        power = self._meter.power_kw(between_us).quantize(_POWER_TICK, ROUND_DOWN)
        return min(power, _POWER_MAX)


class Channels:
    """All inputs of a terminal."""

    def __init__(
        self, settings: tuple[ChannelSettings, ...], bases: tuple[Base, ...], counts: Counts
    ) -> None:
        """Go on from durable counts."""
        self._stored = counts.levels
        self.each = tuple(
            Channel(settings[n], bases[n], counts.totals[n], counts.implausible[n])
            for n in range(CHANNELS)
        )

    def __getitem__(self, number: int) -> Channel:
        """The channel with a number, 1 to 16."""
        return self.each[number - 1]

    def wake(self, now_us: int, levels: int) -> None:
        """Begin to listen; bit n of ``levels`` is the level of channel n+1 now."""
        for n, channel in enumerate(self.each):
            stored, level = bool(self._stored >> n & 1), bool(levels >> n & 1)
            channel.wake(now_us, stored=stored, level=level)

    def counts(self, at_ms: int) -> Counts:
        """What is to be made durable."""
        return Counts(
            tuple(channel.total for channel in self.each),
            tuple(channel.implausible for channel in self.each),
            sum(channel.level << n for n, channel in enumerate(self.each)),
            at_ms,
        )
