"""Rows of the archive and of what hangs on it, for queries."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, or_, select

from kwhub.catalog.registers import describe
from kwhub.domain.readings import Register
from kwhub.headend.quality.expect import Duty
from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.many import among, tuples
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro
from kwhub.headend.store.vectors import EMPTY, Packed, decode
from kwhub.headend.store.views import (
    ConflictRow,
    MeterDetail,
    SessionRow,
    TerminalRow,
    UnknownRow,
)

__all__ = [
    "ArchiveMeter",
    "conflicts",
    "meter_detail",
    "meters",
    "served",
    "sessions",
    "tallies",
    "terminal_name",
    "terminals",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class ArchiveMeter:
    """An active meter as lists and figures need it."""

    id: int
    area_id: int
    address: str
    name: str
    point: int
    terminal: str
    kind: str
    phases: int
    ratio: Decimal
    duty: Duty
    since_day: int | None = None  #: in service since then; None: always


def terminal_name(region: str, number: int) -> str:
    """How a terminal is written.

    >>> terminal_name("4101", 2082)
    '4101-02082'
    """
    return f"{region}-{number:05}"


_OF_METER = (
    *("id", "address", "name", "point", "kind", "phases", "ratio", "protocol"),
    *("curve_minutes", "hourly", "day_freeze", "tariffs", "since_day"),
)
_OF_TERMINAL = ("area_id", "region", "number")


def _meter(row: Sequence[Any]) -> ArchiveMeter:
    """A plain tuple, for areas have thousands of them."""
    number, address, name, point, kind, phases, ratio, protocol, *duties = row[:13]
    curve_minutes, hourly, day_freeze, tariffs, since_day = duties
    area_id, region, terminal = row[13:]
    return ArchiveMeter(
        number,
        area_id,
        address,
        name,
        point,
        terminal_name(region, terminal),
        kind,
        phases,
        _factor(ratio),
        _duty(phases, curve_minutes, bool(hourly), bool(day_freeze), tariffs, protocol),
        since_day,
    )


_factor = lru_cache(Decimal)
"""A ratio from its text; few differ."""


@lru_cache
def _duty(
    phases: int,
    curve_minutes: int,
    hourly: bool,  # noqa: FBT001
    day_freeze: bool,  # noqa: FBT001
    tariffs: int,
    protocol: str,
) -> Duty:
    has_records = protocol != "dlt645-1997"
    return Duty(phases, curve_minutes, hourly, day_freeze, tariffs, has_records)


def meters(  # noqa: PLR0913  each narrows the list
    connection: Connection,
    *,
    area_id: int | None = None,
    areas: Collection[int] | None = None,
    meter_id: int | None = None,
    numbers: Collection[int] | None = None,
    kind: str = "",
    search: str = "",
    retired: bool = False,
) -> list[ArchiveMeter]:
    """Active meters by address; of areas, of numbers, of a kind, or with a text in address or name.

    With ``retired`` also those that are out of service.
    """
    meter, terminal = schema.meter, schema.terminal
    query = (
        select(*(meter.c[name] for name in _OF_METER), *(terminal.c[name] for name in _OF_TERMINAL))
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .order_by(meter.c.address)
    )
    if not retired:
        query = query.where(meter.c.active)
    if area_id is not None:
        query = query.where(terminal.c.area_id == area_id)
    if areas is not None:
        query = query.where(among(connection, terminal.c.area_id, sorted(areas)))
    if meter_id is not None:
        query = query.where(meter.c.id == meter_id)
    if numbers is not None:
        query = query.where(among(connection, meter.c.id, sorted(numbers)))
    if kind:
        query = query.where(meter.c.kind == kind)
    if text := search.strip():
        # autoescape: a percent sign in the text is a percent sign
        columns = (meter.c.address, meter.c.name)
        query = query.where(or_(*(each.icontains(text, autoescape=True) for each in columns)))
    return [_meter(row) for row in tuples(connection, query)]


def served(
    connection: Connection, since: datetime, areas: Collection[int] | None = None
) -> list[ArchiveMeter]:
    """Meters that are in some areas, or were in service there at a moment or later; by address.

    When exactly a meter was where tells `kwhub.headend.store.dated`. The place that is given is the present one.

    Args:
        connection: of a snapshot.
        since: aware.
        areas: numbers of areas; None for all.
    """
    found = meters(connection, areas=areas)
    place, terminal, home = schema_archive.placement, schema.terminal, schema_archive.terminal_area
    going = or_(place.c.valid_to.is_(None), place.c.valid_to > since)
    query = select(place.c.meter_id).where(going).distinct()
    former = set()
    if areas is not None:
        there = select(terminal.c.id).where(among(connection, terminal.c.area_id, sorted(areas)))
        moved = select(home.c.terminal_id).where(among(connection, home.c.area_id, sorted(areas)))
        query = query.where(or_(place.c.terminal_id.in_(there), place.c.terminal_id.in_(moved)))
        own = select(schema.meter.c.id).where(schema.meter.c.terminal_id.in_(moved))
        former = set(connection.execute(own.where(schema.meter.c.active)).scalars())
    former |= set(connection.execute(query).scalars())
    former -= {each.id for each in found}
    if not former:
        return found
    found += meters(connection, numbers=former, retired=True)
    return sorted(found, key=lambda each: each.address)


def meter_detail(connection: Connection, meter_id: int) -> MeterDetail | None:
    """One meter, active or not."""
    meter, terminal, area = schema.meter, schema.terminal, schema.area
    query = (
        select(
            meter,
            terminal.c.area_id,
            terminal.c.region,
            terminal.c.number,
            terminal.c.name.label("terminal_name"),
            area.c.code,
            area.c.name.label("area_name"),
            area.c.name_zh,
            _online().label("online"),
        )
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .join(area, terminal.c.area_id == area.c.id)
        .where(meter.c.id == meter_id)
    )
    row = connection.execute(query).first()
    return None if row is None else _detail(row)


def terminals(connection: Connection) -> list[TerminalRow]:
    """Active terminals by region and number."""
    terminal, area, meter = schema.terminal, schema.area, schema.meter
    count = (
        select(func.count())
        .where(meter.c.terminal_id == terminal.c.id, meter.c.active)
        .scalar_subquery()
    )
    query = (
        select(
            terminal,
            area.c.name.label("area_name"),
            _online().label("online"),
            count.label("meters"),
        )
        .join(area, terminal.c.area_id == area.c.id)
        .where(terminal.c.active)
        .order_by(terminal.c.region, terminal.c.number)
    )
    return [
        TerminalRow(
            row.id,
            row.region,
            row.number,
            row.name,
            row.area_id,
            row.area_name,
            bool(row.online),
            row.last_seen_at,
            row.meters,
        )
        for row in connection.execute(query)
    ]


def sessions(connection: Connection, limit: int) -> list[SessionRow]:
    """The newest connections."""
    table = schema.terminal_session
    return [
        SessionRow(
            row.id,
            row.region,
            row.number,
            row.peer,
            row.terminal_id is not None,
            row.began_at,
            row.ended_at,
            row.end_reason,
        )
        for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit))
    ]


def unknown(connection: Connection, limit: int) -> list[UnknownRow]:
    """Data without a place, the newest first."""
    table, terminal = schema.unknown, schema.terminal
    query: Select[Any] = (
        select(table, table.c["count"].label("times"), terminal.c.region, terminal.c.number)
        .join(terminal, table.c.terminal_id == terminal.c.id)
        .order_by(table.c.last_at.desc())
        .limit(limit)
    )
    return [
        UnknownRow(
            terminal_name(row.region, row.number),
            row.point,
            row.afn,
            row.function,
            row.reason,
            row.times,
            row.first_at,
            row.last_at,
            row.sample,
        )
        for row in connection.execute(query)
    ]


def tallies(connection: Connection, span: Iterable[int]) -> dict[str, int]:
    """Counts by kind over a span of day numbers, first and last."""
    first, last = span
    table = schema.tally
    query = (
        select(table.c.kind, func.sum(table.c["count"]))
        .where(table.c.day.between(first, last))
        .group_by(table.c.kind)
    )
    return {kind: int(count) for kind, count in connection.execute(query)}


def conflicts(connection: Connection, days: Days, span: tuple[date, date]) -> list[ConflictRow]:
    """Every version beside the measurement, over a span of days."""
    table = schema.day_vector
    first, last = map(days.number, span)
    query = select(table).where(table.c.day.between(first, last), table.c.version > 0)
    reader = Reader(connection, days)
    found: list[ConflictRow] = []
    for row in connection.execute(query).all():
        found += _conflicts_of(reader, days, row)
    return sorted(found, key=lambda each: (each.captured_at, each.meter_id, each.version))


def _conflicts_of(reader: Reader, days: Days, row: Row[Any]) -> list[ConflictRow]:
    start_s = days.number_start_s(row.day)
    packed = Packed(row.scale, row.moments, row.present, row.vector)
    other = decode(packed, start_s)
    day = schema.local_date(row.day)
    kept = reader.series([row.meter_id], [row.register], row.interval_s, (day, day))
    first = on_grid(kept.get((row.meter_id, row.register), EMPTY), other.at)
    decimals = describe(Register(row.register)).decimals
    return [
        ConflictRow(
            row.meter_id,
            Register(row.register),
            row.interval_s,
            datetime.fromtimestamp(int(at), UTC),
            None if measured is None else from_micro(measured, decimals),
            from_micro(int(value), decimals),
            row.version,
        )
        for at, measured, value in zip(other.at, first, other.value, strict=True)
    ]


def _online() -> Any:
    table = schema.terminal_session
    return exists().where(table.c.terminal_id == schema.terminal.c.id, table.c.ended_at.is_(None))


def _detail(row: Row[Any]) -> MeterDetail:
    return MeterDetail(
        id=row.id,
        address=row.address,
        name=row.name,
        kind=row.kind,
        phases=row.phases,
        ratio=Decimal(row.ratio),
        protocol=row.protocol,
        point=row.point,
        port=row.port,
        area_id=row.area_id,
        area_code=row.code,
        area_name=row.area_name,
        area_name_zh=row.name_zh,
        terminal_id=row.terminal_id,
        terminal=terminal_name(row.region, row.number),
        terminal_name=row.terminal_name,
        online=bool(row.online),
    )
