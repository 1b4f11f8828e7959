"""Completeness by day, and by area, maker or channel: what was owed and what of it never came.

What is owed follows from the archive, what is missing from the ledger; so a month of a large fleet is two sums in the
database, and no reading is unpacked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from kwhub.headend.quality.expect import GRACE_S, Duty, due, owed
from kwhub.headend.store import schema
from kwhub.headend.store.archive_rows import terminal_name
from kwhub.headend.store.days import Days
from kwhub.headend.store.former import Homes
from kwhub.headend.store.many import rows_of
from kwhub.headend.store.schema import day_number, local_date
from kwhub.headend.store.schema_quality import hole, ledger_day
from kwhub.headend.validation.ledger import State

__all__ = ["By", "Calendar", "Cell", "Line", "calendar"]

_DAY = timedelta(days=1)

OWED_CACHED = 10_000
"""Duties of meters times days that are worked out once."""

Key: TypeAlias = tuple[int | str, ...]


class By(Enum):
    """What the lines of a calendar are."""

    AREA = "area"
    MAKER = "maker"
    CHANNEL = "channel"  #: terminal and port: one bus or one power line


@dataclass(frozen=True, slots=True)
class Cell:
    """One line on one day."""

    expected: int
    missing: int

    @property
    def got(self) -> int:
        """What came."""
        return self.expected - self.missing

    @property
    def rate(self) -> float | None:
        """Read rate between 0 and 1; None when nothing was owed."""
        return self.got / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Line:
    """One area, maker or channel.

    Attributes:
        key: area number; maker; or terminal number and port.
        name: English or only name.
        name_zh: Chinese name, empty when there is none.
        cells: one for each day of the calendar, None for a day that the ledger has not looked at.
    """

    key: Key
    name: str
    name_zh: str
    cells: tuple[Cell | None, ...]

    @property
    def whole(self) -> Cell:
        """All days together."""
        return _sum(self.cells)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Lines by days."""

    days: tuple[date, ...]
    lines: tuple[Line, ...]

    @property
    def total(self) -> Line:
        """All lines together."""
        columns = zip(*(line.cells for line in self.lines), strict=True)
        cells = tuple(
            None if all(cell is None for cell in column) else _sum(column) for column in columns
        )
        return Line((), "", "", cells or (None,) * len(self.days))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The areas that count, None for all, and who was where."""

    connection: Connection
    areas: Collection[int] | None
    homes: Homes

    def area(self, meter_id: int, day: date) -> int | None:
        """Where a meter with a history was on a day; None: nowhere, or where it does not count."""
        found = self.homes.area(meter_id, day_number(day))
        return found if self.areas is None or found in self.areas else None


def calendar(
    connection: Connection,
    days: Days,
    by: By,
    span: tuple[date, date],
    areas: Collection[int] | None = None,
) -> Calendar:
    """The calendar of some days.

    Args:
        connection: of a snapshot.
        days: the zone's days.
        by: what the lines are.
        span: first and last day, both inclusive.
        areas: numbers of the areas that count; None for all.
    """
    first, last = span
    shown = tuple(first + number * _DAY for number in range((last - first).days + 1))
    seen = set(
        connection.execute(
            select(ledger_day.c.day).where(
                ledger_day.c.day.between(day_number(first), day_number(last))
            )
        ).scalars()
    )
    looked = [each for each in shown if day_number(each) in seen]
    known = _Seen(connection, areas, Homes.load(connection, days))
    names, expected = _expected(connection, days, by, looked, known)
    missing = _missing(connection, by, span, known)
    lines = tuple(
        Line(
            key,
            *names[key],
            tuple(
                Cell(expected[key, each], missing.get((key, each), 0))
                if day_number(each) in seen
                else None
                for each in shown
            ),
        )
        for key in sorted(names, key=lambda key: (names[key], key))
    )
    return Calendar(shown, lines)


def _expected(
    connection: Connection, days: Days, by: By, looked: Collection[date], seen: _Seen
) -> tuple[dict[Key, tuple[str, str]], dict[tuple[Key, date], int]]:
    """Name of every line, and what it owes on each day; a terminal owes from its first connection on."""
    meter, terminal, area = schema.meter, schema.terminal, schema.area
    duty = ("phases", "curve_minutes", "hourly", "day_freeze", "tariffs", "protocol")
    columns = (
        *(meter.c.terminal_id, meter.c.port, meter.c.maker, meter.c.since_day),
        *(meter.c[name] for name in duty),
        *(terminal.c.area_id, terminal.c.region, terminal.c.number),
        *(terminal.c.first_connected_at, area.c.name, area.c.name_zh),
    )
    together = _within(select(*columns, func.count().label("meters")), seen)
    names: dict[Key, tuple[str, str]] = {}
    found: dict[tuple[Key, date], int] = defaultdict(int)
    for row in connection.execute(together.group_by(*columns)):
        key = _key(by, row, row.area_id)
        names[key] = _name(by, row)
        for day in looked:
            found[key, day] += row.meters * _owes(row, days, day)
    one_by_one = _moved(select(*columns, meter.c.id), seen)
    areas = _area_names(connection) if seen.homes.meters else {}
    for row in connection.execute(one_by_one):
        for day in looked:
            area_id = seen.area(row.id, day)
            if area_id is None:
                continue
            key = _key(by, row, area_id)
            names[key] = areas[area_id] if by is By.AREA else _name(by, row)
            found[key, day] += _owes(row, days, day)
    return names, found


def _owes(row: Row[Any], days: Days, day: date) -> int:
    """Values that one meter owes for a day that is over; none before it, or its terminal, was there."""
    span_s = days.span_s(day, day)
    connected: datetime | None = row.first_connected_at
    if connected is None or connected.timestamp() >= span_s[1]:
        return 0
    if row.since_day is not None and day_number(day) < row.since_day:
        return 0
    own = Duty(
        *(row.phases, row.curve_minutes, row.hourly, row.day_freeze, row.tariffs),
        has_records=row.protocol != "dlt645-1997",
    )
    return _owed(own, span_s)


@lru_cache(maxsize=OWED_CACHED)
def _owed(duty: Duty, span_s: tuple[int, int]) -> int:
    """Values that one meter owes for a day that is over."""
    over_s = span_s[1] + GRACE_S
    return sum(len(due(each.interval_s, span_s, over_s)) for each in owed(duty))


def _missing(
    connection: Connection, by: By, span: tuple[date, date], seen: _Seen
) -> dict[tuple[Key, date], int]:
    meter, terminal = schema.meter, schema.terminal
    groups: dict[By, tuple[ColumnElement[Any], ...]] = {
        By.AREA: (terminal.c.area_id,),
        By.MAKER: (meter.c.maker,),
        By.CHANNEL: (meter.c.terminal_id, meter.c.port),
    }
    lack = func.sum(hole.c.expected - hole.c.got).label("lack")
    where = (
        hole.c.meter_id == meter.c.id,
        hole.c.day.between(day_number(span[0]), day_number(span[1])),
        hole.c.state.in_([State.OPEN.value, State.LOST.value]),
    )
    query = _within(select(hole.c.day, *groups[by], lack), seen).where(*where)
    found: dict[tuple[Key, date], int] = defaultdict(int)
    for row in connection.execute(query.group_by(hole.c.day, *groups[by])):
        area_id = row.area_id if by is By.AREA else 0
        found[_key(by, row, area_id), local_date(row.day)] += int(row.lack)
    columns = (hole.c.day, meter.c.id, meter.c.maker, meter.c.terminal_id, meter.c.port)
    own = _moved(select(*columns, lack), seen).where(*where).group_by(*columns)
    for row in connection.execute(own):
        area_id = seen.area(row.id, local_date(row.day))
        if area_id is not None:
            found[_key(by, row, area_id), local_date(row.day)] += int(row.lack)
    return found


def _within(query: Select[Any], seen: _Seen) -> Select[Any]:
    """Active meters of the areas that count, without those that have a history."""
    query = _together(query).where(schema.meter.c.active)
    if seen.homes.meters:
        query = query.where(schema.meter.c.id.not_in(_numbers(seen)))
    return query if seen.areas is None else query.where(schema.terminal.c.area_id.in_(seen.areas))


def _moved(query: Select[Any], seen: _Seen) -> Select[Any]:
    """Meters that have a history, in service or not."""
    return _together(query).where(schema.meter.c.id.in_(_numbers(seen)))


def _numbers(seen: _Seen) -> Select[Any]:
    numbers = rows_of(seen.connection, {"id": sorted(seen.homes.meters)})
    return select(numbers.c.id)


def _together(query: Select[Any]) -> Select[Any]:
    meter, terminal, area = schema.meter, schema.terminal, schema.area
    return query.where(meter.c.terminal_id == terminal.c.id, terminal.c.area_id == area.c.id)


def _area_names(connection: Connection) -> dict[int, tuple[str, str]]:
    area = schema.area
    rows = connection.execute(select(area.c.id, area.c.name, area.c.name_zh))
    return {row.id: (row.name, row.name_zh) for row in rows}


def _key(by: By, row: Any, area_id: int) -> Key:
    if by is By.AREA:
        return (int(area_id),)
    if by is By.MAKER:
        return (str(row.maker),)
    return (int(row.terminal_id), int(row.port))


def _name(by: By, row: Any) -> tuple[str, str]:
    if by is By.AREA:
        return row.name, row.name_zh
    if by is By.MAKER:
        return row.maker, ""
    return f"{terminal_name(row.region, row.number)}:{row.port}", ""


def _sum(cells: Iterable[Cell | None]) -> Cell:
    known = [cell for cell in cells if cell is not None]
    return Cell(sum(cell.expected for cell in known), sum(cell.missing for cell in known))
