"""Pages of one meter: its curve, its daily consumption, its latest registers."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, TypeAlias

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Template

from kwhub.domain.readings import CURVE_INTERVAL_S, DAY_INTERVAL_S, HOUR_INTERVAL_S, INSTANT
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.views import LatestRow, MeterDetail
from kwhub.headend.web.charts import Chart
from kwhub.headend.web.curves import (
    CURVE_COLUMNS,
    MEASURES,
    SPANS,
    CurveChoice,
    curve_chart,
    curve_rows,
    daily_chart,
    daily_rows,
)
from kwhub.headend.web.language import Texts
from kwhub.headend.web.orders import ORDERS_SHOWN, choices
from kwhub.headend.web.page import Page
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.shown import capture, number

__all__ = [
    "LatestLine",
    "SpanDays",
    "curve_choice",
    "curve_csv",
    "latest_table",
    "meter_curve",
    "meter_daily",
    "meter_page",
]

_SERIES = {
    INSTANT: "instant",
    CURVE_INTERVAL_S: "curve",
    HOUR_INTERVAL_S: "hour",
    DAY_INTERVAL_S: "day",
}

SpanDays: TypeAlias = Annotated[int, QueryParameter(name="days")]


@dataclass(frozen=True, slots=True)
class LatestLine:
    """A latest value with its words."""

    row: LatestRow
    name: str
    captured: str
    series: str
    quality: str

    @classmethod
    def of(cls, page: Page, row: LatestRow) -> "LatestLine":
        """Put it into the reader's words."""
        t = page.t
        known = _SERIES.get(row.interval_s)
        return cls(
            row,
            t.either(row.name_en, row.name_zh),
            capture(
                row.captured_at, row.interval_s, page.site.zone, t("meter.end_of", day="{day}")
            ),
            t(f"series.{known}") if known else t("series.other", seconds=row.interval_s),
            row.quality.name.lower(),
        )


def curve_choice(
    page: NamedDependency[Page],
    meter_id: FromPath[int],
    measure: FromQuery[str] = "kw",
    span_days: SpanDays = 1,
    day: FromQuery[date | None] = None,
    against: FromQuery[str] = "",
) -> CurveChoice:
    """The curve that the address of a page asks for; what it cannot be falls back to the first."""
    days = page.days(day)
    return CurveChoice(
        meter_id=meter_id,
        measure=measure if measure in MEASURES else "kw",
        days=span_days if span_days in SPANS else SPANS[0],
        last=days.day,
        today=days.today,
        against=against == "1",
    )


@get("/meters/{meter_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def meter_page(
    page: NamedDependency[Page], curve: NamedDependency[CurveChoice], meter_id: FromPath[int]
) -> Template:
    """One meter; only its curve when another one is chosen."""
    meter = page.site.meter(meter_id)
    if page.swaps == "curve":
        return page.show("curve.html", {"meter": meter, "curve": curve})
    t = page.t
    context = {
        "meter": meter,
        "area": {"id": meter.area_id, "name": t.either(meter.area_name, meter.area_name_zh)},
        "facts": _facts(t, meter),
        "curve": curve,
        "latest": _latest(page, meter_id),
        "daily": daily_rows(page.site, meter_id),
        "choices": choices(t, meter.phases),
        "orders": page.site.orders.of_meter(meter_id, limit=ORDERS_SHOWN),
    }
    return page.show("meter.html", context)


@get("/meters/{meter_id:int}/latest", sync_to_thread=True, opt=needs(Right.SEE))
def latest_table(page: NamedDependency[Page], meter_id: FromPath[int]) -> Template:
    """The table of latest registers alone, for the page that renews it."""
    meter = page.site.meter(meter_id)
    return page.show("latest.html", {"meter": meter, "latest": _latest(page, meter_id)})


@get("/meters/{meter_id:int}/curve.json", sync_to_thread=True, opt=needs(Right.SEE))
def meter_curve(
    page: NamedDependency[Page], curve: NamedDependency[CurveChoice], meter_id: FromPath[int]
) -> Chart:
    """The values of a curve, to be drawn."""
    return curve_chart(page.site, page.t, page.site.meter(meter_id), curve)


@get(
    ["/meters/{meter_id:int}/curve.csv", "/meters/{meter_id:int}/curve.xlsx"],
    opt=needs(Right.SEE),
)
async def curve_csv(
    page: NamedDependency[Page], curve: NamedDependency[CurveChoice], meter_id: FromPath[int]
) -> Response[str] | Response[bytes]:
    """The values of a curve as a file, holes as empty cells."""
    return await page.site.people.offload(partial(_curve_file, page, curve, meter_id))


@get("/meters/{meter_id:int}/daily.json", sync_to_thread=True, opt=needs(Right.SEE))
def meter_daily(page: NamedDependency[Page], meter_id: FromPath[int]) -> Chart:
    """Daily consumption, to be drawn."""
    meter = page.site.meter(meter_id)
    return daily_chart(page.site, page.t, meter.id)


def _curve_file(page: Page, curve: CurveChoice, meter_id: int) -> Response[str] | Response[bytes]:
    meter = page.site.meter(meter_id)
    name = f"{meter.address}-{curve.measure}-{curve.first}-{curve.last}"
    return table_file(page.request, name, CURVE_COLUMNS, curve_rows(page.site, meter, curve))


def _latest(page: Page, meter_id: int) -> list[LatestLine]:
    return [LatestLine.of(page, row) for row in page.site.queries.latest(meter_id)]


def _facts(t: Texts, meter: MeterDetail) -> list[tuple[str, str]]:
    """What stands below the heading, label and text."""
    known = f"meter.phases_{meter.phases}"
    phases = t(known) if known in t.table else t("meter.phases_n", phases=meter.phases)
    terminal = f"{meter.terminal} {meter.terminal_name}".strip()
    state = t("meter.online") if meter.online else t("meter.offline")
    return [
        (t("meter.area"), t.either(meter.area_name, meter.area_name_zh)),
        (t("meter.terminal"), f"{terminal} ({state})"),
        (t("meter.point"), str(meter.point)),
        (t("meter.kind"), t(f"kind.{meter.kind}")),
        (t("meter.phases"), phases),
        (t("meter.ratio"), number(meter.ratio)),
        (t("meter.protocol"), meter.protocol),
    ]
