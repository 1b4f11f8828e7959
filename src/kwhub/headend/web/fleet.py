"""All meters of the fleet in one list: searched, filtered, sorted, downloaded, chosen for comparing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from litestar.response import Template

from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.store import fleet
from kwhub.headend.store.days import Days
from kwhub.headend.store.fleet import METER_SORTS, Branch, FleetMeter, Wanted
from kwhub.headend.store.read import Latest
from kwhub.headend.store.schema import from_micro
from kwhub.headend.web.page import Page
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import (
    ROWS_PER_PAGE,
    Head,
    Listing,
    PageNumber,
    Search,
    offset_of,
    rows_of_file,
)

__all__ = [
    "COLUMNS",
    "ROUTES",
    "FleetLine",
    "MetersAsked",
    "areas_to_choose",
    "meters_asked",
    "meters_file",
    "meters_page",
    "row_number",
]

COLUMNS = (
    *("address", "name", "area_code", "area", "terminal", "point", "kind", "phases", "protocol"),
    *("last_energy_kwh", "last_energy_at"),
)
"""Columns of the file; their names never change."""

HEADS = (
    *(Head(name, numeric=name == "point", sortable=True) for name in METER_SORTS),
    Head("last_energy", numeric=True),
    Head("last_energy_at"),
)
_PLACES = 2


@dataclass(frozen=True, slots=True)
class FleetLine:
    """A meter with its newest register."""

    meter: FleetMeter
    energy: Decimal | None
    energy_at: datetime | None


@dataclass(frozen=True, slots=True)
class MetersAsked:
    """Which meters the address of the page asks for."""

    search: str
    area: int | None
    terminal: int | None
    sort: str
    descending: bool
    page: int

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        return {"search": self.search, "area": self.area, "terminal": self.terminal}

    def wanted(self, page: Page, limit: int, offset: int) -> Wanted:
        """The same for the store."""
        return Wanted(
            search=self.search,
            areas=page.scope,
            area_id=self.area,
            terminal_id=self.terminal,
            sort=self.sort,
            descending=self.descending,
            limit=limit,
            offset=offset,
        )


def meters_asked(
    search: Search = "",
    area: FromQuery[str] = "",
    terminal: FromQuery[str] = "",
    sort: FromQuery[str] = "address",
    desc: FromQuery[bool] = False,  # noqa: FBT002  a parameter of the request
    number: PageNumber = 1,
) -> MetersAsked:
    """What a list of meters is asked for; what makes no sense is left out."""
    chosen = sort if sort in METER_SORTS else "address"
    return MetersAsked(search.strip(), row_number(area), row_number(terminal), chosen, desc, number)


def row_number(text: str) -> int | None:
    """The number of a row that a field of a filter names, None for none.

    >>> row_number("12"), row_number(""), row_number("x")
    (12, None, None)
    """
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None


ASKED = {"asked": Provide(meters_asked, sync_to_thread=False)}


def areas_to_choose(page: Page) -> list[tuple[int, str]]:
    """Number and name of every area, for the field of a filter."""
    with page.site.queries.reading() as connection:
        found: list[Branch] = fleet.branches(connection, page.scope)
    return [(each.id, page.t.either(each.name, each.name_zh)) for each in found]


@get("/meters", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def meters_page(page: NamedDependency[Page], asked: NamedDependency[MetersAsked]) -> Template:
    """One page of all meters; only the table when that is what changes."""
    rows, total = _lines(page, asked, ROWS_PER_PAGE, offset_of(asked))
    listed = Listing.of("/meters", HEADS, asked, rows, total)
    context = {"listed": listed, "asked": asked}
    if page.swaps == "fleet":
        return page.show("fleet_table.html", context)
    return page.show("fleet.html", {**context, "areas": areas_to_choose(page)})


@get(
    ["/meters.csv", "/meters.xlsx"],
    opt=needs(Right.SEE),
    dependencies=ASKED,
)
async def meters_file(
    page: NamedDependency[Page], asked: NamedDependency[MetersAsked]
) -> Response[str] | Response[bytes]:
    """Every meter of the list as a file."""
    file = partial(table_file, page.request, "meters", COLUMNS, _rows(page, asked))
    return await page.site.people.offload(file)


def _rows(page: Page, asked: MetersAsked) -> Iterator[Sequence[object]]:
    def row(each: FleetLine) -> Sequence[object]:
        meter = each.meter
        return (
            *(meter.address, meter.name, meter.area_code),
            page.t.either(meter.area_name, meter.area_name_zh),
            *(meter.terminal, meter.point, meter.kind, meter.phases, meter.protocol),
            each.energy,
            local(each.energy_at, page.site.zone),
        )

    return rows_of_file(partial(_lines, page, asked), row)


def _lines(page: Page, asked: MetersAsked, limit: int, offset: int) -> tuple[list[FleetLine], int]:
    with page.site.queries.reading() as connection:
        found, total = fleet.meters(connection, asked.wanted(page, limit, offset))
        numbers = [each.id for each in found]
        latest = fleet.newest(connection, Days(page.site.zone), numbers, ENERGY)
    return [_line(each, latest.get(each.id)) for each in found], total


def _line(meter: FleetMeter, newest: Latest | None) -> FleetLine:
    if newest is None:
        return FleetLine(meter, None, None)
    at = datetime.fromtimestamp(newest.captured_at, UTC)
    return FleetLine(meter, from_micro(newest.value, _PLACES), at)


ROUTES = (meters_page, meters_file)
