"""What the store has of a measuring point, in the words of the uplink: latest values, freezes, curves."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from kwhub.concentrator.ledger_wishes import Wishes
from kwhub.concentrator.outbox import Entry, MeterState, Outbox
from kwhub.concentrator.plan import Kind, PlannedMeter, Series
from kwhub.concentrator.times import aligned, instant, wall
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.protocols.dlt645.editions import Edition

__all__ = ["STEMS", "Shelf", "Values"]

STEMS = ("1-0:1.8", "1-0:3.8", "1-0:2.8", "1-0:4.8", "1-0:5.8", "1-0:6.8", "1-0:7.8", "1-0:8.8")
"""Registers without tariff in the order of 0C-F129 to F136 and 0D-F161 to F168."""

_EDITIONS = {"dlt645-1997": Edition.E1997, "dlt645-2007": Edition.E2007}

CURVE_INTERVALS_S = (60, 300, 900, 1_800, 3_600)
"""Spacings of stored series, of which a wider curve may be made."""


class Values(NamedTuple):
    """Total and tariffs of one moment."""

    at: datetime  #: naive wall time of the site
    values: tuple[Decimal | None, ...]


class Shelf:
    """Looks into the outbox; a point is known by the meter that is there now."""

    def __init__(self, outbox: Outbox, meters: Iterable[PlannedMeter], zone: tzinfo) -> None:
        self.zone = zone
        self._outbox = outbox
        self.wishes: Wishes | None = None  #: fetches what is asked for and not there
        self._meters: dict[int, PlannedMeter] = {}
        self.assign(meters)

    def assign(self, meters: Iterable[PlannedMeter]) -> None:
        """Make these the meters."""
        self._meters = {meter.point: meter for meter in meters}

    @property
    def points(self) -> list[int]:
        """Every point that has a meter."""
        return sorted(self._meters)

    def state(self, point: int) -> MeterState | None:
        """What is known of the manners of the meter at a point."""
        return next((each for each in self._outbox.meters() if each.point == point), None)

    def series(self, point: int, kind: Kind) -> Series | None:
        """What the plan reads of a point."""
        meter = self._meters.get(point)
        return next((each for each in meter.series if each.kind is kind), None) if meter else None

    def spacing(self, point: int, register: Register) -> int | None:
        """Seconds between the values of a register, the narrowest that is read; None when it is not."""
        meter = self._meters.get(point)
        kinds = (Kind.CURVE, Kind.HOURLY)
        found = [
            each.interval_s
            for each in (meter.series if meter else ())
            if each.kind in kinds and register in each.registers
        ]
        return min(found, default=None)

    def edition(self, point: int) -> Edition | None:
        """Which DL/T 645 the meter at a point speaks; None when it speaks none."""
        meter = self._meters.get(point)
        return _EDITIONS.get(meter.settings.protocol) if meter else None

    def latest(self, point: int, register: Register) -> Entry | None:
        """The newest value of the meter that is at the point now."""
        meter = self._meters.get(point)
        return self._outbox.latest(point, register, meter.settings.address) if meter else None

    def energies(self, point: int, stem: str) -> Values | None:
        """The newest total, and the tariffs of the same moment where there are any."""
        total = self.latest(point, Register(f"{stem}.0"))
        if total is None:
            return None
        values = [total.decimal]
        for tariff in range(1, self.tariffs(point) + 1):
            entry = self.latest(point, Register(f"{stem}.{tariff}"))
            values.append(entry.decimal if entry is not None and entry.at == total.at else None)
        return Values(wall(total.at, self.zone), tuple(values))

    def tariffs(self, point: int) -> int:
        """How many tariffs the plan reads."""
        day = self.series(point, Kind.DAY)
        return len(day.registers) - 1 if day else 0

    def freeze(self, point: int, stem: str, day: date) -> Values | None:
        """Total and tariffs at the end of a day, with the time at which they were read."""
        following = day + timedelta(days=1)
        midnight = datetime(following.year, following.month, following.day)  # noqa: DTZ001
        at = instant(midnight, self.zone)
        registers = [Register(f"{stem}.{n}") for n in range(self.tariffs(point) + 1)]
        found = [self._frozen(point, register, at) for register in registers]
        lacking = [each for each, entry in zip(registers, found, strict=True) if entry is None]
        self._wish(point, (Kind.DAY,), lacking, [at])
        if not any(found):
            return None
        received = max(entry.received_at for entry in found if entry)
        values = tuple(entry.decimal if entry else None for entry in found)
        return Values(wall(received, self.zone), values)

    def _frozen(self, point: int, register: Register, at: int) -> Entry | None:
        found = self._outbox.series(point, register, DAY_INTERVAL_S, at, at + 1)
        return found[0] if found else None

    def curve(
        self, point: int, register: Register, interval_s: int, times: Sequence[int]
    ) -> dict[int, Entry]:
        """The values at some moments, of the series of this spacing or of a finer one."""
        wanted = frozenset(times)
        found: dict[int, Entry] = {}
        for finer in CURVE_INTERVALS_S:
            if interval_s % finer == 0:
                entries = self._outbox.series(point, register, finer, times[0], times[-1] + 1)
                found |= {entry.at: entry for entry in entries if entry.at in wanted}
        self._wish(point, (Kind.CURVE, Kind.HOURLY), [register], wanted - found.keys())
        return found

    def _wish(
        self, point: int, kinds: Iterable[Kind], registers: Sequence[Register], at: Iterable[int]
    ) -> None:
        """Have values fetched that the plan reads, but not from so long ago."""
        meter = self._meters.get(point)
        if self.wishes is None or meter is None or not registers:
            return
        for kind in kinds:
            series = self.series(point, kind)
            if series is not None and set(registers) <= set(series.registers):
                moments = [each for each in at if self._is_of(series, each)]
                self.wishes.want(meter, series, registers, moments)
                return

    def _is_of(self, series: Series, at: int) -> bool:
        if series.kind is Kind.DAY:
            return True
        return next(aligned(at - 1, at, series.interval_s, self.zone), None) == at
