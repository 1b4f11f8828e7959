"""Pages of the transformer areas: all of them on one day, and one of them with its meters."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, TypeAlias
from urllib.parse import quote

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Template

from kwhub.headend.api.site import SEARCH_MAX, Site
from kwhub.headend.store.views import AreaSummary, MeterRow, TerminalRow
from kwhub.headend.web.charts import Chart, Scale, Series
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.shown import Sign, loss_sign, rate_sign

__all__ = [
    "CSV_COLUMNS",
    "METERS_PER_PAGE",
    "SORTS",
    "TREND_DAYS",
    "AreaLine",
    "Column",
    "Fleet",
    "MeterLine",
    "MeterList",
    "area_csv",
    "area_page",
    "area_trend",
    "areas_page",
    "listed_meters",
]

METERS_PER_PAGE = 50
TREND_DAYS = 14
MISSING_SHOWN = 8
"""Meters that are named as the reason why there is no line loss; the others are counted."""

CSV_ROWS_PER_QUERY = 1000
HALF_DAY_S = 43_200

CSV_COLUMNS = (
    "address",
    "name",
    "terminal",
    "point",
    "kind",
    "phases",
    "day",
    "expected",
    "got",
    "last_energy_kwh",
    "last_energy_at",
    "day_kwh",
)

SORTS = (
    "address",
    "name",
    "terminal",
    "point",
    "kind",
    "phases",
    "got",
    "last_energy",
    "last_energy_at",
    "day_kwh",
)
"""Columns by which the list of meters can be sorted."""

_COLUMNS = (*SORTS[:6], "rate", *SORTS[6:])

_NUMERIC = {"point", "phases", "rate", "got", "last_energy", "day_kwh"}
_DESCENDING_FIRST = {"last_energy", "last_energy_at", "day_kwh"}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Search: TypeAlias = Annotated[str, QueryParameter(max_length=SEARCH_MAX)]
PageNumber: TypeAlias = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class AreaLine:
    """An area with how good its figures are."""

    area: AreaSummary
    online: int
    terminals: int

    @classmethod
    def of(cls, area: AreaSummary, terminals: list[TerminalRow]) -> "AreaLine":
        """Join an area with its terminals, picked from those of all areas."""
        own = [each for each in terminals if each.area_id == area.id]
        return cls(area, sum(each.online for each in own), len(own))

    @property
    def rate_percent(self) -> float | None:
        """Read rate in percent."""
        return None if self.area.read_rate is None else self.area.read_rate * 100

    @property
    def rate_sign(self) -> Sign:
        """How good the read rate is."""
        return rate_sign(self.area.read_rate)

    @property
    def loss_sign(self) -> Sign:
        """How good the line loss is."""
        return loss_sign(self.area.loss_percent)


@dataclass(frozen=True, slots=True)
class MeterLine:
    """A meter of the list with how good its read rate is."""

    meter: MeterRow

    @property
    def rate(self) -> float | None:
        """Read rate between 0 and 1."""
        return self.meter.got / self.meter.expected if self.meter.expected else None

    @property
    def rate_percent(self) -> float | None:
        """Read rate in percent."""
        return None if self.rate is None else self.rate * 100

    @property
    def rate_sign(self) -> Sign:
        """How good the read rate is."""
        return rate_sign(self.rate)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sums over all areas."""

    meters: int
    terminals: int
    online: int
    expected: int
    got: int

    @classmethod
    def of(cls, lines: list[AreaLine]) -> "Fleet":
        """Add up."""
        return cls(
            meters=sum(each.area.meters for each in lines),
            terminals=sum(each.terminals for each in lines),
            online=sum(each.online for each in lines),
            expected=sum(each.area.expected for each in lines),
            got=sum(each.area.got for each in lines),
        )


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: its text, where a click on it leads, and how it is sorted now."""

    text: str
    numeric: bool
    href: str
    order: str  #: ascending, descending or empty


@dataclass(frozen=True, slots=True)
class MeterList:
    """One page of the meters of an area, and the addresses of its neighbours."""

    area_id: int
    day: date
    search: str
    sort: str
    descending: bool
    page: int
    rows: list[MeterLine]
    total: int
    search_max: int = SEARCH_MAX

    @property
    def first(self) -> int:
        """Number of the first meter shown, from 1."""
        return (self.page - 1) * METERS_PER_PAGE + 1

    @property
    def last(self) -> int:
        """Number of the last meter shown."""
        return self.first + len(self.rows) - 1

    @property
    def previous(self) -> str:
        """Address of the page before; empty on the first one."""
        return self._href(page=self.page - 1) if self.page > 1 else ""

    @property
    def next(self) -> str:
        """Address of the page after; empty on the last one."""
        return self._href(page=self.page + 1) if self.rows and self.last < self.total else ""

    @property
    def csv(self) -> str:
        """Address of the whole list as a file."""
        return self._href(path="/meters.csv")

    @property
    def columns(self) -> list[Column]:
        """The heads of the table."""
        return [self._column(name) for name in _COLUMNS]

    def _column(self, name: str) -> Column:
        if name not in SORTS:
            return Column(name, name in _NUMERIC, "", "")
        chosen = name == self.sort
        order = ("descending" if self.descending else "ascending") if chosen else ""
        falling = not self.descending if chosen else name in _DESCENDING_FIRST
        return Column(name, name in _NUMERIC, self._href(sort=name, falling=falling), order)

    def _href(
        self, *, path: str = "", page: int = 1, sort: str = "", falling: bool | None = None
    ) -> str:
        descending = self.descending if falling is None else falling
        return f"/areas/{self.area_id}{path}" + query(
            day=self.day,
            search=self.search,
            sort=sort or self.sort,
            desc=1 if descending else None,
            page=page if page > 1 else None,
        )


@get("/", sync_to_thread=True)
def areas_page(page: NamedDependency[Page], day: FromQuery[date | None] = None) -> Template:
    """All areas on one day; only the figures when the page in the browser renews itself."""
    days = page.days(day)
    terminals = page.site.queries.terminals()
    lines = [AreaLine.of(each, terminals) for each in page.site.queries.areas(days.day)]
    template = "areas_table.html" if page.swaps == "areas" else "areas.html"
    return page.show(template, {"days": days, "areas": lines, "fleet": Fleet.of(lines)})


@get("/areas/{area_id:int}", sync_to_thread=True)
def area_page(
    page: NamedDependency[Page], listed: NamedDependency[MeterList], area_id: FromPath[int]
) -> Template:
    """One area with its meters; only the list of meters when that is what changes."""
    if page.swaps == "meters":
        return page.show("meters_table.html", {"listed": listed})
    trend = _trend(page.site, area_id, listed.day)
    row = AreaLine.of(trend[-1][1].area, page.site.queries.terminals())
    context = {
        "days": page.days(listed.day),
        "row": row,
        "name": page.t.either(row.area.name, row.area.name_zh),
        "trend": trend,
        "missing": row.area.missing[:MISSING_SHOWN],
        "missing_more": max(0, len(row.area.missing) - MISSING_SHOWN),
        "listed": listed,
    }
    return page.show("area.html", context)


@get("/areas/{area_id:int}/trend.json", sync_to_thread=True)
def area_trend(
    page: NamedDependency[Page], area_id: FromPath[int], day: FromQuery[date | None] = None
) -> Chart:
    """Read rate and line loss of the last days, to be drawn."""
    last = page.days(day).day
    trend = _trend(page.site, area_id, last)
    t, zone = page.t, page.site.zone
    midnights = [int(datetime.combine(each, time(0), zone).timestamp()) for each, _ in trend]
    losses = [line.area.loss_percent for _, line in trend]
    rates = [line.rate_percent for _, line in trend]
    return Chart(
        zone=zone.key,
        time=t("chart.time"),
        times=midnights,
        begin=midnights[0] - HALF_DAY_S,
        end=midnights[-1] + HALF_DAY_S,
        days=True,
        series=[
            Series(t("chart.read_rate"), "%", 2, 1, "rate", rates, points=True),
            Series(
                label=t("chart.loss"),
                unit="%",
                places=2,
                colour=2,
                scale="loss",
                values=[None if each is None else float(each) for each in losses],
                points=True,
            ),
        ],
        scales={
            "rate": Scale(t("chart.read_rate"), min=90.0, max=100.5),
            "loss": Scale(t("chart.loss"), min=0.0, max=12.0),
        },
    )


@get("/areas/{area_id:int}/meters.csv", sync_to_thread=True)
def area_csv(
    page: NamedDependency[Page],
    listed: NamedDependency[MeterList],
    area_id: FromPath[int],
    bom: FromQuery[bool] = False,  # noqa: FBT002 - a parameter of the request
) -> Response[str]:
    """Every meter of the list as CSV (RFC 4180), whatever page is shown; column names never change."""
    area = page.site.area(area_id, listed.day)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    zone = page.site.zone
    for each in _all_meters(page.site, listed):
        at = each.last_energy_at
        writer.writerow(
            [
                each.address,
                _plain(each.name),
                each.terminal,
                each.point,
                each.kind,
                each.phases,
                listed.day,
                each.expected,
                each.got,
                _digits(each.last_energy),
                at.astimezone(zone).isoformat() if at else "",
                _digits(each.day_kwh),
            ]
        )
    name = f"meters-{area.code}-{listed.day}.csv"
    return Response(
        ("\ufeff" if bom else "") + text.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": _attachment(name)},
    )


def listed_meters(  # noqa: PLR0913, PLR0917 - each is one parameter of the request
    page: NamedDependency[Page],
    area_id: FromPath[int],
    day: FromQuery[date | None] = None,
    search: Search = "",
    sort: FromQuery[str] = "address",
    desc: FromQuery[bool] = False,  # noqa: FBT002 - a parameter of the request
    number: PageNumber = 1,
) -> MeterList:
    """One page of the list of meters, as the address of the page asks for it."""
    chosen = page.days(day).day
    column = sort if sort in SORTS else "address"
    found = page.site.queries.meters(
        area_id,
        day=chosen,
        search=search.strip(),
        sort=column,
        descending=desc,
        limit=METERS_PER_PAGE,
        offset=(number - 1) * METERS_PER_PAGE,
    )
    rows = [MeterLine(each) for each in found.items]
    return MeterList(area_id, chosen, search.strip(), column, desc, number, rows, found.total)


def _trend(site: Site, area_id: int, last: date) -> list[tuple[date, AreaLine]]:
    """The area on each of the last days, oldest first."""
    first = last - timedelta(days=TREND_DAYS - 1)
    rows = site.queries.area_days(area_id, first, last)
    if not rows:
        raise NotFoundException(f"area {area_id}")
    return [(first + timedelta(days=n), AreaLine.of(row, [])) for n, row in enumerate(rows)]


def _all_meters(site: Site, listed: MeterList) -> Iterator[MeterRow]:
    """All meters of a list, page after page."""
    offset = 0
    while True:
        found = site.queries.meters(
            listed.area_id,
            day=listed.day,
            search=listed.search,
            sort=listed.sort,
            descending=listed.descending,
            limit=CSV_ROWS_PER_QUERY,
            offset=offset,
        )
        yield from found.items
        offset += len(found.items)
        if not found.items or offset >= found.total:
            return


def _digits(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _plain(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def _attachment(name: str) -> str:
    """Content-Disposition for any name (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name)}"
