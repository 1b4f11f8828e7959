"""Readings that the store holds more than once: a check of the store itself, over what really lies in it.

One reading belongs in one place. It would be there twice when two day vectors of the same series held the
same moment, or when a version kept for conflicts held a value that an earlier version has already.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import Connection, Row, select

from kwhub.domain.readings import DAY_INTERVAL_S, Quality
from kwhub.headend.store import schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.vectors import EMPTY, Packed, Series, decode

__all__ = ["stored_twice"]

Reading: TypeAlias = tuple[int, int]
"""Moment and value."""


def stored_twice(connection: Connection, days: Days, span: tuple[date, date]) -> int:
    """How many readings of a span of days, both inclusive, the day vectors hold more than once.

    The days beside the span are looked at too: a moment may have been packed into the wrong one.
    """
    table = schema.day_vector
    first, last = span
    one_day = timedelta(days=1)
    query = (
        select(table)
        .where(table.c.day.between(days.number(first - one_day), days.number(last + one_day)))
        .order_by(
            table.c.meter_id, table.c.interval_s, table.c.register, table.c.version, table.c.day
        )
    )
    start_s, stop_s = days.span_s(first, last)
    count = 0
    rows = connection.execute(query)
    for (_, interval_s, _), own in groupby(
        rows, lambda row: (row.meter_id, row.interval_s, row.register)
    ):
        late = interval_s == DAY_INTERVAL_S  # a freeze is stamped with the end of its day
        count += _doubles(_versions(own, days, (start_s + late, stop_s + late)))
    return count


def _versions(
    rows: Iterable[Row[Any]], days: Days, limits: tuple[int, int]
) -> Iterator[tuple[int, Series]]:
    """Each vector of one series with its version, only the moments within the limits."""
    for row in rows:
        packed = Packed(row.scale, row.moments, row.present, row.vector)
        series = decode(packed, days.number_start_s(row.day))
        inside = (series.at >= limits[0]) & (series.at < limits[1])
        yield row.version, Series(series.at[inside], series.value[inside], series.quality[inside])


def _doubles(versions: Iterable[tuple[int, Series]]) -> int:
    """Moments that the measurement has twice, and values of other versions that were there already."""
    found = list(versions)
    shown = np.concatenate([series.at for version, series in found if version == 0] or [EMPTY.at])
    count = len(shown) - len(np.unique(shown))
    if any(version for version, _ in found):
        known: set[Reading] = set()
        for version, series in found:
            present = series.quality != Quality.NULL
            readings = list(
                zip(series.at[present].tolist(), series.value[present].tolist(), strict=True)
            )
            if version:
                count += len(readings) - len(set(readings) - known)
            known.update(readings)
    return count
