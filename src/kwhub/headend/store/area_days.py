"""Figures of areas by day as they are kept: read for pages, which add up areas and not meters.

They say what `kwhub.headend.store.queries.Queries.areas` says at the moment at which they were computed; see
`kwhub.headend.validation.keeper` for when that is.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

from kwhub.headend.store import schema
from kwhub.headend.store.many import among
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_figures import area_day, area_silence
from kwhub.headend.store.views import AreaSummary, MissingMeter

__all__ = ["DaySum", "Silence", "areas_of", "columns_of", "silence_of", "sums"]

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
    area = schema.area
    own = [column for column in area_day.columns if missing or column.name != "missing"]
    query = (
        select(*own, area.c.code, area.c.name, area.c.name_zh)
        .join(area, area.c.id == area_day.c.area_id)
        .where(area.c.active, area_day.c.day == day_number(day))
        .order_by(area.c.code)
    )
    if areas is not None:
        query = query.where(among(connection, area.c.id, sorted(areas)))
    rows = connection.execute(query).all()
    if not missing:
        return [_summary(row, ()) for row in rows]
    lists = [json.loads(row.missing) for row in rows]
    known = _meters(connection, [each for own in lists for each in own])
    return [
        _summary(row, tuple(known[each] for each in own if each in known))
        for row, own in zip(rows, lists, strict=True)
    ]


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


def _summary(row: Row[Any], missing: tuple[MissingMeter, ...]) -> AreaSummary:
    supply, sold, loss, percent = (
        None if text is None else Decimal(text) for text in (getattr(row, x) for x in _DECIMALS)
    )
    return AreaSummary(
        id=row.area_id,
        code=row.code,
        name=row.name,
        name_zh=row.name_zh,
        meters=row.meters,
        expected=row.expected,
        got=row.got,
        read_rate=row.got / row.expected if row.expected else None,
        supply_kwh=supply,
        sold_kwh=sold,
        loss_kwh=loss,
        loss_percent=percent,
        missing=missing,
        until=row.until,
    )


def _meters(connection: Connection, numbers: Collection[int]) -> dict[int, MissingMeter]:
    if not numbers:
        return {}
    table = schema.meter
    query = select(table.c.id, table.c.address, table.c.name, table.c.kind).where(
        among(connection, table.c.id, sorted(numbers))
    )
    return {row.id: MissingMeter(*row) for row in connection.execute(query)}
