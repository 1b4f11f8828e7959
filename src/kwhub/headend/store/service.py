"""When meters were in service: the end of it is dated as the place is, so that what was before stays true.

A meter that is made inactive ends its place; one that comes back begins a new one. What it owed and was never
read is no hole any more: nobody is asked for it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from kwhub.domain.readings import INSTANT
from kwhub.headend.store import schema
from kwhub.headend.store.columns import Ints
from kwhub.headend.store.days import Days
from kwhub.headend.store.schema_archive import placement
from kwhub.headend.store.schema_quality import hole

__all__ = ["RETIRED", "begin", "begin_earlier", "close_holes", "follow", "follow_settings"]

RETIRED = "meter_retired"
"""Cause of holes that were closed because the meter was taken out of service."""

_PLACE = ("terminal_id", "point", "port", "ct", "pt", "ratio")
_PORTION = 500


def follow(connection: Connection, meters: Collection[int], at: datetime) -> None:
    """Date what became of meters whose rows were written: out of service, or back in it.

    Args:
        connection: of a writing transaction.
        meters: numbers of meters; those of which nothing has changed stay as they are.
        at: from when on, a local midnight.
    """
    for part in _portions(sorted(meters)):
        newest = _newest(connection, part)
        for row in connection.execute(select(schema.meter).where(schema.meter.c.id.in_(part))):
            place = newest.get(row.id)
            if row.active:
                _begin(connection, row, place, at)
            elif place is None or place.valid_to is None:
                _end(connection, row, place, at)


def follow_settings(connection: Connection, days: Days) -> None:
    """Date the end of meters that the settings named once: from the day of the last reading of each on.

    Of a meter that was never read nothing is dated, for it was never in service. One that is named
    again goes on as if it had never been away.
    """
    meter, latest = schema.meter, schema.latest
    ended = select(placement.c.meter_id).where(placement.c.valid_to.is_not(None))
    query = (
        select(meter.c.id, func.max(latest.c.captured_at))
        .join(latest, latest.c.meter_id == meter.c.id)
        .where(~meter.c.active, meter.c.id.not_in(ended), latest.c.interval_s != INSTANT)
        .group_by(meter.c.id)
    )
    for number, at_s in connection.execute(query).all():
        day = days.of(datetime.fromtimestamp(int(at_s), UTC))
        follow(connection, [int(number)], days.start(day))
    going = select(placement.c.meter_id).where(placement.c.valid_to.is_(None))
    back = select(meter.c.id).where(meter.c.active, meter.c.id.in_(ended), meter.c.id.not_in(going))
    follow(connection, connection.execute(back).scalars().all(), datetime.fromtimestamp(0, UTC))


def close_holes(
    connection: Connection, now: datetime, meters: Collection[int] | None = None
) -> None:
    """Close the open holes of meters that are out of service; None looks at all of them."""
    retired = select(schema.meter.c.id).where(~schema.meter.c.active)
    if meters is not None:
        retired = retired.where(schema.meter.c.id.in_(meters))
    connection.execute(
        update(hole)
        .where(hole.c.state == "open", hole.c.meter_id.in_(retired))
        .values(state="lost", cause=RETIRED, closed_at=now, next_at=None)
    )


def begin(connection: Connection, meters: Collection[int], day: int) -> None:
    """Note that meters are new: they count from a day on, or from their first reading, whichever is earlier."""
    table = schema.meter
    for part in _portions(sorted(meters)):
        connection.execute(update(table).where(table.c.id.in_(part)).values(since_day=day))


def begin_earlier(connection: Connection, meter: Ints, day: Ints) -> None:
    """Let meters that have a reading of a day before their first one count from that day on.

    Args:
        connection: of the transaction that writes the readings.
        meter: numbers of meters.
        day: number of a day for each.
    """
    if not len(meter):
        return
    table = schema.meter
    later = select(table.c.id, table.c.since_day).where(table.c.since_day > int(day.min()))
    begun = {row.id: row.since_day for row in connection.execute(later)}
    if not begun:
        return
    known = np.isin(meter, list(begun))
    first: dict[int, int] = {}
    for number, each in zip(meter[known].tolist(), day[known].tolist(), strict=True):
        first[number] = min(each, first.get(number, each))
    for number, each in first.items():
        if each < begun[number]:
            connection.execute(update(table).where(table.c.id == number).values(since_day=each))


def _newest(connection: Connection, meters: Sequence[int]) -> Mapping[int, Row[Any]]:
    rows = connection.execute(
        select(placement)
        .where(placement.c.meter_id.in_(meters))
        .order_by(placement.c.valid_from.nulls_first())
    )
    return {row.meter_id: row for row in rows}


def _begin(connection: Connection, row: Row[Any], place: Row[Any] | None, at: datetime) -> None:
    """A meter that had ended goes on: on the same day as if nothing had been, later with a gap."""
    if place is None or place.valid_to is None:
        return
    values = {name: getattr(row, name) for name in _PLACE}
    same = all(getattr(place, name) == value for name, value in values.items())
    if same and place.valid_to >= at:
        own = placement.c.id == place.id
        connection.execute(update(placement).where(own).values(valid_to=None))
        return
    since = max(at, place.valid_to)
    connection.execute(insert(placement).values(meter_id=row.id, valid_from=since, **values))


def _end(connection: Connection, row: Row[Any], place: Row[Any] | None, at: datetime) -> None:
    if place is None:
        values = {name: getattr(row, name) for name in _PLACE}
        connection.execute(insert(placement).values(meter_id=row.id, valid_to=at, **values))
        return
    until = at if place.valid_from is None else max(at, place.valid_from)
    if until == place.valid_from:  # it was nowhere there
        connection.execute(delete(placement).where(placement.c.id == place.id))
        return
    connection.execute(update(placement).where(placement.c.id == place.id).values(valid_to=until))


def _portions(meters: Sequence[int]) -> Iterator[Sequence[int]]:
    return (meters[at : at + _PORTION] for at in range(0, len(meters), _PORTION))
