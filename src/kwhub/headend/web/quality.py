"""Completeness: a calendar of read rates by day and area, maker or channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Template

from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.days import Days
from kwhub.headend.validation.completeness import By, Calendar, Cell, Line, calendar
from kwhub.headend.web.fleet import row_number
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import (
    known_day,
)
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.shown import NOTHING, Sign, percent, rate_sign
from kwhub.headend.web.tables import (
    ROWS_PER_PAGE,
    Listing,
    PageNumber,
)

__all__ = [
    "CALENDAR_COLUMNS",
    "ROUTES",
    "SPANS",
    "CellShown",
    "LineShown",
    "completeness_file",
    "completeness_page",
]

SPANS = (7, 14, 31)
"""Days that a calendar may have."""

CALENDAR_COLUMNS = ("by", "name", "day", "expected", "got", "read_rate_percent")
LEVELS = (0.0, 0.8, 0.95, 0.99, 0.995)
"""Read rates above which a cell has the next better colour."""


@dataclass(frozen=True, slots=True)
class CellShown:
    """A cell of the calendar as a reader sees it."""

    text: str
    level: str  #: a class of the style sheet
    title: str
    href: str  #: to the holes; empty when there is none

    @classmethod
    def of(cls, cell: Cell | None, day: date, name: str, href: str) -> "CellShown":
        """With its words."""
        if cell is None or cell.rate is None:
            return cls(NOTHING, "heat-none", f"{name} {day}: {NOTHING}", "")
        level = sum(cell.rate > each for each in LEVELS)
        told = f"{name} {day}: {percent(cell.rate * 100)}, {cell.got:,} / {cell.expected:,}"
        return cls(f"{int(cell.rate * 100)}", f"heat-{level}", told, href if cell.missing else "")


@dataclass(frozen=True, slots=True)
class LineShown:
    """A line of the calendar."""

    name: str
    href: str
    cells: list[CellShown]  #: the newest day first, so that it is seen on a narrow screen
    rate: float | None
    got: int
    expected: int

    @property
    def sign(self) -> Sign:
        """How good all days together are."""
        return rate_sign(self.rate)

    @classmethod
    def of(cls, page: Page, by: By, line: Line, days: Sequence[date]) -> "LineShown":
        """With its words and links."""
        asked = _asked_for(by, line)
        name = page.t.either(line.name, line.name_zh) or page.t(
            "completeness.all" if not line.key else "completeness.no_maker"
        )
        cells = [
            CellShown.of(
                cell, day, name, "/completeness/holes" + query(first=day, last=day, **asked)
            )
            for cell, day in zip(reversed(line.cells), reversed(days), strict=True)
        ]
        whole = line.whole
        href = "/completeness/holes" + query(first=days[0], last=days[-1], **asked)
        return cls(name, href, cells, whole.rate, whole.got, whole.expected)


def _asked_for(by: By, line: Line) -> dict[str, object]:
    """The filter of the holes that belong to a line."""
    if not line.key:
        return {}
    if by is By.AREA:
        return {"area": line.key[0]}
    if by is By.MAKER:
        return {"maker": line.key[0] or "-"}
    return {"terminal": line.key[0], "port": line.key[1]}


@get("/completeness", sync_to_thread=True, opt=needs(Right.SEE))
def completeness_page(
    page: NamedDependency[Page],
    by: FromQuery[str] = "area",
    last: FromQuery[str] = "",
    days: FromQuery[str] = "",
    number: PageNumber = 1,
) -> Template:
    """The calendar: read rate by day, and by area, maker or channel; the worst line first."""
    chosen, found = _calendar(page, by, last, days)
    first, until = found.days[0], found.days[-1]
    lines = sorted(found.lines, key=lambda line: (_rate(line), line.name))
    offset = (number - 1) * ROWS_PER_PAGE
    shown = [
        LineShown.of(page, chosen, line, found.days)
        for line in lines[offset : offset + ROWS_PER_PAGE]
    ]
    listed = Listing(
        path="/completeness",
        heads=(),
        asked={"by": chosen.value, "last": until, "days": len(found.days)},
        rows=shown,
        total=len(lines),
        page=number,
    )
    context = {
        "listed": listed,
        "total": LineShown.of(page, chosen, found.total, found.days),
        "by": chosen.value,
        "kinds": [each.value for each in By],
        "first": first,
        "last": until,
        "today": page.site.today(),
        "spans": SPANS,
        "days": found.days[::-1],
        "tab": "calendar",
    }
    template = "quality_calendar_table.html" if page.swaps == "calendar" else "quality.html"
    return page.show(template, context)


@get(["/completeness.csv", "/completeness.xlsx"], opt=needs(Right.SEE))
async def completeness_file(
    page: NamedDependency[Page],
    by: FromQuery[str] = "area",
    last: FromQuery[str] = "",
    days: FromQuery[str] = "",
) -> Response[str] | Response[bytes]:
    """The calendar as a file, a row for each line and day."""

    def made() -> Response[str] | Response[bytes]:
        chosen, found = _calendar(page, by, last, days)
        rows = (
            (
                *(chosen.value, page.t.either(line.name, line.name_zh), day),
                *(cell.expected, cell.got),
                None if cell.rate is None else round(cell.rate * 100, 4),
            )
            for line in found.lines
            for day, cell in zip(found.days, line.cells, strict=True)
            if cell is not None
        )
        return table_file(page.request, "completeness", CALENDAR_COLUMNS, rows)

    return await page.site.people.offload(made)


def _calendar(page: Page, by: str, last: str, days: str) -> tuple[By, Calendar]:
    chosen = By(by) if by in {each.value for each in By} else By.AREA
    yesterday = page.site.today() - timedelta(days=1)
    until = min(known_day(page, last, yesterday), page.site.today())
    length = row_number(days)
    count = length if length in SPANS else SPANS[-1]
    span = (until - timedelta(days=count - 1), until)
    with page.site.queries.reading() as connection:
        return chosen, calendar(connection, Days(page.site.zone), chosen, span, page.scope)


def _rate(line: Line) -> float:
    rate = line.whole.rate
    return 2.0 if rate is None else rate


ROUTES = (completeness_page, completeness_file)
