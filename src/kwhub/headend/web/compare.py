"""Several meters over one another: the same curve of each, in one chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Annotated, TypeAlias

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from litestar.response import Template

from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.views import MeterDetail
from kwhub.headend.web.charts import Chart
from kwhub.headend.web.curves import (
    CURVE_COLUMNS,
    MEASURES,
    SPANS,
    CurveChoice,
    Lines,
    chart_of,
    curve_lines,
    curve_rows,
    fitted,
)
from kwhub.headend.web.meters import SpanDays
from kwhub.headend.web.page import Page
from kwhub.headend.web.sheets import table_file

__all__ = [
    "METERS_MAX",
    "ROUTES",
    "CompareChoice",
    "compare_choice",
    "compare_curve",
    "compare_file",
    "compare_page",
]

METERS_MAX = 8
"""Meters in one chart: there are as many colours that can be told apart."""

Numbers: TypeAlias = Annotated[list[int] | None, QueryParameter(name="meter")]


@dataclass(frozen=True, slots=True)
class CompareChoice(CurveChoice):
    """What the reader wants to see of several meters."""

    chosen: tuple[int, ...] = ()

    @property
    def base(self) -> str:
        """Address of the page without what is chosen."""
        return "/meters/compare"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the meters that are compared."""
        return self.chosen

    @property
    def may_go_against(self) -> bool:
        """Several meters beside their weeks before would be too many lines."""
        return False


def compare_choice(
    page: NamedDependency[Page],
    numbers: Numbers = None,
    measure: FromQuery[str] = "kw",
    span_days: SpanDays = 1,
    day: FromQuery[date | None] = None,
) -> CompareChoice:
    """The chart that the address of a page asks for; what it cannot be falls back to the first."""
    days = page.days(day)
    known = [each for each in dict.fromkeys(numbers or []) if 0 < each <= NUMBER_MAX]
    return CompareChoice(
        meter_id=0,
        measure=measure if measure in MEASURES else "kw",
        days=span_days if span_days in SPANS else SPANS[0],
        last=days.day,
        today=days.today,
        chosen=tuple(known[:METERS_MAX]),
    )


CHOICE = {"chosen": Provide(compare_choice, sync_to_thread=False)}


@get("/meters/compare", sync_to_thread=True, opt=needs(Right.SEE), dependencies=CHOICE)
def compare_page(page: NamedDependency[Page], chosen: NamedDependency[CompareChoice]) -> Template:
    """The chosen meters; only the chart when another one is chosen."""
    context = {"curve": chosen, "meters": _meters(page, chosen), "most": METERS_MAX}
    return page.show("curve.html" if page.swaps == "curve" else "compare.html", context)


@get("/meters/compare/curve.json", sync_to_thread=True, opt=needs(Right.SEE), dependencies=CHOICE)
def compare_curve(page: NamedDependency[Page], chosen: NamedDependency[CompareChoice]) -> Chart:
    """The values, to be drawn: of each meter its first register, or its consumption."""
    times: list[int] = []
    lines: Lines = []
    for meter in _meters(page, chosen):
        own, found = curve_lines(page.site, page.t, meter, chosen, timedelta(0))
        times = times or own
        label = f"{meter.address} {meter.name}".strip()
        lines.append((label, fitted(found[0][1], len(times))))
    return chart_of(page.site, page.t, chosen, times, lines)


@get(
    ["/meters/compare/curve.csv", "/meters/compare/curve.xlsx"],
    opt=needs(Right.SEE),
    dependencies=CHOICE,
)
async def compare_file(
    page: NamedDependency[Page], chosen: NamedDependency[CompareChoice]
) -> Response[str] | Response[bytes]:
    """The values as a file, one meter after the other."""
    name = f"compare-{chosen.measure}-{chosen.first}-{chosen.last}"
    file = partial(table_file, page.request, name, CURVE_COLUMNS, _rows(page, chosen))
    return await page.site.people.offload(file)


def _meters(page: Page, chosen: CompareChoice) -> list[MeterDetail]:
    """The chosen meters that the reader may see; what is not there is left out."""
    found = [page.site.queries.meter(each) for each in chosen.chosen]
    scope = page.scope
    return [each for each in found if each and (scope is None or each.area_id in scope)]


def _rows(page: Page, chosen: CompareChoice) -> Iterator[Sequence[object]]:
    for meter in _meters(page, chosen):
        yield from curve_rows(page.site, meter, chosen)


ROUTES = (compare_page, compare_curve, compare_file)
