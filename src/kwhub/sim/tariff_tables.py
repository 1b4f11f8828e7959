"""Year zones, day tables, weekends and holidays: which tariff holds when, as people have written it.

Source: DL/T 645-2007, annex A, table A.5 (040002xx numbers, 04010000.. first set, 04020000.. second set,
040300xx holidays, 04000801 and 02 weekends).
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from kwhub.sim.memory import Memory
from kwhub.sim.registers import USUAL_TABLE, TimeTable

__all__ = [
    "DAYS_MAX",
    "DAY_TABLES",
    "DAY_TABLES_MAX",
    "PLANS_MAX",
    "SLOTS_MAX",
    "ZONES",
    "ZONES_MAX",
    "TariffTables",
    "day_table_bytes",
    "is_table",
]

ZONES_MAX: Final = 14
DAY_TABLES_MAX: Final = 8
SLOTS_MAX: Final = 14
PLANS_MAX: Final = 64
"""Changes of the tables that are remembered; before the oldest one the usual tables hold."""

DAYS_MAX: Final = 400
"""Days whose tables are held ready."""

ZONES: Final = (0x0401_0000, 0x0402_0000)
"""Identifiers of the year-zone tables of both sets; the day tables follow them."""
DAY_TABLES: Final = frozenset(zones + n for zones in ZONES for n in range(1, DAY_TABLES_MAX + 1))

_ZONE_COUNT: Final = 0x0400_0201
_SLOT_COUNT: Final = 0x0400_0203
_HOLIDAY_COUNT: Final = 0x0400_0205
_WEEKEND_WORD: Final = 0x0400_0801
_WEEKEND_TABLE: Final = 0x0400_0802
_HOLIDAYS: Final = 0x0403_0000
_ROW_BYTES: Final = 3
_EPOCH: Final = date(1970, 1, 1)
_HOLIDAY_BYTES: Final = 4

_SETTINGS: Final = frozenset(
    {_ZONE_COUNT, _SLOT_COUNT, _HOLIDAY_COUNT, _WEEKEND_WORD, _WEEKEND_TABLE, *ZONES, *DAY_TABLES}
)
_SETS: Final = (
    0x0400_0106,
    0x0400_0107,
)  #: where a plan keeps which set of zones, of slots is in use


def is_table(identifier: int) -> bool:
    """Whether a parameter says something about tariffs."""
    return identifier in _SETTINGS or identifier >> 8 == _HOLIDAYS >> 8


def day_table_bytes(table: TimeTable) -> bytes:
    """A day table in the form of the wire: 14 rows of tariff, minute, hour; the last one repeats."""
    rows = [
        bytes.fromhex(f"{tariff:02d}{second // 60 % 60:02d}{second // 3600:02d}")
        for second, tariff in table.switches
    ]
    return b"".join(rows + rows[-1:] * (SLOTS_MAX - len(rows)))


def _rows(raw: bytes, count: int) -> list[tuple[int, int, int]]:
    """Rows of a table: (month, day, table) or (hour, minute, tariff); at least one."""
    rows = [raw[at : at + _ROW_BYTES].hex() for at in range(0, max(1, count) * _ROW_BYTES, 3)]
    return [(int(row[4:6]), int(row[2:4]), int(row[:2])) for row in rows]


class TariffTables:
    """The tables of one meter and what they were before.

    Args:
        memory: of the meter; a change adds a plan, so that the past keeps its tariffs.
        raw: value bytes of a parameter.
        utc_offset_s: of the site.
    """

    def __init__(self, memory: Memory, raw: Callable[[int], bytes], utc_offset_s: int) -> None:
        self._memory = memory
        self._raw = raw
        self._offset_s = utc_offset_s
        self._made: dict[int, TimeTable] = {}

    @property
    def changed(self) -> bool:
        """Whether anything but the usual tables was ever in force."""
        return bool(self._memory.tariff_plans)

    def keep(self, at_s: int) -> None:
        """From now on the tables as they are written hold."""
        plans = self._memory.tariff_plans
        plan = {key: raw for key, raw in self._memory.parameters.items() if is_table(key)}
        plan |= {key: self._raw(key) for key in _SETTINGS if key not in plan}
        sets = (self._memory.zone_set, self._memory.slot_set)
        plan |= {key: bytes([number]) for key, number in zip(_SETS, sets, strict=True)}
        while plans and plans[-1][0] >= at_s:
            plans.pop()
        plans.append((at_s, plan))
        del plans[:-PLANS_MAX]
        self._made.clear()

    def at(self, day: int) -> TimeTable:
        """The switches of a local day, counted from 1970-01-01."""
        if day not in self._made:
            if len(self._made) >= DAYS_MAX:
                self._made.clear()
            self._made[day] = self._make(day)
        return self._made[day]

    def _make(self, day: int) -> TimeTable:
        midnight_s = day * 86_400 - self._offset_s
        switches = list(USUAL_TABLE.switches)
        for from_s, plan in self._memory.tariff_plans:
            start = max(0, from_s - midnight_s)
            if start >= 86_400:
                break
            table = _of_day(plan, _EPOCH + timedelta(days=day))
            switches = [switch for switch in switches if switch[0] < start]
            switches.append((start, table.at(start)))
            switches += [switch for switch in table.switches if switch[0] > start]
        return TimeTable(tuple(switches))


def _number(plan: Mapping[int, bytes], identifier: int) -> int:
    return int(plan[identifier][::-1].hex())


def _of_day(plan: Mapping[int, bytes], day: date) -> TimeTable:
    """The table of a day: that of a holiday, else of a weekend, else of its zone of the year."""
    zone_set, slot_set = (plan[key][0] for key in _SETS)
    table = _holiday(plan, day) or _weekend(plan, day) or _zone(plan, ZONES[zone_set - 1], day)
    raw = plan[ZONES[slot_set - 1] + min(max(table, 1), DAY_TABLES_MAX)]
    rows = _rows(raw, _number(plan, _SLOT_COUNT))
    starts = {3600 * hour + 60 * minute: tariff for hour, minute, tariff in rows}
    switches = sorted(starts.items())
    if switches[0][0]:
        switches.insert(0, (0, switches[-1][1]))  # the last slot lasts past midnight
    return TimeTable(tuple(switches))


def _holiday(plan: Mapping[int, bytes], day: date) -> int:
    for number in range(1, _number(plan, _HOLIDAY_COUNT) + 1):
        raw = plan.get(_HOLIDAYS + number, b"")
        if len(raw) == _HOLIDAY_BYTES and raw[:0:-1].hex() == f"{day:%y%m%d}":
            return int(raw[:1].hex())
    return 0


def _weekend(plan: Mapping[int, bytes], day: date) -> int:
    works = plan[_WEEKEND_WORD][0] >> day.isoweekday() % 7 & 1
    return 0 if works else _number(plan, _WEEKEND_TABLE)


def _zone(plan: Mapping[int, bytes], zones: int, day: date) -> int:
    rows = sorted(_rows(plan[zones], _number(plan, _ZONE_COUNT)))
    begun = [row for row in rows if row[:2] <= (day.month, day.day)]
    return (begun or rows)[-1][2]
