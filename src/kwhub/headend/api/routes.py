"""The routes of ``/api/v1``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, TypeAlias

from litestar import Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from kwhub.catalog.registers import parse_register
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, HOUR_INTERVAL_S, Register
from kwhub.headend.api import (
    archive,
    archive_files,
    device_work,
    devices,
    metrics,
    money,
    people,
    quality,
    settings,
    tasks,
    vending,
)
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Area, AreaMeter, Items, Meter, Ordered, Point, ReadNow
from kwhub.headend.api.site import (
    FIRST_DAY,
    LAST_DAY,
    REGISTERS_MAX,
    SEARCH_MAX,
    Site,
    readable,
)
from kwhub.headend.api.tasks import Key, placed
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.area_days import active_areas
from kwhub.headend.store.views import MeterDetail

__all__ = [
    "INTERVALS",
    "SPAN_DAYS_MAX",
    "api_router",
    "area_meters",
    "areas",
    "asked_registers",
    "meter",
    "meter_orders",
    "order",
    "read_now",
    "readings",
]

INTERVALS = {"15m": CURVE_INTERVAL_S, "1h": HOUR_INTERVAL_S, "1d": DAY_INTERVAL_S}
SPAN_DAYS_MAX = 366

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]
Search: TypeAlias = Annotated[str, QueryParameter(max_length=SEARCH_MAX)]


@dataclass(frozen=True, slots=True)
class _Span:
    """The series that is asked for: times of its grid from ``start`` up to, not including, ``end``."""

    register: Register
    start: datetime
    end: datetime
    interval_s: int


@get("/areas", sync_to_thread=True, opt=needs(Right.SEE))
def areas(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    day: FromQuery[date | None] = None,
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Area]:
    """Areas with read rate and line loss of a local day (today when none is given)."""
    chosen = site.day(day)
    at = position_of(cursor)
    with site.queries.reading() as connection:
        numbers = active_areas(connection, caller.scope())
    rows = site.queries.areas(chosen, only=numbers[at : at + limit])
    part = [Area.of(row, chosen) for row in rows]
    return Items(part, cursor_of(at + limit) if at + limit < len(numbers) else None)


@get("/areas/{area_id:int}/meters", sync_to_thread=True, opt=needs(Right.SEE))
def area_meters(
    site: NamedDependency[Site],
    area_id: FromPath[int],
    day: FromQuery[date | None] = None,
    search: Search = "",
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[AreaMeter]:
    """Meters of an area by address, with the state of a local day."""
    chosen = site.day(day)
    site.area(area_id, chosen)
    at = position_of(cursor)
    page = site.queries.meters(area_id, day=chosen, search=search, limit=limit, offset=at)
    following = at + len(page.items)
    more = bool(page.items) and following < page.total
    return Items([AreaMeter.of(row) for row in page.items], cursor_of(following) if more else None)


@get("/meters/{meter_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def meter(site: NamedDependency[Site], meter_id: FromPath[int]) -> Meter:
    """A meter, its place, and the latest value of each of its registers."""
    return Meter.of(site.meter(meter_id), site.queries.latest(meter_id))


@get("/meters/{meter_id:int}/readings", sync_to_thread=True, opt=needs(Right.SEE))
def readings(
    site: NamedDependency[Site],
    meter_id: FromPath[int],
    span: NamedDependency[_Span],
    limit: Limit = ITEMS_MAX,
    cursor: FromQuery[str | None] = None,
) -> Items[Point]:
    """A series of one register on its grid, holes as null."""
    site.meter(meter_id)
    curve = site.queries.curve(meter_id, span.register, span.start, span.end, span.interval_s)
    at = position_of(cursor)
    stop = at + limit
    pairs = list(zip(curve.times, curve.values, strict=True))
    points = [
        Point(time.astimezone(UTC), None if value is None else f"{value:f}")
        for time, value in pairs[at:stop]
    ]
    return Items(points, cursor_of(stop) if stop < len(pairs) else None)


@get("/meters/{meter_id:int}/orders", sync_to_thread=True, opt=needs(Right.SEE))
def meter_orders(
    site: NamedDependency[Site],
    meter_id: FromPath[int],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Ordered]:
    """The orders of a meter, newest first."""
    site.meter(meter_id)
    at = position_of(cursor)
    rows = site.orders.of_meter(meter_id, limit=limit + 1, offset=at)
    following = cursor_of(at + limit) if len(rows) > limit else None
    return Items([Ordered.of(row) for row in rows[:limit]], following)


@post("/meters/{meter_id:int}/orders", status_code=202, opt=needs(Right.ORDER))
async def read_now(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[ReadNow],
    key: Key = "",
) -> Ordered:
    """Read registers from the meter itself, now; ask for the order until it is final."""
    asked = asked_registers(site.meter(meter_id), data.registers)
    order = site.orders.read_now(meter_id, asked, by=caller.name, key=key)
    order_id = await placed(order)
    return Ordered.of(site.order(order_id))


@get("/orders/{order_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def order(site: NamedDependency[Site], order_id: FromPath[int]) -> Ordered:
    """An order and how far it has come."""
    return Ordered.of(site.order(order_id))


def asked_registers(meter: MeterDetail, names: Iterable[str]) -> tuple[Register, ...]:
    """The registers that an order names, each once; the common set when it names none.

    Raises:
        ValidationException: a name is unknown, cannot be read from this meter, or there are too many.
    """
    groups = readable(meter.phases)
    allowed = {register for codes in groups.values() for register in codes}
    found = list(dict.fromkeys(_register(name) for name in names))
    for register in found:
        if register not in allowed:
            raise ValidationException(f"registers: {register} cannot be read from this meter")
    if len(found) > REGISTERS_MAX:
        raise ValidationException(f"registers: at most {REGISTERS_MAX} in one order")
    return tuple(found or groups["common"])


def _register(name: str) -> Register:
    try:
        return parse_register(name)
    except KwhubError as error:
        raise ValidationException(f"register: {error}") from error


def _span(
    register: FromQuery[str],
    start: Annotated[datetime, QueryParameter(name="from")],
    end: Annotated[datetime, QueryParameter(name="to")],
    interval: FromQuery[str] = "15m",
) -> _Span:
    """Read and check the parameters of a series."""
    if interval not in INTERVALS:
        raise ValidationException(f"interval: one of {', '.join(INTERVALS)}")
    if start.tzinfo is None or end.tzinfo is None:
        raise ValidationException("from, to: RFC 3339 with offset, such as 2026-03-01T00:00:00Z")
    if not FIRST_DAY.year < start.year <= end.year < LAST_DAY.year:
        raise ValidationException(f"from, to: between {FIRST_DAY} and {LAST_DAY}")
    if not timedelta(0) < end - start <= timedelta(days=SPAN_DAYS_MAX):
        raise ValidationException(f"to: after from, and at most {SPAN_DAYS_MAX} days after it")
    return _Span(
        _register(register), start.astimezone(UTC), end.astimezone(UTC), INTERVALS[interval]
    )


def api_router() -> Router:
    """All routes; ``site`` comes from the application."""
    return Router(
        "/api/v1",
        route_handlers=[
            areas,
            area_meters,
            meter,
            readings,
            meter_orders,
            read_now,
            order,
            *archive.ROUTES,
            *archive_files.FILE_ROUTES,
            *devices.ROUTES,
            *device_work.ROUTES,
            *money.ROUTES,
            *vending.ROUTES,
            *people.ROUTES,
            *tasks.ROUTES,
            *quality.ROUTES,
            *settings.ROUTES,
            *metrics.ROUTES,
        ],
        dependencies={"span": Provide(_span, sync_to_thread=False)},
    )
