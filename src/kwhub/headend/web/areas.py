"""Pages of the transformer areas: all of them on one day, and one of them with its meters."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from kwhub.headend.api.site import Site
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.area_days import areas_on
from kwhub.headend.store.views import AreaSummary, TerminalRow
from kwhub.headend.web.charts import Chart, Scale, Series
from kwhub.headend.web.lists import MeterList
from kwhub.headend.web.page import Page
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.shown import Sign, loss_sign, rate_sign
from kwhub.headend.web.tables import Listing, PageNumber

__all__ = [
    "AREAS_PER_PAGE",
    "COLUMNS",
    "TREND_DAYS",
    "AreaLine",
    "Fleet",
    "area_page",
    "area_trend",
    "areas_file",
    "areas_page",
]

COLUMNS = (
    *("code", "name", "day", "meters", "expected", "got", "supply_kwh", "sold_kwh", "loss_kwh"),
    *("loss_percent", "until"),
)
"""Columns of the file; their names never change."""

AREAS_PER_PAGE = 100

TREND_DAYS = 14
MISSING_SHOWN = 8
"""Meters that are named as the reason why there is no line loss; the others are counted."""

HALF_DAY_S = 43_200


@dataclass(frozen=True, slots=True)
class AreaLine:
    """An area with how good its figures are."""

    area: AreaSummary
    online: int
    terminals: int

    @classmethod
    def of(cls, area: AreaSummary, terminals: Iterable[TerminalRow]) -> "AreaLine":
        """Join an area with its terminals, picked from those of all areas."""
        own = [each for each in terminals if each.area_id == area.id]
        return cls(area, sum(each.online for each in own), len(own))

    @classmethod
    def all_of(
        cls, areas: Iterable[AreaSummary], terminals: Iterable[TerminalRow]
    ) -> list["AreaLine"]:
        """The same of many areas."""
        own: dict[int, list[TerminalRow]] = defaultdict(list)
        for each in terminals:
            own[each.area_id].append(each)
        return [cls.of(each, own[each.id]) for each in areas]

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
class Fleet:
    """Sums over all areas."""

    areas: int
    meters: int
    terminals: int
    online: int
    expected: int
    got: int

    @classmethod
    def of(cls, lines: list[AreaLine]) -> "Fleet":
        """Add up."""
        return cls(
            areas=len(lines),
            meters=sum(each.area.meters for each in lines),
            terminals=sum(each.terminals for each in lines),
            online=sum(each.online for each in lines),
            expected=sum(each.area.expected for each in lines),
            got=sum(each.area.got for each in lines),
        )


@get("/areas", sync_to_thread=True, opt=needs(Right.SEE))
def areas_page(
    page: NamedDependency[Page], day: FromQuery[date | None] = None, number: PageNumber = 1
) -> Template:
    """The areas on one day; only the figures when the page in the browser renews itself."""
    days = page.days(day)
    sees = page.caller.sees_area
    terminals = [each for each in page.site.queries.terminals() if sees(each.area_id)]
    lines = AreaLine.all_of(areas_on(page.site.queries, days.day, page.scope), terminals)
    part = lines[(number - 1) * AREAS_PER_PAGE : number * AREAS_PER_PAGE]
    names = {each.area.id: page.t.either(each.area.name, each.area.name_zh) for each in part}
    context = {
        "days": days,
        "listed": Listing(
            "/areas", (), {"day": days.day}, part, len(lines), number, per_page=AREAS_PER_PAGE
        ),
        "fleet": Fleet.of(lines),
        "terminals": [each for each in terminals if each.area_id in names],
        "names": names,
    }
    return page.show("areas_table.html" if page.swaps == "areas" else "areas.html", context)


@get(["/areas.csv", "/areas.xlsx"], opt=needs(Right.SEE))
async def areas_file(
    page: NamedDependency[Page], day: FromQuery[date | None] = None
) -> Response[str] | Response[bytes]:
    """All areas on one day as a file; column names never change."""
    return await page.site.people.offload(partial(_areas_file, page, page.days(day).day))


def _areas_file(page: Page, day: date) -> Response[str] | Response[bytes]:
    rows = (
        (
            *(each.code, page.t.either(each.name, each.name_zh), day, each.meters),
            *(each.expected, each.got, each.supply_kwh, each.sold_kwh),
            *(each.loss_kwh, each.loss_percent, local(each.until, page.site.zone)),
        )
        for each in areas_on(page.site.queries, day, page.scope)
    )
    return table_file(page.request, f"areas-{day}", COLUMNS, rows)


@get("/areas/{area_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
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


@get("/areas/{area_id:int}/trend.json", sync_to_thread=True, opt=needs(Right.SEE))
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


def _trend(site: Site, area_id: int, last: date) -> list[tuple[date, AreaLine]]:
    """The area on each of the last days, oldest first, from the first one with a reading."""
    first = last - timedelta(days=TREND_DAYS - 1)
    rows = site.area_days(area_id, first, last)
    days = [(first + timedelta(days=n), AreaLine.of(row, [])) for n, row in enumerate(rows)]
    # The freeze of the midnight before the first day belongs to a day of which nothing else is known.
    begun = next((n for n, row in enumerate(rows) if row.got > row.meters), len(rows) - 1)
    return days[begun:]
