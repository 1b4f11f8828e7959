"""What customers draw, in closed form: the energy drawn until any moment, without the time before it.

Energy is a whole number of joules (watt-seconds), so that sums over intervals, meters and tariffs are
exact. The energy until the start of a day is a formula (calendar and weather sums that the whole
area shares, plus a jitter that telescopes: what one day gets more, the next gets less). Within a day
it is a table of 96 quarters, made when somebody asks; within a quarter one of a few fixed minute
patterns. Power is the slope of this one function and so always agrees with the registers.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Protocol

from kwhub.sim.climate import DAY_S, Climate, cumulated_week, weekday
from kwhub.sim.noise import mix, noise_bytes, unit_permille
from kwhub.sim.shapes import SLOT_S, SLOTS, Kind, habit_of, slots_of

__all__ = ["JOULES_PER_KWH", "BypassedLoad", "CustomerLoad", "Load", "SupplyLoad"]

JOULES_PER_KWH = 3_600_000
DAY_TABLES_MAX = 80  #: day tables that one customer keeps (800 bytes each): enough for 62 freezes
_MINUTES = 15
_PATTERNS = 16
#: A minute pattern is cumulated to this, so that a second within a minute is a whole number too.
_PATTERN_SUM = 900
_QUARTER = _PATTERN_SUM * 60


def _minute_patterns() -> tuple[tuple[int, ...], ...]:
    """Ways in which the energy of a quarter of an hour may be spread over its minutes, cumulated."""
    patterns = []
    for pattern in range(_PATTERNS):
        weights = [60 + mix(0x6B_77_68, pattern, minute) % 60 for minute in range(_MINUTES)]
        total = sum(weights)
        patterns.append(
            tuple(_PATTERN_SUM * part // total for part in accumulate(weights, initial=0))
        )
    return tuple(patterns)


_MINUTE_PATTERNS = _minute_patterns()
_DAY_SHAPES = {
    kind: tuple(
        slots_of(hours)
        for hours in (habit_of(kind).workday, habit_of(kind).restday, habit_of(kind).climate)
    )
    for kind in Kind
}


class Load(Protocol):
    """Energy through a point of the network. Moments are whole seconds since 1970-01-01 UTC."""

    @property
    def first_s(self) -> int:
        """The moment at which counting starts; before it nothing is drawn."""

    @property
    def power_factor_permille(self) -> int:
        """Active against apparent power, in permille; 1 to 1000."""

    def joules(self, at_s: int) -> int:
        """Energy drawn from the first moment until ``at_s``; never falls."""

    def watts10(self, at_s: int) -> int:
        """Power at a moment, in 0.1 W: the slope of ``joules`` over the minute it lies in."""


class CustomerLoad:
    """One household, shop or workshop.

    Args:
        kind: its habits.
        seed: of this customer.
        climate: weather of the area; its first day is the first day of this customer too.
        utc_offset_s: of the site, so that people get up in the morning.
        scale_permille: size against what the seed gives.
    """

    def __init__(
        self,
        kind: Kind,
        seed: int,
        climate: Climate,
        *,
        utc_offset_s: int,
        scale_permille: int = 1000,
    ) -> None:
        habit = habit_of(kind)
        self.kind = kind
        self.seed = seed
        self.first_s = climate.first_day * DAY_S - utc_offset_s
        self._habit = habit
        self._shapes = _DAY_SHAPES[kind]
        self._offset_s = utc_offset_s
        self._degrees = climate.degree_days(habit.rest_from, habit.climate_rest_permille)
        self._week = cumulated_week(habit.week)

        def draw(low: int, high: int, stream: int) -> int:
            return low + (high - low) * unit_permille(seed, stream) // 1000

        self.base_j = draw(*habit.base_kwh, 1) * 3_600 * scale_permille
        """Energy of a full day without heating and cooling, in J."""
        self._heating_j = draw(*habit.climate_wh, 2) * 3_600 * scale_permille // 10_000
        self._cooling_j = draw(*habit.climate_wh, 3) * 3_600 * scale_permille // 10_000
        self._jitter_j = self.base_j * habit.day_noise_permille // 1000
        self.power_factor_permille = draw(*habit.power_factor_permille, 4)
        self._phase = seed % _PATTERNS
        self._first_j = 0  # so that the sums, which started earlier, can be taken off themselves
        self._first_j = self.day_joules(climate.first_day)
        self._tables: OrderedDict[int, Sequence[int]] = OrderedDict()

    def day_joules(self, day: int) -> int:
        """Energy until the start of a local day, by its day number."""
        weeks, of_week = divmod(day + 3, 7)
        heating, cooling = self._degrees.until(day)
        return (
            self.base_j * (weeks * self._week[7] + self._week[of_week]) // 1000
            + self._jitter_j * unit_permille(self.seed, 5, day) // 1000
            + (self._heating_j * heating + self._cooling_j * cooling) // 1000
            - self._first_j
        )

    def quarters(self, day: int) -> Sequence[int]:
        """Energy until each of the 97 edges of the quarters of a day, in J."""
        table = self._tables.get(day)
        if table is None:
            table = self._tables[day] = self._quarters(day)
            if len(self._tables) > DAY_TABLES_MAX:
                self._tables.popitem(last=False)
        return table

    def _quarters(self, day: int) -> Sequence[int]:
        low, high = self.day_joules(day), self.day_joules(day + 1)
        heating, cooling = self._degrees.until(day)
        heating_after, cooling_after = self._degrees.until(day + 1)
        climate_j = (
            self._heating_j * (heating_after - heating)
            + self._cooling_j * (cooling_after - cooling)
        ) // 1000
        warm = min(1000, climate_j * 1000 // (high - low))
        habit = self._habit
        shape = self._shapes[1 if weekday(day) >= habit.rest_from else 0]
        noise = noise_bytes(SLOTS + 1 + habit.appliances, self.seed, 6, day)
        shift = noise[SLOTS] % 5 - 2  # nobody gets up at the same minute every day
        steady = habit.slot_steadiness
        weights = [
            (usual * (1000 - warm) + climate * warm) * (steady + jitter)
            for usual, climate, jitter in zip(
                shape[shift:] + shape[:shift], self._shapes[2], noise, strict=False
            )
        ]
        for place in noise[SLOTS + 1 :]:
            weights[place % SLOTS] *= 2
        total = sum(weights)
        size = high - low
        return array("q", [low + size * part // total for part in accumulate(weights, initial=0)])

    def joules(self, at_s: int) -> int:
        """See Load."""
        if at_s <= self.first_s:
            return 0
        day, second = divmod(at_s + self._offset_s, DAY_S)
        slot, second = divmod(second, SLOT_S)
        table = self.quarters(day)
        low = table[slot]
        if not second:
            return low
        pattern = _MINUTE_PATTERNS[(slot * 7 + day + self._phase) % _PATTERNS]
        minute, second = divmod(second, 60)
        part = pattern[minute] * 60 + (pattern[minute + 1] - pattern[minute]) * second
        return low + (table[slot + 1] - low) * part // _QUARTER

    def watts10(self, at_s: int) -> int:
        """See Load."""
        if at_s < self.first_s:
            return 0
        start = at_s - at_s % 60
        return (self.joules(start + 60) - self.joules(start)) // 6


class BypassedLoad:
    """What a meter sees of a customer who, from some day on, leads a part of the current around it."""

    def __init__(self, true: CustomerLoad, *, from_s: int, bypassed_permille: int) -> None:
        self.true = true
        self.first_s = true.first_s
        self.from_s = from_s
        self.bypassed_permille = bypassed_permille
        self.power_factor_permille = true.power_factor_permille

    def joules(self, at_s: int) -> int:
        """See Load; the meter's view."""
        if at_s <= self.from_s:
            return self.true.joules(at_s)
        before = self.true.joules(self.from_s)
        seen = (self.true.joules(at_s) - before) * (1000 - self.bypassed_permille)
        return before + seen // 1000

    def watts10(self, at_s: int) -> int:
        """See Load; the meter's view."""
        power = self.true.watts10(at_s)
        if at_s < self.from_s:
            return power
        return power * (1000 - self.bypassed_permille) // 1000


class SupplyLoad:
    """What goes into an area: what its customers truly draw, and what the wires lose on the way.

    The loss of a quarter is a constant part (iron of the transformer, the meters themselves) and a
    part that grows with the square of the mean power (copper and lines).

    Args:
        customers: true loads of all customers, all of one climate.
        constant_w: the constant part, in W.
        copper_permille: the quadratic part as a share of the power, at the mean of a working day
            without heating and cooling.
        utc_offset_s: of the site.
    """

    def __init__(
        self,
        customers: Sequence[CustomerLoad],
        *,
        constant_w: int,
        copper_permille: int,
        utc_offset_s: int,
    ) -> None:
        if not customers:
            raise ValueError("an area has at least one customer")
        self.first_s = customers[0].first_s
        self.power_factor_permille = 930
        self._customers = tuple(customers)
        self._constant_j = constant_w * SLOT_S
        self._copper_permille = copper_permille
        self._nominal_j = sum(customer.base_j for customer in customers) // SLOTS
        self._offset_s = utc_offset_s
        self._first_day = (self.first_s + utc_offset_s) // DAY_S
        self._lost_until = [0]
        self._tables: OrderedDict[int, Sequence[int]] = OrderedDict()
        self._last = (self.first_s, 0)

    def _day_losses(self, day: int) -> list[int]:
        """Loss of each quarter of a day, in J."""
        sums = [
            sum(edges)
            for edges in zip(*(each.quarters(day) for each in self._customers), strict=True)
        ]
        copper, nominal = self._copper_permille, self._nominal_j * 1000
        return [
            self._constant_j + (after - before) ** 2 * copper // nominal
            for before, after in pairwise(sums)
        ]

    def _lost(self, day: int) -> Sequence[int]:
        """Loss until each edge of the quarters of a day, in J; needs every day since the first once."""
        table = self._tables.get(day)
        if table is None:
            for earlier in range(self._first_day + len(self._lost_until) - 1, day):
                self._lost_until.append(self._lost_until[-1] + sum(self._day_losses(earlier)))
            before = self._lost_until[day - self._first_day]
            table = array("q", accumulate(self._day_losses(day), initial=before))
            self._tables[day] = table
            if len(self._tables) > DAY_TABLES_MAX:
                self._tables.popitem(last=False)
        return table

    def joules(self, at_s: int) -> int:
        """See Load."""
        if at_s <= self.first_s:
            return 0
        if self._last[0] == at_s:
            return self._last[1]
        day, second = divmod(at_s + self._offset_s, DAY_S)
        slot, second = divmod(second, SLOT_S)
        lost = self._lost(day)
        energy = lost[slot] + (lost[slot + 1] - lost[slot]) * second // SLOT_S
        energy += sum(customer.joules(at_s) for customer in self._customers)
        self._last = (at_s, energy)
        return energy

    def watts10(self, at_s: int) -> int:
        """See Load."""
        if at_s < self.first_s:
            return 0
        start = at_s - at_s % 60
        return (self.joules(start + 60) - self.joules(start)) // 6
