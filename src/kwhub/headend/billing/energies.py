"""Energy of a meter by period of the tariff, with the readings that it stands on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NoReturn

import msgspec
import numpy as np
from sqlalchemy import Connection, select

from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import DAY_INTERVAL_S, Quality, Register
from kwhub.headend.billing.tariffs import PERIOD_REGISTERS, Period, Tariff
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.dated import Dated, Piece
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import MICRO_DIGITS, day_number, local_date
from kwhub.headend.store.schema_quality import to_check
from kwhub.headend.store.vectors import EMPTY, Series

__all__ = ["Energies", "Trace", "Unbillable", "energies"]

SUM_TOLERANCE = Decimal("0.05")
"""How far the sum of the periods' registers may be from the total one: each is rounded to 0.01 kWh."""

_DAY = timedelta(days=1)
_MINUTES = 1_440


class Unbillable(KwhubError):
    """There is no right bill for a span; the words say what is missing and what to do."""


class Trace(msgspec.Struct, frozen=True):
    """The readings behind one figure: this register, from this value to that one, times the ratio.

    Attributes:
        period: of the tariff.
        register: OBIS code.
        interval_s: of the series that the readings belong to.
        start: moment of the first reading.
        end: moment of the last one.
        first: what the register showed there, kWh.
        last: what it showed there, kWh.
        qualities: how the two came to be: actual, substituted, estimated.
        steps: energy on the meter's side and the ratio that it was multiplied with, piece by piece: one
            piece unless the meter was exchanged or its ratio changed.
        kwh: what it makes.
        swaps: exchanges of the meter in between: when, what the old one showed last, the new one first.
    """

    period: str
    register: str
    interval_s: int
    start: datetime
    end: datetime
    first: Decimal
    last: Decimal
    qualities: tuple[str, str]
    steps: tuple[tuple[Decimal, Decimal], ...]
    kwh: Decimal
    swaps: tuple[tuple[datetime, Decimal, Decimal], ...] = ()

    @property
    def turned(self) -> bool:
        """Whether the register passed its last digit and began at nought again."""
        counted = self.last - self.first + sum(final - first for _, final, first in self.swaps)
        return sum(energy for energy, _ in self.steps) != counted


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy by period, on the customer's side, and how it was found."""

    kwh: Mapping[Period, Decimal]
    traces: tuple[Trace, ...] = ()

    @property
    def total(self) -> Decimal:
        """Energy of all periods."""
        return sum(self.kwh.values(), Decimal(0))


@dataclass(slots=True)
class _Meter:
    """One meter in one snapshot."""

    reader: Reader
    days: Days
    row: ArchiveMeter
    dated: Dated
    kept: dict[tuple[Register, int, date, date], Series] = field(default_factory=dict)

    def series(self, register: Register, interval_s: int, first: date, last: date) -> Series:
        """A register as it was read."""
        key = (register, interval_s, first, last)
        if key not in self.kept:
            span = (first - _DAY, last + _DAY)
            found = self.reader.series([self.row.id], [register], interval_s, span)
            self.kept[key] = found.get((self.row.id, str(register)), EMPTY)
        return self.kept[key]

    def trace(self, period: Period, register: Register, first: date, last: date) -> Trace:
        """What one register counted from the beginning of one day to the end of another.

        Raises:
            Unbillable: a reading at either end, or where the ratio changed or the meter was exchanged, is missing.
        """
        series = self.series(register, DAY_INTERVAL_S, first, last)
        limits = (self.days.start_s(first), self.days.start_s(last + _DAY))
        (before, good_before), (after, good_after) = (
            self._at(series, limit, register) for limit in limits
        )
        changes = self.dated.changes(self.row.id, limits, places=False)
        between = {each: self._at(series, each, register)[0] for each in changes}
        pieces = self.dated.pieces(
            self.row.id, register, limits, (before, after), between, places=False
        )
        if any(piece.micro is None for piece in pieces):
            self._refuse(pieces, register, first, last)
        steps = tuple(
            (_kwh(piece.micro or 0), self.row.ratio if piece.ratio is None else piece.ratio)
            for piece in pieces
        )
        start, end = (datetime.fromtimestamp(limit, UTC) for limit in limits)
        return Trace(
            period.value,
            str(register),
            DAY_INTERVAL_S,
            start,
            end,
            _kwh(before),
            _kwh(after),
            (good_before.name.lower(), good_after.name.lower()),
            steps,
            sum((energy * ratio for energy, ratio in steps), Decimal(0)),
            tuple(
                (datetime.fromtimestamp(swap.at_s, UTC), _kwh(swap.final), _kwh(swap.first))
                for swap in self.dated.swaps(self.row.id, register)
                if limits[0] < swap.at_s <= limits[1]
            ),
        )

    def _refuse(
        self, pieces: Sequence[Piece], register: Register, first: date, last: date
    ) -> NoReturn:
        if any(piece.lack == "change" for piece in pieces):
            raise Unbillable(
                f"meter {self.row.address} was exchanged between {first} and {last}, and the exchange has no "
                f"readings of register {register}; withdraw the exchange and record it with them"
            )
        raise Unbillable(
            f"meter {self.row.address}: register {register} went down between {first} and {last}; "
            "record the exchange of the meter, or substitute the wrong reading"
        )

    def _at(self, series: Series, moment: int, register: Register) -> tuple[int, Quality]:
        place = int(np.searchsorted(series.at, moment))
        there = place < len(series) and series.at[place] == moment
        if there and series.quality[place] != Quality.NULL:
            return int(series.value[place]), Quality(int(series.quality[place]))
        when = datetime.fromtimestamp(moment, self.days.zone)
        raise Unbillable(
            f"meter {self.row.address}: no reading of register {register} at {when:%Y-%m-%d %H:%M}; "
            "read it again or estimate it"
        )


def energies(
    connection: Connection,
    days: Days,
    meter: ArchiveMeter,
    tariff: Tariff,
    first: date,
    last: date,
) -> Energies:
    """Energy of a meter from the beginning of ``first`` to the end of ``last``.

    Without a schedule the meter's own registers of the periods are used; with one, its load curve is
    divided by the schedule, and the register's difference confirms the sum.

    Raises:
        Unbillable: readings are missing, do not agree, or went down.
    """
    one = _Meter(Reader(connection, days), days, meter, Dated.load(connection, [meter.id]))
    total = one.trace(Period.TOTAL, PERIOD_REGISTERS[Period.TOTAL], first, last)
    if Period.TOTAL in tariff.prices:
        return Energies({Period.TOTAL: total.kwh}, (total,))
    if tariff.schedule:
        kwh = _by_schedule(one, tariff, first, last)
        _check_validated(connection, meter, first, last)
        traces: tuple[Trace, ...] = (total,)
    else:
        own = [one.trace(each, PERIOD_REGISTERS[each], first, last) for each in tariff.prices]
        kwh = {period: trace.kwh for period, trace in zip(tariff.prices, own, strict=True)}
        traces = (*own, total)
    off = abs(sum(kwh.values(), Decimal(0)) - total.kwh)
    if off > SUM_TOLERANCE * max((ratio for _, ratio in total.steps), default=Decimal(1)):
        raise Unbillable(
            f"meter {meter.address}: the periods sum to {off} kWh more or less than the total register "
            f"from {first} to {last}; look at the findings of its sum check"
        )
    return Energies(kwh, traces)


def _by_schedule(one: _Meter, tariff: Tariff, first: date, last: date) -> dict[Period, Decimal]:
    found = dict.fromkeys(tariff.prices, Decimal(0))
    day = first
    while day <= last:
        for at_s, kwh in _steps(one, day, (first, last)):
            wall = datetime.fromtimestamp(at_s, one.days.zone)
            found[tariff.period_at((wall.hour * 60 + wall.minute) % _MINUTES)] += kwh
        day += _DAY
    return found


def _steps(one: _Meter, day: date, span: tuple[date, date]) -> Iterator[tuple[int, Decimal]]:
    """The steps of a day's curve: when each begins, and its energy on the customer's side."""
    register, spacing = PERIOD_REGISTERS[Period.TOTAL], one.row.duty.energy_interval_s
    start_s, stop_s = one.days.span_s(day, day)
    grid = np.arange(start_s, stop_s + 1, spacing, dtype="<i8")
    part = one.series(register, spacing, *span).between(start_s, stop_s + 1)
    known = np.isin(part.at, grid) & (part.quality != Quality.NULL)
    there = np.isin(grid, part.at[known])
    if not there.all():
        when = datetime.fromtimestamp(int(grid[np.argmin(there)]), one.days.zone)
        raise Unbillable(
            f"meter {one.row.address}: the load curve lacks {int((~there).sum())} values of {day}, "
            f"the first at {when:%H:%M}; read them again or estimate them"
        )
    value = part.value[known].tolist()
    for limits, values in zip(pairwise(grid.tolist()), pairwise(value), strict=True):
        pieces = one.dated.pieces(one.row.id, register, limits, values, places=False)
        kwh = Decimal(0)
        for piece in pieces:
            if piece.micro is None:
                when = datetime.fromtimestamp(limits[1], one.days.zone)
                raise Unbillable(
                    f"meter {one.row.address}: the load curve falls at {when:%Y-%m-%d %H:%M}; substitute "
                    "the wrong value, or record the exchange of the meter"
                )
            kwh += _kwh(piece.micro) * (one.row.ratio if piece.ratio is None else piece.ratio)
        yield limits[0], kwh


def _check_validated(connection: Connection, meter: ArchiveMeter, first: date, last: date) -> None:
    """A curve is divided only after it was validated: one wrong value moves energy from a price to another."""
    query = select(to_check.c.day).where(
        to_check.c.meter_id == meter.id,
        to_check.c.day.between(day_number(first), day_number(last)),
    )
    waiting = connection.execute(query.order_by(to_check.c.day).limit(1)).scalar_one_or_none()
    if waiting is not None:
        raise Unbillable(
            f"meter {meter.address}: readings of {local_date(waiting)} wait to be validated; try again "
            "when they are"
        )


def _kwh(micro: int) -> Decimal:
    """Energy with two decimals, or as many as it has."""
    kwh = Decimal(micro).scaleb(-MICRO_DIGITS)
    short = kwh.quantize(Decimal("0.01"))
    return short if short == kwh else kwh.normalize()
