"""Figures of areas by day as they are kept: read for pages, which add up areas and not meters.

They say what `kwhub.headend.store.queries.Queries.areas` says at the moment at which they were computed; see
`kwhub.headend.validation.keeper` for when that is.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, func, select

from kwhub.headend.store import schema
from kwhub.headend.store.many import among, tuples
from kwhub.headend.store.queries import Queries
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_figures import area_day, area_silence
from kwhub.headend.store.views import AreaSummary, MissingMeter

__all__ = [
    "METERS_AT_ONCE",
    "DaySum",
    "Silence",
    "active_areas",
    "areas_of",
    "areas_on",
    "columns_of",
    "silence_of",
    "sums",
]

METERS_AT_ONCE = 500
"""Up to so many meters the figures are computed while the reader waits; of more those are shown that are kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DECIMALS = ("supply_kwh", "sold_kwh", "loss_kwh", "loss_percent")


@dataclass(frozen=True, slots=True)
class DaySum:
    """All areas that the reader sees, on one day."""

    areas: int  #: whose figures are kept
    expected: int
    got: int
    at: datetime  #: what was known at this moment, of the area that was looked at first


@dataclass(frozen=True, slots=True)
class Silence:
    """Meters of which nothing new was heard.

    Attributes:
        count: how many.
        longest: number of a meter and when it was heard last, None for never; the longest silent first.
    """

    count: int
    longest: list[tuple[int, datetime | None]]


def areas_of(
    connection: Connection,
    day: date,
    areas: Collection[int] | None = None,
    *,
    missing: bool = True,
) -> list[AreaSummary]:
    """Areas on one day by code; those of which nothing is kept for the day are left out.

    Args:
        connection: of a snapshot.
        day: a local day.
        areas: numbers of areas; None for all.
        missing: also which meters are missing.
    """
    area, table = schema.area, area_day
    query = (
        select(
            *(area.c.id, area.c.code, area.c.name, area.c.name_zh),
            *(table.c.meters, table.c.expected, table.c.got),
            *(table.c[name] for name in _DECIMALS),
            cast(table.c.until, BigInteger),
            *((table.c.missing,) if missing else ()),
        )
        .join(area, area.c.id == table.c.area_id)
        .where(area.c.active, table.c.day == day_number(day))
        .order_by(area.c.code)
    )
    if areas is not None:
        query = query.where(among(connection, area.c.id, sorted(areas)))
    rows = tuples(connection, query)
    if not missing:
        return [_summary(row, ()) for row in rows]
    lists = [json.loads(row[-1]) for row in rows]
    known = _meters(connection, [each for own in lists for each in own])
    return [
        _summary(row, tuple(known[each] for each in own if each in known))
        for row, own in zip(rows, lists, strict=True)
    ]


def areas_on(
    queries: Queries, day: date, areas: Collection[int] | None = None
) -> list[AreaSummary]:
    """Areas on one day as a list shows them: of a small fleet computed at once, of a large one as they are kept.

    Of a day of which nothing is kept, the figures are computed, however long that takes.

    Args:
        queries: what asks the store.
        day: a local day.
        areas: numbers of areas; None for all.
    """
    with queries.reading() as connection:
        count = select(func.count()).select_from(schema.meter)
        large = connection.execute(count).scalar_one() > METERS_AT_ONCE
        kept = areas_of(connection, day, areas, missing=False) if large else []
    return kept or queries.areas(day, only=areas)


def active_areas(connection: Connection, areas: Collection[int] | None = None) -> list[int]:
    """Numbers of the areas in use by their codes; None for all."""
    table = schema.area
    query = select(table.c.id).where(table.c.active).order_by(table.c.code)
    if areas is not None:
        query = query.where(among(connection, table.c.id, sorted(areas)))
    return list(connection.execute(query).scalars())


def sums(
    connection: Connection, first: date, last: date, areas: Collection[int] | None = None
) -> dict[date, DaySum]:
    """What was owed and came on every day of a span of which something is kept.

    Args:
        connection: of a snapshot.
        first: first day.
        last: last day, inclusive.
        areas: numbers of areas; None for all.
    """
    table, area = area_day, schema.area
    query = (
        select(
            table.c.day,
            func.count().label("areas"),
            func.sum(table.c.expected).label("expected"),
            func.sum(table.c.got).label("got"),
            func.min(table.c.at, type_=table.c.at.type).label("at"),
        )
        .join(area, area.c.id == table.c.area_id)
        .where(area.c.active, table.c.day.between(day_number(first), day_number(last)))
        .group_by(table.c.day)
    )
    if areas is not None:
        query = query.where(among(connection, area.c.id, sorted(areas)))
    return {
        local_date(row.day): DaySum(row.areas, int(row.expected), int(row.got), row.at)
        for row in connection.execute(query)
    }


def silence_of(connection: Connection, areas: Collection[int] | None, limit: int) -> Silence | None:
    """How many meters are silent, and those that have been so for the longest; None before it is known."""
    table, area = area_silence, schema.area
    query = (
        select(table.c.silent, table.c.longest)
        .join(area, area.c.id == table.c.area_id)
        .where(area.c.active)
    )
    if areas is not None:
        query = query.where(among(connection, area.c.id, sorted(areas)))
    rows = connection.execute(query).all()
    if not rows:
        return None
    named = [each for row in rows if row.silent for each in json.loads(row.longest)]
    longest = sorted(named, key=lambda each: (each[1] or 0, each[0]))[:limit]
    return Silence(
        sum(row.silent for row in rows),
        [
            (number, None if at is None else datetime.fromtimestamp(at, UTC))
            for number, at in longest
        ],
    )


def columns_of(summaries: Sequence[AreaSummary]) -> list[dict[str, Any]]:
    """Figures as they are written, but for day, moment and stamp."""
    return [
        {
            "area_id": each.id,
            "meters": each.meters,
            "expected": each.expected,
            "got": each.got,
            **{name: _text(getattr(each, name)) for name in _DECIMALS},
            "missing": json.dumps([meter.id for meter in each.missing], separators=(",", ":")),
            "until": each.until,
        }
        for each in summaries
    ]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _summary(row: Sequence[Any], missing: tuple[MissingMeter, ...]) -> AreaSummary:
    """A plain tuple, for large fleets have thousands of them."""
    number, code, name, name_zh, meters, expected, got, *rest = row
    supply, sold, loss, percent, until = rest[:5]
    return AreaSummary(
        number,
        code,
        name,
        name_zh,
        meters,
        expected,
        got,
        got / expected if expected else None,
        None if supply is None else Decimal(supply),
        None if sold is None else Decimal(sold),
        None if loss is None else Decimal(loss),
        None if percent is None else Decimal(percent),
        missing,
        None if until is None else _moment(until),
    )


@lru_cache
def _moment(microseconds: int) -> datetime:
    """The areas of a day mostly have the same."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _meters(connection: Connection, numbers: Collection[int]) -> dict[int, MissingMeter]:
    if not numbers:
        return {}
    table = schema.meter
    query = select(table.c.id, table.c.address, table.c.name, table.c.kind).where(
        among(connection, table.c.id, sorted(numbers))
    )
    return {row.id: MissingMeter(*row) for row in connection.execute(query)}
