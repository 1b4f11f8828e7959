"""Reading series: day vectors and the journal that is not packed yet, as one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from sqlalchemy import Connection, select

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.store import schema
from kwhub.headend.store.bundles import Bundle, Flags, decode_columns, table_of
from kwhub.headend.store.columns import Columns, Ints, concatenate
from kwhub.headend.store.dated import Dated
from kwhub.headend.store.days import Days
from kwhub.headend.store.edits import edited, overlay
from kwhub.headend.store.journal import Entry, entries
from kwhub.headend.store.many import among, tuples
from kwhub.headend.store.vectors import EMPTY, Series, merge

__all__ = ["Latest", "Reader", "SeriesKey"]

PARAMETERS_MAX = 500
"""Values in one IN list."""

_COLUMNS = [
    schema.day_vector.c[name]
    for name in ("meter_id", "register", "day", "scale", "moments", "vector")
]

SeriesKey: TypeAlias = tuple[int, str]
"""Meter and register."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of one series."""

    register: str
    interval_s: int
    value: int  #: millionths
    quality: Quality
    captured_at: int  #: seconds since 1970 UTC
    received_at: datetime
    source: str


class Reader:
    """Reads series inside one snapshot of the database."""

    def __init__(self, connection: Connection, days: Days, *, edited: bool = True) -> None:
        """Make a reader that lives as long as the transaction of ``connection``.

        Args:
            connection: of any transaction.
            days: the zone's days.
            edited: lay estimates and substitutes over the measurement; they keep their quality.
        """
        self._connection = connection
        self._days = days
        self._edited = edited
        self._read: dict[tuple[int, int], Columns] = {}

    def series(
        self,
        meters: Iterable[int],
        registers: Iterable[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> dict[SeriesKey, Series]:
        """What was measured or edited, by meter and register; a series without any value is left out.

        Args:
            meters: numbers of meters.
            registers: register codes.
            interval_s: spacing of the series.
            span: first and last local day, both inclusive.
        """
        wanted, codes = sorted(set(meters)), sorted(set(registers))
        found = self._packed(wanted, codes, interval_s, span)
        for key, new in self._pending(wanted, codes, interval_s, span).items():
            found[key], _, _ = merge(found.get(key, EMPTY), new)
        if not self._edited:
            return found
        limits = self._limits(interval_s, span)
        return overlay(self._connection, found, wanted, codes, interval_s, limits)

    def table(
        self,
        meters: Sequence[int],
        register: str,
        interval_s: int,
        span: tuple[date, date],
        moments: Ints,
    ) -> tuple[Ints, Flags]:
        """One register of many meters at a few moments: what ``series`` says, without a series for each.

        Args:
            meters: numbers of meters, none twice.
            register: code.
            interval_s: spacing of the series.
            span: first and last local day that the moments belong to.
            moments: rising, seconds since 1970.

        Returns:
            values and whether there is one, a row for each meter and a column for each moment.
        """
        values, known = np.zeros((2, len(meters), len(moments)), "<i8")
        known = known > 0
        if not values.size:
            return values, known
        wanted, codes = sorted(meters), [register]
        own = set(self._pending(wanted, codes, interval_s, span))
        special = {meter_id for meter_id, _ in own}
        if self._edited:
            limits = self._limits(interval_s, span)
            special |= edited(self._connection, wanted, codes, interval_s, limits)
        places = {meter_id: row for row, meter_id in enumerate(meters)}
        meter, _, bundle = self._unpacked(wanted, codes, interval_s, span)
        of = np.array([places[each] for each in meter], "<i8")
        rows = np.repeat(of, np.diff(bundle.borders))
        columns = np.minimum(np.searchsorted(moments, bundle.at), len(moments) - 1)
        there = (moments[columns] == bundle.at) & (bundle.quality != Quality.NULL)
        values[rows[there], columns[there]] = bundle.value[there]
        known[rows[there], columns[there]] = True
        if special:
            found = self.series(special, codes, interval_s, span)
            some = sorted(special)
            lines = [places[each] for each in some]
            series = [found.get((each, register), EMPTY) for each in some]
            values[lines], known[lines] = table_of(series, moments)
        return values, known

    def latest(self, meters: Sequence[int]) -> dict[int, list[Latest]]:
        """The newest value of every series of some meters."""
        found: dict[tuple[int, str, int], Latest] = {}
        table = schema.latest
        for part in _portions(sorted(meters)):
            for row in self._connection.execute(select(table).where(table.c.meter_id.in_(part))):
                found[row.meter_id, row.register, row.interval_s] = Latest(
                    row.register,
                    row.interval_s,
                    row.value,
                    Quality(row.quality),
                    row.captured_at,
                    row.received_at,
                    row.source,
                )
        self._overtake(frozenset(meters), found)
        grouped: dict[int, list[Latest]] = {}
        for (meter_id, _, _), one in sorted(found.items()):
            grouped.setdefault(meter_id, []).append(one)
        return grouped

    def dated(self, meters: Collection[int]) -> Dated:
        """Exchanges and former ratios of some meters."""
        return Dated.load(self._connection, meters)

    def _limits(self, interval_s: int, span: tuple[date, date]) -> tuple[int, int]:
        """Moments of a span: from the first (inclusive) to the second (exclusive)."""
        late = interval_s == DAY_INTERVAL_S  # a freeze is stamped with the end of its day
        start_s, stop_s = self._days.span_s(*span)
        return start_s + late, stop_s + late

    @cached_property
    def _entries(self) -> list[Entry]:
        return list(entries(self._connection))

    @cached_property
    def _waiting(self) -> Columns:
        """Everything in the journal."""
        return concatenate([entry.columns for entry in self._entries])

    def _waiting_in(self, span_s: tuple[int, int]) -> Columns:
        """What the journal holds of a span, both ends inclusive, and perhaps more; read once."""
        for (first, last), columns in self._read.items():
            if first <= span_s[0] and span_s[1] <= last:
                return columns
        found = entries(self._connection, span_s=span_s)
        self._read[span_s] = concatenate([entry.columns for entry in found])
        return self._read[span_s]

    def _unpacked(
        self,
        meters: Sequence[int],
        registers: Sequence[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> tuple[Sequence[int], Sequence[str], Bundle]:
        """What the day vectors hold of some series: meter and register of each day, and the days."""
        table = schema.day_vector
        first, last = map(self._days.number, span)
        query = (
            select(*_COLUMNS)
            .where(
                among(self._connection, table.c.meter_id, meters),
                table.c.interval_s == interval_s,
                table.c.register.in_(registers),
                table.c.day.between(first, last),
                table.c.version == 0,
            )
            .order_by(table.c.meter_id, table.c.register, table.c.day)
        )
        rows = tuples(self._connection, query)
        if not rows:
            return (), (), decode_columns((), (), (), np.empty(0, "<i8"))
        meter, codes, day, scales, counts, raws = zip(*rows, strict=True)
        return (
            meter,
            codes,
            decode_columns(scales, counts, raws, self._days.starts_s(np.array(day))),
        )

    def _packed(
        self,
        meters: Sequence[int],
        registers: Sequence[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> dict[SeriesKey, Series]:
        """What the day vectors hold, by series."""
        meter, codes, bundle = self._unpacked(meters, registers, interval_s, span)
        if not meter:
            return {}
        numbers = {code: number for number, code in enumerate(registers)}
        places = np.array(meter, "<i8") * len(registers) + [numbers[code] for code in codes]
        borders = [*np.flatnonzero(np.diff(places, prepend=-1)).tolist(), len(meter)]
        return {
            (meter[begin], codes[begin]): bundle.part(begin, end)
            for begin, end in pairwise(borders)
        }

    def _pending(
        self,
        meters: Sequence[int],
        registers: Sequence[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> dict[SeriesKey, Series]:
        """What the journal holds of some series, in the order of arrival."""
        first_s, beyond_s = self._limits(interval_s, span)
        waiting = self._waiting_in(self._days.span_s(*span))
        numbers = [n for n, name in enumerate(waiting.registers) if name in set(registers)]
        rows = waiting.take(
            (waiting.interval == interval_s)
            & (waiting.at >= first_s)
            & (waiting.at < beyond_s)
            & np.isin(waiting.register, numbers)
            & np.isin(waiting.meter, meters)
        )
        found: dict[SeriesKey, Series] = {}
        for key, where in _by_series(rows):
            found[key] = Series(rows.at[where], rows.value[where], rows.quality[where])
        return found

    def _overtake(self, meters: frozenset[int], found: dict[tuple[int, str, int], Latest]) -> None:
        """Replace what the journal knows better."""
        waiting = self._waiting
        lengths = [len(entry.columns) for entry in self._entries]
        origin = np.repeat(np.arange(len(lengths)), lengths)
        ours = np.isin(waiting.meter, sorted(meters)) & (waiting.quality != Quality.NULL)
        for row in np.flatnonzero(ours):
            register = waiting.registers[waiting.register[row]]
            key = (int(waiting.meter[row]), register, int(waiting.interval[row]))
            at = int(waiting.at[row])
            value, quality = int(waiting.value[row]), int(waiting.quality[row])
            known = found.get(key)
            rank = (at, value, quality)
            if known and (known.captured_at, known.value, known.quality) >= rank:
                continue
            entry = self._entries[origin[row]]
            found[key] = Latest(
                register,
                key[2],
                value,
                Quality(quality),
                at,
                entry.received_at,
                entry.source,
            )


def _by_series(rows: Columns) -> Iterable[tuple[SeriesKey, Ints]]:
    order = np.lexsort((rows.register, rows.meter))  # stable
    meter, register = rows.meter[order], rows.register[order]
    borders = np.flatnonzero((np.diff(meter) != 0) | (np.diff(register) != 0)) + 1
    for where in np.split(order, borders):
        if len(where):
            one = where[0]
            yield (int(rows.meter[one]), rows.registers[rows.register[one]]), where


def _portions(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[at : at + PARAMETERS_MAX] for at in range(0, len(values), PARAMETERS_MAX))
