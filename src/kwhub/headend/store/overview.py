"""What a dashboard shows of the whole fleet: the load of the day, the silent meters, the newest orders."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from sqlalchemy import Connection, and_, func, or_, select

from kwhub.domain.readings import CURVE_INTERVAL_S
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import archive_rows, schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.figures import on_grid
from kwhub.headend.store.fleet import FleetMeter, Wanted, meters, newest
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import MICRO
from kwhub.headend.store.vectors import EMPTY
from kwhub.headend.store.views import OrderState

__all__ = ["Load", "OrderLine", "SilentMeter", "load_of_day", "newest_orders", "silent_meters"]

SUPPLY = "supply"
_PER_HOUR = 3600 // CURVE_INTERVAL_S


@dataclass(frozen=True, slots=True)
class Load:
    """Mean power of each quarter hour of a day, summed over supply meters.

    Attributes:
        times: begin of each quarter hour, seconds since 1970 UTC.
        kw: None where a meter that reported on this day is missing: a sum without it would be too small.
        meters: supply meters there are.
        reporting: those of them that have reported anything on this day.
    """

    times: list[int]
    kw: list[float | None]
    meters: int
    reporting: int

    @property
    def now(self) -> tuple[int, float] | None:
        """The newest quarter hour whose load is known, and the load in kW."""
        known = [(at, kw) for at, kw in zip(self.times, self.kw, strict=True) if kw is not None]
        return known[-1] if known else None


@dataclass(frozen=True, slots=True)
class SilentMeter:
    """A meter of which nothing new was heard."""

    meter: FleetMeter
    last_at: datetime | None  #: of its newest energy register; None when there is none at all


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order in a short list."""

    id: int
    meter_id: int
    address: str
    kind: str
    state: OrderState
    created_at: datetime
    by: str


def load_of_day(
    connection: Connection, days: Days, day: date, areas: Collection[int] | None
) -> Load:
    """The load of all areas that the reader may see."""
    supply = [
        each
        for each in archive_rows.meters(connection)
        if each.kind == SUPPLY and (areas is None or each.area_id in areas)
    ]
    numbers = [each.id for each in supply]
    series = Reader(connection, days).series(numbers, [ENERGY], CURVE_INTERVAL_S, (day, day))
    start_s, stop_s = days.span_s(day, day)
    grid = np.arange(start_s, stop_s, CURVE_INTERVAL_S, dtype="<i8")
    total, known = np.zeros(len(grid) - 1), np.zeros(len(grid) - 1, "<i8")
    reporting = 0
    for meter in supply:
        values = on_grid(series.get((meter.id, ENERGY), EMPTY), grid)
        register = np.array([np.nan if value is None else value for value in values])
        used = np.diff(register) * float(meter.ratio)
        there = ~np.isnan(used)
        reporting += bool(there.any())
        total[there] += used[there]
        known += there
    kw = [
        float(micro) * _PER_HOUR / MICRO if reporting and count == reporting else None
        for micro, count in zip(total, known, strict=True)
    ]
    return Load([int(at) for at in grid[:-1]], kw, len(supply), reporting)


def silent_meters(
    connection: Connection, days: Days, since: datetime, areas: Collection[int] | None, limit: int
) -> tuple[list[SilentMeter], int]:
    """Meters whose newest energy register is older than ``since``, the longest silent first, and how many."""
    before_s = int(since.timestamp())
    found = _behind(connection, before_s, areas)
    # What is in the journal only is not in the table of newest values yet.
    for meter_id, one in newest(connection, days, sorted(found), ENERGY).items():
        found[meter_id] = one.captured_at
    silent = {meter_id: at for meter_id, at in found.items() if at is None or at < before_s}
    longest = sorted(silent, key=lambda each: (silent[each] or 0, each))[:limit]
    shown, _ = meters(connection, Wanted(areas=areas, numbers=longest, limit=limit))
    by_number = {each.id: each for each in shown}
    lines = [_silent(by_number[each], silent[each]) for each in longest if each in by_number]
    return lines, len(silent)


def newest_orders(
    connection: Connection, areas: Collection[int] | None, limit: int
) -> list[OrderLine]:
    """The newest orders of the meters that the reader may see."""
    orders, meter, terminal = schema.orders, schema.meter, schema.terminal
    query = (
        select(orders, meter.c.address)
        .join(meter, orders.c.meter_id == meter.c.id)
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .order_by(orders.c.id.desc())
        .limit(limit)
    )
    if areas is not None:
        query = query.where(terminal.c.area_id.in_(areas))
    return [
        OrderLine(
            id=row.id,
            meter_id=row.meter_id,
            address=row.address,
            kind=row.kind,
            state=OrderState(row.state),
            created_at=row.created_at,
            by=row.ordered_by,
        )
        for row in connection.execute(query)
    ]


def _behind(
    connection: Connection, before_s: int, areas: Collection[int] | None
) -> dict[int, int | None]:
    """Meters of whose energy the table of newest values has nothing since ``before_s``, and what it has."""
    latest, meter, terminal = schema.latest, schema.meter, schema.terminal
    last = func.max(latest.c.captured_at)
    query = (
        select(meter.c.id, last.label("last"))
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .join(
            latest,
            and_(latest.c.meter_id == meter.c.id, latest.c.register == str(ENERGY)),
            isouter=True,
        )
        .where(meter.c.active)
        .group_by(meter.c.id)
        .having(or_(last.is_(None), last < before_s))
    )
    if areas is not None:
        query = query.where(terminal.c.area_id.in_(areas))
    return {row.id: row.last for row in connection.execute(query)}


def _silent(meter: FleetMeter, at: int | None) -> SilentMeter:
    return SilentMeter(meter, None if at is None else datetime.fromtimestamp(at, UTC))
