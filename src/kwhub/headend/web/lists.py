"""The list of meters of an area: one page of it for the screen, all of it as a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from kwhub.headend.api.site import SEARCH_MAX, Site
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.views import MeterRow
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.shown import Sign, rate_sign
from kwhub.headend.web.tables import Column, PageNumber, Search

__all__ = [
    "CSV_COLUMNS",
    "METERS_PER_PAGE",
    "SORTS",
    "MeterLine",
    "MeterList",
    "area_csv",
    "listed_meters",
]

METERS_PER_PAGE = 50
CSV_ROWS_PER_QUERY = 1000

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
    def xlsx(self) -> str:
        """The same as a workbook."""
        return self._href(path="/meters.xlsx")

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


@get(
    ["/areas/{area_id:int}/meters.csv", "/areas/{area_id:int}/meters.xlsx"],
    opt=needs(Right.SEE),
)
async def area_csv(
    page: NamedDependency[Page], listed: NamedDependency[MeterList], area_id: FromPath[int]
) -> Response[str] | Response[bytes]:
    """Every meter of the list as a file, whatever page is shown; column names never change."""
    return await page.site.people.offload(partial(_area_file, page, listed, area_id))


def _area_file(page: Page, listed: MeterList, area_id: int) -> Response[str] | Response[bytes]:
    area = page.site.area(area_id, listed.day)
    rows = (
        (
            each.address,
            each.name,
            each.terminal,
            each.point,
            each.kind,
            each.phases,
            listed.day,
            each.expected,
            each.got,
            each.last_energy,
            local(each.last_energy_at, page.site.zone),
            each.day_kwh,
        )
        for each in _all_meters(page.site, listed)
    )
    return table_file(page.request, f"meters-{area.code}-{listed.day}", CSV_COLUMNS, rows)


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
    page.site.area(area_id, chosen)
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
