"""Reading series: day vectors and the journal that is not packed yet, as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import Connection, Row, select

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.store import schema
from kwhub.headend.store.columns import Columns, Ints, concatenate
from kwhub.headend.store.days import Days
from kwhub.headend.store.journal import Entry, entries
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode, merge

__all__ = ["Latest", "Reader", "SeriesKey"]

PARAMETERS_MAX = 500
"""Values in one IN list."""

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

    def __init__(self, connection: Connection, days: Days) -> None:
        """Make a reader that lives as long as the transaction of ``connection``."""
        self._connection = connection
        self._days = days
        self._read: dict[tuple[int, int], Columns] = {}

    def series(
        self,
        meters: Iterable[int],
        registers: Iterable[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> dict[SeriesKey, Series]:
        """What was measured, by meter and register; a series without any reading is left out.

        Args:
            meters: numbers of meters.
            registers: register codes.
            interval_s: spacing of the series.
            span: first and last local day, both inclusive.
        """
        wanted, codes = sorted(set(meters)), sorted(set(registers))
        parts: dict[SeriesKey, list[Series]] = {}
        for row in self._vectors(wanted, codes, interval_s, span):
            packed = Packed(row.scale, row.moments, row.present, row.vector)
            one = decode(packed, self._days.number_start_s(row.day))
            parts.setdefault((row.meter_id, row.register), []).append(one)
        found = {key: _joined(each) for key, each in parts.items()}
        for key, new in self._pending(wanted, codes, interval_s, span).items():
            found[key], _, _ = merge(found.get(key, EMPTY), new)
        return found

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

    def _vectors(
        self,
        meters: Sequence[int],
        registers: Sequence[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> Iterable[Row[Any]]:
        table = schema.day_vector
        first, last = map(self._days.number, span)
        for part in _portions(meters):
            query = (
                select(table)
                .where(
                    table.c.meter_id.in_(part),
                    table.c.interval_s == interval_s,
                    table.c.register.in_(registers),
                    table.c.day.between(first, last),
                    table.c.version == 0,
                )
                .order_by(table.c.meter_id, table.c.register, table.c.day)
            )
            yield from self._connection.execute(query)

    def _pending(
        self,
        meters: Sequence[int],
        registers: Sequence[str],
        interval_s: int,
        span: tuple[date, date],
    ) -> dict[SeriesKey, Series]:
        """What the journal holds of some series, in the order of arrival."""
        start_s, stop_s = self._days.span_s(*span)
        waiting = self._waiting_in((start_s, stop_s))
        late = interval_s == DAY_INTERVAL_S  # a freeze is stamped with the end of its day
        numbers = [n for n, name in enumerate(waiting.registers) if name in set(registers)]
        rows = waiting.take(
            (waiting.interval == interval_s)
            & (waiting.at >= start_s + late)
            & (waiting.at < stop_s + late)
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
            if key in found and found[key].captured_at >= at:
                continue
            entry = self._entries[origin[row]]
            found[key] = Latest(
                register,
                key[2],
                int(waiting.value[row]),
                Quality(int(waiting.quality[row])),
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


def _joined(parts: Sequence[Series]) -> Series:
    """One series from those of several days in their order."""
    if len(parts) == 1:
        return parts[0]
    return Series(
        np.concatenate([part.at for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
    )


def _portions(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[at : at + PARAMETERS_MAX] for at in range(0, len(values), PARAMETERS_MAX))
