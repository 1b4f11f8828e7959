"""Frozen data of every kind: which moments were frozen, and what the registers showed then.

Source: DL/T 645-2007, annex A, table A.6, clause 7 (code 16), and the State Grid filings (number of records,
mode words 04000902 to 06, hourly and daily freeze). Switches of prices and tiers follow the mode word of the
other switches (04000904): the sheet has none of their own.
"""

from collections.abc import Iterator
from itertools import chain, islice
from types import MappingProxyType
from typing import Final

from kwhub.protocols.dlt645.items import encode, find
from kwhub.sim.clockwork import wall_datetime, wall_seconds
from kwhub.sim.denial import NoSuchData
from kwhub.sim.memory import Memory
from kwhub.sim.moments import check_pattern, every, matching
from kwhub.sim.power import Power
from kwhub.sim.quantities import Plain, counter, powers, reactive_powers
from kwhub.sim.readout import Readout
from kwhub.sim.registers import TARIFFS
from kwhub.sim.settings import FREEZE_MODES

__all__ = [
    "DAILY",
    "HOURLY",
    "INSTANT",
    "PRICE_SWITCH",
    "RECORDS",
    "RULES",
    "SLOT_SWITCH",
    "TIER_SWITCH",
    "TIMED",
    "ZONE_SWITCH",
    "Freezes",
]

TIMED, INSTANT, ZONE_SWITCH, SLOT_SWITCH, HOURLY, PRICE_SWITCH, DAILY, TIER_SWITCH = range(8)

RECORDS: Final = MappingProxyType(
    {
        TIMED: 60,
        INSTANT: 3,
        ZONE_SWITCH: 2,
        SLOT_SWITCH: 2,
        HOURLY: 254,
        PRICE_SWITCH: 2,
        DAILY: 62,
        TIER_SWITCH: 2,
    }
)
"""Records that are kept of each kind."""

_NOW: Final = "99999999"
_WHOLE: Final = 0xFF
_MODE_BITS: Final = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 4, 8: 4, 9: 5, 0x0A: 6, 0x10: 7}
"""Bit of the mode word that selects an item (DI1)."""
_NET: Final = (3, 4)
_HOUR_START, _HOUR_INTERVAL, _DAY_TIME = 0x0400_1201, 0x0400_1202, 0x0400_1203
RULES: Final = MappingProxyType({_HOUR_START: HOURLY, _HOUR_INTERVAL: HOURLY, _DAY_TIME: DAILY})
"""Parameters that say when a kind is frozen."""
_DAY_S: Final = 86_400
_ALL_TARIFFS: Final = 0xFF


class Freezes:
    """The frozen data of one meter; only moments are kept, the values are worked out."""

    def __init__(self, readout: Readout, power: Power, memory: Memory) -> None:
        self._readout = readout
        self._power = power
        self._memory = memory

    def payload(self, identifier: int, at_s: int) -> bytes:
        """Value bytes of 05 kind, item, index (01 = the last).

        Raises:
            NoSuchData: no such kind, item or record.
        """
        kind, item, index = identifier.to_bytes(4)[1:]
        if kind not in RECORDS or not 1 <= index <= RECORDS[kind]:
            raise NoSuchData(f"{identifier:08X}")
        frozen_s = next(islice(self._moments(kind, at_s), index - 1, None), None)
        if frozen_s is None:
            raise NoSuchData(f"{identifier:08X}: not recorded")
        if item != _WHOLE:
            return self._item(identifier, frozen_s)
        items = (0, *(each for each in _MODE_BITS if self._is_selected(kind, each)))
        base = identifier & ~0xFF00
        return b"".join(self._item(base | each << 8, frozen_s) for each in items)

    def order(self, pattern: str, at_s: int) -> None:
        """Freeze now, or from now on at the moments of a pattern (month, day, hour, minute).

        Raises:
            Denied: other error: no such moment.
        """
        if pattern == _NOW:
            self.freeze(INSTANT, at_s)
            return
        check_pattern(pattern)
        self.keep(TIMED, at_s)
        self._memory.freeze_pattern = pattern

    def freeze(self, kind: int, at_s: int) -> None:
        """Freeze at this moment."""
        moments = self._memory.frozen.setdefault(kind, [])
        moments.insert(0, at_s)
        del moments[RECORDS[kind] :]

    def keep(self, kind: int, at_s: int) -> None:
        """Hold on to the moments so far: the rule for them is about to change."""
        self._memory.frozen[kind] = list(islice(self._moments(kind, at_s), RECORDS[kind]))
        self._memory.frozen_until_s[kind] = at_s

    def clear(self) -> None:
        """Forget everything that was frozen; the rules stay."""
        self._memory.frozen.clear()

    def _is_selected(self, kind: int, item: int) -> bool:
        """Whether the mode word keeps an item; hourly freezes know two items only."""
        bit = _MODE_BITS.get(item)
        if bit is None or (kind == HOURLY and item > 2):
            return False
        return bool(self._readout.settings.word(FREEZE_MODES[kind]) >> bit & 1)

    def _moments(self, kind: int, at_s: int) -> Iterator[int]:
        """Every moment of a kind, the last one first."""
        until_s = self._memory.frozen_until_s.get(kind)
        return chain(self._ruled(kind, at_s, until_s), self._memory.frozen.get(kind, ()))

    def _ruled(self, kind: int, at_s: int, until_s: int | None) -> Iterator[int]:
        """Those that follow from the rule; missed ones (power cut, pushed clock) are not filled in."""
        clock, first_s = self._readout.clock, self._power.first_s
        if until_s is not None:
            first_s = max(first_s, until_s + 1)
        for wall_s in self._rule(kind, clock.wall(at_s), clock.wall(first_s)):
            moment = clock.moment(wall_s)
            if moment is None:
                continue
            if moment < first_s:
                return
            if self._power.is_on(moment):
                yield moment

    def _rule(self, kind: int, last_s: int, first_s: int) -> Iterator[int]:
        """Wall seconds, the last one first."""
        settings = self._readout.settings
        if kind == TIMED and self._memory.freeze_pattern:
            return matching(self._memory.freeze_pattern, first_s - 1, last_s)
        if kind == HOURLY:
            digits = settings.digits(_HOUR_START)
            start_s = _wall(f"20{digits}") if any(digits.strip("0")) else 0
            interval_s = settings.number(_HOUR_INTERVAL) * 60
            return (each for each in every(interval_s, start_s, last_s) if each >= start_s)
        if kind == DAILY:
            digits = settings.digits(_DAY_TIME)
            return every(_DAY_S, int(digits[:2]) * 3600 + int(digits[2:]) * 60, last_s)
        return iter(())

    def _item(self, identifier: int, frozen_s: int) -> bytes:
        kind, item, _index = identifier.to_bytes(4)[1:]
        readout = self._readout
        if item == 0:
            return encode(identifier, [readout.stamp(frozen_s)])
        if not self._is_selected(kind, item) or find(identifier) is None:
            raise NoSuchData(f"{identifier:08X}")
        if item <= 8:
            ticks = readout.energy_kind(item, frozen_s, whole=kind == HOURLY)
            values: list[Plain] = [counter(each, net=item in _NET) for each in ticks]
            values += [None] * (1 + TARIFFS - len(values))  # reactive energy is not kept by tariff
            return encode(identifier, values[:1] if kind == HOURLY else values)
        if item in (0x09, 0x0A):
            since_s = readout.settled(1, frozen_s)
            return encode(identifier, readout.demands(item - 8, _ALL_TARIFFS, since_s, frozen_s))
        instant = readout.connection.at(frozen_s)
        return encode(identifier, [*powers(instant), *reactive_powers(instant)])


def _wall(digits: str) -> int:
    """YYYYMMDDhhmm in wall seconds."""
    year, month, day, hour, minute = (
        int(digits[start:stop]) for start, stop in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12))
    )
    base = wall_datetime(0)
    return wall_seconds(base.replace(year=year, month=month, day=day, hour=hour, minute=minute))
