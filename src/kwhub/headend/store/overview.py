"""What a dashboard shows of the whole fleet: the load of the day, the silent meters, the newest orders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, and_, func, or_, select

from kwhub.domain.readings import CURVE_INTERVAL_S
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import archive_rows, schema
from kwhub.headend.store.days import Days
from kwhub.headend.store.fleet import FleetMeter, Wanted, meters, newest
from kwhub.headend.store.many import among, tuples
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import MICRO
from kwhub.headend.store.views import OrderState

__all__ = [
    "SILENT_AFTER",
    "Load",
    "OrderLine",
    "SilentMeter",
    "load_of_day",
    "newest_orders",
    "owed_since",
    "silent_lines",
    "silent_meters",
    "silent_since",
]

SILENT_AFTER = timedelta(hours=25)
"""A meter of which nothing newer is known is silent: a day, and an hour for what is on its way."""

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
    supply = archive_rows.meters(connection, areas=areas, kind=SUPPLY)
    start_s, stop_s = days.span_s(day, day)
    grid = np.arange(start_s, stop_s, CURVE_INTERVAL_S, dtype="<i8")
    numbers = [each.id for each in supply]
    reader = Reader(connection, days)
    values, known = reader.table(numbers, ENERGY, CURVE_INTERVAL_S, (day, day), grid)
    there = known[:, 1:] & known[:, :-1]
    ratios = np.array([float(each.ratio) for each in supply])[:, None]
    used = np.where(there, values[:, 1:] - values[:, :-1], 0) * ratios
    reporting = int(there.any(axis=1).sum())
    complete = there.sum(axis=0) == reporting if reporting else np.zeros(len(grid) - 1, bool)
    total = used.sum(axis=0) * (_PER_HOUR / MICRO)
    kw = [each if whole else None for each, whole in zip(total.tolist(), complete, strict=True)]
    return Load(grid[:-1].tolist(), kw, len(supply), reporting)


def silent_meters(
    connection: Connection, days: Days, since: datetime, areas: Collection[int] | None, limit: int
) -> tuple[list[SilentMeter], int]:
    """Meters whose newest energy register is older than ``since``, the longest silent first, and how many."""
    silent = {
        number: at for number, (_, at) in silent_since(connection, days, since, areas).items()
    }
    longest = sorted(silent, key=lambda each: (silent[each] or 0, each))[:limit]
    named = [(each, _moment(silent[each])) for each in longest]
    return silent_lines(connection, named, areas), len(silent)


def owed_since(
    connection: Connection, days: Days, areas: Collection[int] | None = None
) -> date | None:
    """The first day on which anything was owed: a terminal connected for the first time; None when none ever did."""
    terminal = schema.terminal
    first = terminal.c.first_connected_at
    query = select(func.min(first, type_=first.type)).where(terminal.c.active)
    if areas is not None:
        query = query.where(among(connection, terminal.c.area_id, sorted(areas)))
    found = connection.execute(query).scalar_one()
    return None if found is None else days.of(found)


def silent_since(
    connection: Connection, days: Days, since: datetime, areas: Collection[int] | None = None
) -> dict[int, tuple[int, int | None]]:
    """Area of every silent meter, and the second of its newest energy register, None when there is none."""
    before_s = int(since.timestamp())
    found = _behind(connection, before_s, areas)
    # What is in the journal only is not in the table of newest values yet.
    for meter_id, one in newest(connection, days, sorted(found), ENERGY).items():
        found[meter_id] = (found[meter_id][0], one.captured_at)
    return {number: each for number, each in found.items() if each[1] is None or each[1] < before_s}


def silent_lines(
    connection: Connection,
    named: Sequence[tuple[int, datetime | None]],
    areas: Collection[int] | None,
) -> list[SilentMeter]:
    """Silent meters with their places, in the order given; one that is in the archive no more is left out."""
    numbers = [each for each, _ in named]
    shown, _ = meters(connection, Wanted(areas=areas, numbers=numbers, limit=len(numbers)))
    by_number = {each.id: each for each in shown}
    return [SilentMeter(by_number[each], at) for each, at in named if each in by_number]


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
) -> dict[int, tuple[int, int | None]]:
    """Meters of whose energy the table of newest values has nothing since ``before_s``: area, and what it has."""
    latest, meter, terminal = schema.latest, schema.meter, schema.terminal
    last = func.max(latest.c.captured_at)
    query = (
        select(meter.c.id, terminal.c.area_id, last.label("last"))
        .join(terminal, meter.c.terminal_id == terminal.c.id)
        .join(
            latest,
            and_(latest.c.meter_id == meter.c.id, latest.c.register == str(ENERGY)),
            isouter=True,
        )
        .where(meter.c.active)
        .group_by(meter.c.id, terminal.c.area_id)
        .having(or_(last.is_(None), last < before_s))
    )
    if areas is not None:
        query = query.where(among(connection, terminal.c.area_id, sorted(areas)))
    return {number: (area, at) for number, area, at in tuples(connection, query)}


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
