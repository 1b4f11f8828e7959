"""How customers of each kind spread their energy over the week and over the day.

Source: our own tables, drawn after what load curves of such customers look like in general
(double peak of a household, opening hours of a shop, two shifts and a lunch break of a workshop).
"""

from dataclasses import dataclass
from enum import Enum

__all__ = ["SLOTS", "SLOT_S", "Habit", "Kind", "habit_of", "slots_of"]

SLOT_S = 900
SLOTS = 96


class Kind(Enum):
    """Kinds of customers."""

    HOUSEHOLD = "household"
    SHOP = "shop"
    WORKSHOP = "workshop"


@dataclass(frozen=True, slots=True)
class Habit:
    """One kind of customer. Day shapes are weights of the 24 hours, without unit."""

    week: tuple[int, ...]  #: permille of a full day, Monday first
    workday: tuple[int, ...]
    restday: tuple[int, ...]
    climate: tuple[int, ...]  #: when heating and cooling run
    rest_from: int  #: first weekday that has the shape of a rest day: 5 Saturday, 6 Sunday
    climate_rest_permille: int  #: heating and cooling on a rest day, against another day
    day_noise_permille: int  #: how much one day differs from another; below the least of ``week``
    slot_steadiness: int  #: the larger, the less one quarter of an hour differs from the next
    appliances: int  #: quarters of an hour in which something large runs, at no fixed time
    base_kwh: tuple[int, int]  #: range of a full day without heating and cooling
    climate_wh: tuple[int, int]  #: range for each degree-day
    power_factor_permille: tuple[int, int]


def _hours(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


_HABITS = {
    Kind.HOUSEHOLD: Habit(
        week=(980, 970, 970, 980, 1020, 1180, 1160),
        workday=_hours("28 24 22 21 22 27 48 62 50 38 36 44 58 46 38 38 44 66 98 118 116 96 66 42"),
        restday=_hours("34 28 24 22 22 24 34 52 66 68 66 74 80 66 56 54 60 76 98 112 110 92 68 46"),
        climate=_hours("50 45 42 40 40 42 46 44 36 32 34 42 52 54 52 50 50 54 66 78 82 80 72 60"),
        rest_from=5,
        climate_rest_permille=1000,
        day_noise_permille=350,
        slot_steadiness=90,
        appliances=5,
        base_kwh=(4, 11),
        climate_wh=(80, 420),
        power_factor_permille=(940, 995),
    ),
    Kind.SHOP: Habit(
        week=(1000, 1000, 1000, 1020, 1060, 1040, 240),
        workday=_hours(
            "12 11 11 11 11 12 16 34 82 104 108 110 112 110 108 108 110 112 116 112 96 52 18 13"
        ),
        restday=_hours("20 20 20 20 20 20 20 20 21 22 22 22 22 22 22 22 21 20 20 20 20 20 20 20"),
        climate=_hours("4 4 4 4 4 4 8 30 80 96 100 106 112 118 120 118 114 108 100 94 80 40 8 4"),
        rest_from=6,
        climate_rest_permille=150,
        day_noise_permille=140,
        slot_steadiness=420,
        appliances=0,
        base_kwh=(18, 60),
        climate_wh=(600, 2400),
        power_factor_permille=(890, 960),
    ),
    Kind.WORKSHOP: Habit(
        week=(1000, 1030, 1030, 1030, 1000, 560, 130),
        workday=_hours(
            "9 9 9 9 9 11 26 84 138 148 150 140 62 128 148 150 146 118 96 92 90 62 16 10"
        ),
        restday=_hours("18 18 18 18 18 18 22 40 60 66 66 60 34 30 26 24 22 20 18 18 18 18 18 18"),
        climate=_hours("6 6 6 6 6 10 40 90 110 112 112 110 80 108 112 112 108 92 70 60 54 30 8 6"),
        rest_from=5,
        climate_rest_permille=200,
        day_noise_permille=90,
        slot_steadiness=600,
        appliances=0,
        base_kwh=(110, 260),
        climate_wh=(800, 3000),
        power_factor_permille=(780, 880),
    ),
}


def habit_of(kind: Kind) -> Habit:
    """The habits of a kind of customer."""
    return _HABITS[kind]


def slots_of(hours: tuple[int, ...]) -> tuple[int, ...]:
    """24 weights of hours as 96 weights of quarters, straight lines between the middles of the hours."""
    weights = []
    for slot in range(SLOTS):
        position = 2 * slot - 3  # eighths of an hour from the middle of hour 0
        hour, part = divmod(position, 8)
        low, high = hours[hour % 24], hours[(hour + 1) % 24]
        weights.append(low * (8 - part) + high * part)
    return tuple(weights)
