"""Weather and calendar of one area: the same for all its customers, cumulated once for all of them.

Source: shapes and temperatures are our own, made to look like a town in the north of China
(cold dry winters, hot summers); they are not measurements of any place.
"""

from datetime import date
from itertools import pairwise

from kwhub.sim.noise import unit_permille

__all__ = ["DAY_S", "Climate", "DegreeDays", "cumulated_week", "day_number", "weekday"]

DAY_S = 86_400
EPOCH_ORDINAL = 719_163  #: proleptic ordinal of 1970-01-01, day number 0

HEATING_BELOW_DEGC10 = 150
COOLING_ABOVE_DEGC10 = 240
#: Mean temperature in the middle of each month, January first, 0.1 degrees Celsius.
_MONTH_MEAN_DEGC10 = (5, 35, 95, 168, 223, 268, 278, 264, 217, 158, 87, 25)
#: Days whose own weather goes into one day: warm and cold spells last, they do not flicker.
_SPELL_DAYS = 4
_SPELL_DEGC10 = 55


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH_ORDINAL


def weekday(day: int) -> int:
    """0 Monday to 6 Sunday, of a day number (day 0 was a Thursday)."""
    return (day + 3) % 7


class DegreeDays:
    """What heating and cooling one kind of customer has asked for since the first day, cumulated."""

    def __init__(self, climate: "Climate", rest_from: int, rest_permille: int) -> None:
        self._climate = climate
        self._rest_from = rest_from
        self._rest_permille = rest_permille
        self._heating = [0]
        self._cooling = [0]

    def until(self, day: int) -> tuple[int, int]:
        """Heating and cooling up to the start of a day, in 0.0001 degree-days.

        Raises:
            ValueError: the day lies before the first one.
        """
        index = day - self._climate.first_day
        if index < 0:
            raise ValueError(f"day {day} lies before the first day {self._climate.first_day}")
        while len(self._heating) <= index:
            self._extend()
        return self._heating[index], self._cooling[index]

    def _extend(self) -> None:
        """Carry the sums one day on; each day is looked at once in the life of the area."""
        day = self._climate.first_day + len(self._heating) - 1
        warm = self._climate.temperature_degc10(day)
        factor = self._rest_permille if weekday(day) >= self._rest_from else 1000
        self._heating.append(self._heating[-1] + factor * max(0, HEATING_BELOW_DEGC10 - warm))
        self._cooling.append(self._cooling[-1] + factor * max(0, warm - COOLING_ABOVE_DEGC10))


class Climate:
    """Temperatures of an area, day by day.

    Args:
        seed: of the area.
        first_day: day number at which all sums start; earlier days do not exist.
    """

    def __init__(self, seed: int, first_day: int) -> None:
        self.first_day = first_day
        self._seed = seed
        self._sums: dict[tuple[int, int], DegreeDays] = {}

    def temperature_degc10(self, day: int) -> int:
        """Mean outdoor temperature of a day, in 0.1 degrees Celsius."""
        of_year = date.fromordinal(day + EPOCH_ORDINAL).timetuple().tm_yday
        month, part = divmod(1200 * (of_year - 1) // 365 - 50, 100)
        low, high = _MONTH_MEAN_DEGC10[month % 12], _MONTH_MEAN_DEGC10[(month + 1) % 12]
        mean = (low * (100 - part) + high * part) // 100
        spell = sum(unit_permille(self._seed, 1, day - back) for back in range(_SPELL_DAYS))
        return mean + (2 * spell // _SPELL_DAYS - 999) * _SPELL_DEGC10 // 500

    def degree_days(self, rest_from: int, rest_permille: int) -> DegreeDays:
        """The sums for customers who rest from a weekday on; shared by all who rest alike."""
        key = (rest_from, rest_permille)
        if key not in self._sums:
            self._sums[key] = DegreeDays(self, rest_from, rest_permille)
        return self._sums[key]


def cumulated_week(factors: tuple[int, ...]) -> tuple[int, ...]:
    """Sums of the seven factors before each weekday; the eighth is the whole week."""
    sums = [0]
    for factor in factors:
        sums.append(sums[-1] + factor)
    if any(low >= high for low, high in pairwise(sums)):
        raise ValueError("every weekday needs some energy, or a register would stand still")
    return tuple(sums)
