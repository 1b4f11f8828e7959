"""Areas, terminals and meters of the whole fleet in lists: what trees, tables and searches are made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, or_, select, true

from kwhub.headend.store import schema, schema_archive
from kwhub.headend.store.archive_rows import terminal_name
from kwhub.headend.store.days import Days
from kwhub.headend.store.many import tuples
from kwhub.headend.store.read import Latest, Reader

__all__ = [
    "METER_SORTS",
    "TERMINAL_SORTS",
    "Branch",
    "FleetMeter",
    "FleetTerminal",
    "Wanted",
    "branches",
    "connected",
    "meters",
    "newest",
    "terminal",
    "terminals",
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list are wanted, in which order.

    Attributes:
        search: text that stands in a number or a name; empty for all rows.
        areas: numbers of the areas that the reader may see; None for all of them.
        area_id: only this area.
        terminal_id: only what is behind this terminal.
        numbers: only these meters; None for all.
        online: only terminals that are connected, or only those that are not; None for both.
    """

    search: str = ""
    areas: Collection[int] | None = None
    area_id: int | None = None
    terminal_id: int | None = None
    numbers: Sequence[int] | None = None
    online: bool | None = None
    sort: str = ""
    descending: bool = False
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """An area as the tree shows it."""

    id: int
    code: str
    name: str
    name_zh: str
    terminals: int
    online: int


@dataclass(frozen=True, slots=True)
class FleetTerminal:
    """A terminal of any area."""

    id: int
    terminal: str  #: region and number, ``4101-02082``
    name: str
    area_id: int
    area_code: str
    area_name: str
    area_name_zh: str
    online: bool
    last_seen_at: datetime | None
    meters: int
    open_events: int  #: reported with the flag of an important event


@dataclass(frozen=True, slots=True)
class FleetMeter:
    """A meter of any area."""

    id: int
    address: str
    name: str
    area_id: int
    area_code: str
    area_name: str
    area_name_zh: str
    terminal_id: int
    terminal: str
    point: int
    kind: str
    phases: int
    protocol: str


_AREA, _TERMINAL, _METER = schema.area, schema.terminal, schema.meter

TERMINAL_SORTS: Mapping[str, tuple[ColumnElement[Any], ...]] = {
    "terminal": (_TERMINAL.c.region, _TERMINAL.c.number),
    "name": (_TERMINAL.c.name,),
    "area": (_AREA.c.code,),
    "last_seen": (_TERMINAL.c.last_seen_at,),
}
"""Columns by which terminals can be sorted."""

METER_SORTS: Mapping[str, tuple[ColumnElement[Any], ...]] = {
    "address": (_METER.c.address,),
    "name": (_METER.c.name,),
    "area": (_AREA.c.code,),
    "terminal": (_TERMINAL.c.region, _TERMINAL.c.number),
    "point": (_METER.c.point,),
    "kind": (_METER.c.kind,),
    "phases": (_METER.c.phases,),
}
"""Columns by which meters can be sorted."""


def branches(connection: Connection, areas: Collection[int] | None = None) -> list[Branch]:
    """Every area by its code, with how many of its terminals are connected."""
    counts = (
        select(
            _TERMINAL.c.area_id,
            func.count().label("terminals"),
            func.count().filter(_online()).label("online"),
        )
        .where(_TERMINAL.c.active)
        .group_by(_TERMINAL.c.area_id)
        .subquery()
    )
    names = (_AREA.c.id, _AREA.c.code, _AREA.c.name, _AREA.c.name_zh)
    query = (
        select(*names, *(func.coalesce(counts.c[each], 0) for each in ("terminals", "online")))
        .join(counts, counts.c.area_id == _AREA.c.id, isouter=True)
        .where(_seen(areas))
        .order_by(_AREA.c.code)
    )
    return [Branch(*row) for row in tuples(connection, query)]


def connected(connection: Connection, areas: Collection[int] | None = None) -> tuple[int, int]:
    """How many active terminals there are, and how many of them are connected."""
    query = select(func.count(), func.count().filter(_online())).where(_TERMINAL.c.active)
    if areas is not None:
        query = query.where(_TERMINAL.c.area_id.in_(areas))
    terminals_, online = connection.execute(query).one()
    return terminals_, online


def terminals(connection: Connection, wanted: Wanted) -> tuple[list[FleetTerminal], int]:
    """A page of the active terminals, and how many there are."""
    conditions = [_TERMINAL.c.active, *_common(wanted, (_TERMINAL.c.name, _AREA.c.name))]
    if wanted.online is not None:
        conditions.append(_online() if wanted.online else ~_online())
    query = _terminals().where(*conditions)
    total = _count(connection, query)
    columns = TERMINAL_SORTS.get(wanted.sort, TERMINAL_SORTS["terminal"])
    ordered = _page(query, columns, wanted, _TERMINAL.c.id)
    return [_terminal(row) for row in connection.execute(ordered)], total


def terminal(connection: Connection, terminal_id: int) -> FleetTerminal | None:
    """One terminal, active or not."""
    row = connection.execute(_terminals().where(_TERMINAL.c.id == terminal_id)).one_or_none()
    return None if row is None else _terminal(row)


def meters(connection: Connection, wanted: Wanted) -> tuple[list[FleetMeter], int]:
    """A page of the active meters, and how many there are."""
    texts = (_METER.c.address, _METER.c.name, _AREA.c.name, _AREA.c.name_zh)
    conditions = _common(wanted, texts, customers=True)
    query = (
        select(
            _METER,
            _TERMINAL.c.area_id,
            _TERMINAL.c.region,
            _TERMINAL.c.number,
            _AREA.c.code.label("area_code"),
            _AREA.c.name.label("area_name"),
            _AREA.c.name_zh.label("area_name_zh"),
        )
        .join(_TERMINAL, _METER.c.terminal_id == _TERMINAL.c.id)
        .join(_AREA, _TERMINAL.c.area_id == _AREA.c.id)
        .where(_METER.c.active, *conditions)
    )
    if wanted.numbers is not None:
        query = query.where(_METER.c.id.in_(wanted.numbers))
    total = _count(connection, query)
    columns = METER_SORTS.get(wanted.sort, METER_SORTS["address"])
    ordered = _page(query, columns, wanted, _METER.c.address)
    return [_meter(row) for row in connection.execute(ordered)], total


def newest(
    connection: Connection, days: Days, numbers: Sequence[int], register: str
) -> dict[int, Latest]:
    """The newest value of one register of some meters, of whatever series; none where there is none."""
    found = Reader(connection, days).latest(numbers)
    return {
        meter: max(own, key=lambda one: one.captured_at)
        for meter, every in found.items()
        if (own := [one for one in every if one.register == register])
    }


def _terminals() -> Select[Any]:
    events = schema.terminal_event
    count = (
        select(func.count())
        .where(_METER.c.terminal_id == _TERMINAL.c.id, _METER.c.active)
        .scalar_subquery()
    )
    happened = (
        select(func.count())
        .where(events.c.terminal_id == _TERMINAL.c.id, events.c.important)
        .scalar_subquery()
    )
    return select(
        _TERMINAL,
        _AREA.c.code.label("area_code"),
        _AREA.c.name.label("area_name"),
        _AREA.c.name_zh.label("area_name_zh"),
        _online().label("online"),
        count.label("meters"),
        happened.label("open_events"),
    ).join(_AREA, _TERMINAL.c.area_id == _AREA.c.id)


def _common(
    wanted: Wanted, texts: Collection[ColumnElement[str]], *, customers: bool = False
) -> list[ColumnElement[bool]]:
    """The conditions that lists of terminals and of meters share."""
    found = [_seen(wanted.areas)]
    if wanted.area_id is not None:
        found.append(_AREA.c.id == wanted.area_id)
    if wanted.terminal_id is not None:
        found.append(_TERMINAL.c.id == wanted.terminal_id)
    if text := wanted.search.strip():
        region, _, number = text.partition("-")
        choices = [each.icontains(text, autoescape=True) for each in texts]
        if region.isdecimal() and number.isdecimal() and len(number) <= 5:
            choices.append((_TERMINAL.c.region == region) & (_TERMINAL.c.number == int(number)))
        elif text.isdecimal() and len(text) <= 5:
            choices.append(_TERMINAL.c.number == int(text))
        if customers:
            choices.append(_pays(text))
        found.append(or_(*choices))
    return found


def _pays(text: str) -> ColumnElement[bool]:
    """Whether the account or the customer of a meter has this text in its number or name."""
    account, customer = schema_archive.account, schema_archive.customer
    columns = (account.c.number, customer.c.number, customer.c.name)
    return (
        exists()
        .where(account.c.meter_id == _METER.c.id, account.c.customer_id == customer.c.id)
        .where(or_(*(each.icontains(text, autoescape=True) for each in columns)))
    )


def _seen(areas: Collection[int] | None) -> ColumnElement[bool]:
    return true() if areas is None else _AREA.c.id.in_(areas)


def _online() -> ColumnElement[bool]:
    table = schema.terminal_session
    return exists().where(table.c.terminal_id == _TERMINAL.c.id, table.c.ended_at.is_(None))


def _count(connection: Connection, query: Select[Any]) -> int:
    found: int = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    return found


def _page(
    query: Select[Any],
    columns: Collection[ColumnElement[Any]],
    wanted: Wanted,
    last: ColumnElement[Any],
) -> Select[Any]:
    order = [each.desc() if wanted.descending else each.asc() for each in columns]
    nulls = [each.is_(None) for each in columns]  # what is not known comes last in either order
    return query.order_by(*nulls, *order, last).limit(wanted.limit).offset(wanted.offset)


def _terminal(row: Row[Any]) -> FleetTerminal:
    return FleetTerminal(
        id=row.id,
        terminal=terminal_name(row.region, row.number),
        name=row.name,
        area_id=row.area_id,
        area_code=row.area_code,
        area_name=row.area_name,
        area_name_zh=row.area_name_zh,
        online=bool(row.online),
        last_seen_at=row.last_seen_at,
        meters=row.meters,
        open_events=row.open_events,
    )


def _meter(row: Row[Any]) -> FleetMeter:
    return FleetMeter(
        id=row.id,
        address=row.address,
        name=row.name,
        area_id=row.area_id,
        area_code=row.area_code,
        area_name=row.area_name,
        area_name_zh=row.area_name_zh,
        terminal_id=row.terminal_id,
        terminal=terminal_name(row.region, row.number),
        point=row.point,
        kind=row.kind,
        phases=row.phases,
        protocol=row.protocol,
    )
