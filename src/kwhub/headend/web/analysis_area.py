"""One area's line loss: its days, its meters with their share, what is missing; load, phases and suspects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from kwhub.domain.readings import CURVE_INTERVAL_S, Register
from kwhub.headend.analysis.load import LoadFactor, PhaseBalance, load_factor, phase_balance
from kwhub.headend.analysis.loss import Loss
from kwhub.headend.analysis.ranking import Suspect, ranked, suspects
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.rules import RuleName
from kwhub.headend.store import overview
from kwhub.headend.store.archive_rows import ArchiveMeter
from kwhub.headend.store.days import Days
from kwhub.headend.store.spans import MeterSpan, Spans, loss_of
from kwhub.headend.validation.completeness import By, calendar
from kwhub.headend.validation.findings import Filter
from kwhub.headend.web.analysis import Span, rates_of, span_of
from kwhub.headend.web.charts import Chart, Scale, Series
from kwhub.headend.web.curves import MEASURES
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_lines import FindingLine
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.shown import Sign, day_bounds, loss_sign, rate_sign

__all__ = [
    "COLUMNS",
    "ROUTES",
    "DayLine",
    "LoadLine",
    "MeterLine",
    "loss_area",
    "loss_area_days",
    "loss_area_file",
    "loss_load",
    "loss_suspects",
]

COLUMNS = (
    *("rank", "address", "name", "kind", "ratio", "first_day", "last_day", "kwh"),
    *("share_percent", "missing"),
)
"""Columns of the file; their names never change."""

SILENT_HOURS = 24
SHOWN_MAX = 100
HALF_DAY_S = 43_200
LOAD_DAYS = 7
LOAD_METERS_MAX = 20
"""Meters whose load and phases one page shows: the supply meters, and the largest three-phase customers."""

_ONE_DAY = timedelta(days=1)
_PER_HOUR = 3_600 // CURVE_INTERVAL_S


@dataclass(frozen=True, slots=True)
class DayLine:
    """An area on one day."""

    day: date
    loss: Loss
    rate: float | None

    @property
    def rate_percent(self) -> float | None:
        """Read rate in percent."""
        return None if self.rate is None else self.rate * 100

    @property
    def rate_sign(self) -> Sign:
        """How good the read rate is."""
        return rate_sign(self.rate)

    @property
    def loss_sign(self) -> Sign:
        """How good the line loss is."""
        return loss_sign(self.loss.loss_percent)


@dataclass(frozen=True, slots=True)
class MeterLine:
    """A meter in the drill-down: rank and share among the meters of its kind."""

    span: MeterSpan
    rank: int | None
    percent: Decimal | None


@dataclass(frozen=True, slots=True)
class LoadLine:
    """Load of one meter."""

    meter: ArchiveMeter
    load: LoadFactor | None
    peak_at: datetime | None
    current: PhaseBalance | None
    voltage: PhaseBalance | None


@get("/loss/{area_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def loss_area(
    page: NamedDependency[Page],
    area_id: FromPath[int],
    span: FromQuery[str] = "",
    day: FromQuery[str] = "",
) -> Template:
    """One area over a day or a month, with the days around it and every meter behind the figure."""
    chosen = span_of(page, span, day)
    month = span_of(page, "month", str(chosen.last))
    energies = _energies(page, area_id, chosen.first, chosen.last)
    rate = rates_of(page, chosen.first, chosen.last).get(area_id)
    lines = _meters(energies)
    context = {
        **_head(page, area_id, chosen, "meters"),
        "whole": DayLine(chosen.last, loss_of(energies), rate),
        "lines": lines,
        "missing": [each for each in lines if each.span.lack],
        "days": _days(page, area_id, month),
    }
    return page.show("analysis_area.html", context)


@get("/loss/{area_id:int}/days.json", sync_to_thread=True, opt=needs(Right.SEE))
def loss_area_days(
    page: NamedDependency[Page], area_id: FromPath[int], day: FromQuery[str] = ""
) -> Chart:
    """Line loss and read rate of the days of a month, to be drawn."""
    t, zone = page.t, page.site.zone
    lines = _days(page, area_id, span_of(page, "month", day))
    times = [int(day_bounds(each.day, each.day, zone)[0].timestamp()) for each in lines]
    losses = [None if (one := each.loss.loss_percent) is None else float(one) for each in lines]
    rates = [each.rate_percent for each in lines]
    return Chart(
        zone=zone.key,
        time=t("chart.time"),
        times=times,
        begin=times[0] - HALF_DAY_S,
        end=times[-1] + HALF_DAY_S,
        days=True,
        series=[
            Series(t("chart.loss"), "%", 2, 2, "loss", losses, points=True),
            Series(t("chart.read_rate"), "%", 2, 1, "rate", rates, points=True),
        ],
        scales={
            "loss": Scale(t("chart.loss"), min=0.0, max=12.0),
            "rate": Scale(t("chart.read_rate"), min=90.0, max=100.5),
        },
    )


@get(["/loss/{area_id:int}/meters.csv", "/loss/{area_id:int}/meters.xlsx"], opt=needs(Right.SEE))
async def loss_area_file(
    page: NamedDependency[Page],
    area_id: FromPath[int],
    span: FromQuery[str] = "",
    day: FromQuery[str] = "",
) -> Response[str] | Response[bytes]:
    """The meters of the area as a file."""

    def made() -> Response[str] | Response[bytes]:
        chosen = span_of(page, span, day)
        rows = (
            (
                *(each.rank, each.span.meter.address, each.span.meter.name, each.span.meter.kind),
                *(each.span.meter.ratio, chosen.first, chosen.last, each.span.kwh),
                *(each.percent, each.span.lack),
            )
            for each in _meters(_energies(page, area_id, chosen.first, chosen.last))
        )
        name = f"loss-{area_id}-{chosen.first}-{chosen.last}"
        return table_file(page.request, name, COLUMNS, rows)

    return await page.site.people.offload(made)


@get("/loss/{area_id:int}/load", sync_to_thread=True, opt=needs(Right.SEE))
def loss_load(
    page: NamedDependency[Page], area_id: FromPath[int], day: FromQuery[str] = ""
) -> Template:
    """Load factor and phase balance of the supply meters and of the largest three-phase customers."""
    chosen = span_of(page, "day", day)
    first = chosen.last - (LOAD_DAYS - 1) * _ONE_DAY
    energies = _energies(page, area_id, first, chosen.last)
    wanted = [
        each.span.meter
        for each in _meters(energies)
        if each.span.meter.kind == "supply" or each.span.meter.phases > 1
    ]
    lines = [_load(page, meter, first, chosen.last) for meter in wanted[:LOAD_METERS_MAX]]
    context = {**_head(page, area_id, chosen, "load"), "lines": lines, "first": first}
    return page.show("analysis_load.html", context)


@get("/loss/{area_id:int}/suspects", sync_to_thread=True, opt=needs(Right.SEE))
def loss_suspects(
    page: NamedDependency[Page],
    area_id: FromPath[int],
    span: FromQuery[str] = "",
    day: FromQuery[str] = "",
) -> Template:
    """Meters that are silent, that use far less than before, or of which a rule found something."""
    chosen = span_of(page, span, day)
    length = chosen.last - chosen.first + _ONE_DAY
    now = _energies(page, area_id, chosen.first, chosen.last)
    before = _energies(page, area_id, chosen.first - length, chosen.first - _ONE_DAY)
    meters = {each.meter.id: each.meter for each in now}
    found: list[Suspect[int]] = suspects(*map(_customers, (now, before)))
    since = page.site.clock.now() - timedelta(hours=SILENT_HOURS)
    with page.site.queries.reading() as connection:
        silent, _ = overview.silent_meters(
            connection, Days(page.site.zone), since, {area_id}, SHOWN_MAX
        )
    rules = [each for each in RuleName if each not in {RuleName.MISSING, RuleName.ROLLOVER}]
    wanted = Filter(chosen.first, chosen.last, rules=rules, areas={area_id})
    findings, total = page.site.quality.findings(wanted, limit=SHOWN_MAX)
    context = {
        **_head(page, area_id, chosen, "suspects"),
        "suspects": [(meters[each.key], each) for each in found[:SHOWN_MAX]],
        "silent": silent,
        "findings": [FindingLine.of(page, each) for each in findings],
        "findings_total": total,
    }
    return page.show("analysis_suspects.html", context)


def _head(page: Page, area_id: int, span: Span, tab: str) -> dict[str, object]:
    area = page.site.area(area_id, span.last)
    name = page.t.either(area.name, area.name_zh)
    return {"area": area, "name": name, "span": span, "tab": tab, "here": {"area": area_id}}


def _energies(page: Page, area_id: int, first: date, last: date) -> list[MeterSpan]:
    with page.site.queries.reading() as connection:
        days = Days(page.site.zone)
        return Spans(connection, days, (first, last + _ONE_DAY), {area_id}).energies(first, last)


def _meters(energies: Sequence[MeterSpan]) -> list[MeterLine]:
    """Supply meters first, then customers by what they used; who lacks readings comes last."""
    found: list[MeterLine] = []
    for kind in ("supply", "customer"):
        own = {each.meter.id: each for each in energies if each.meter.kind == kind}
        used = {key: each.kwh for key, each in own.items() if each.kwh is not None}
        found += [MeterLine(own[each.key], each.rank, each.percent) for each in ranked(used)]
        found += [MeterLine(each, None, None) for each in own.values() if each.kwh is None]
    return found


def _customers(energies: Sequence[MeterSpan]) -> dict[int, Decimal]:
    return {
        each.meter.id: each.kwh
        for each in energies
        if each.kwh is not None and each.meter.kind != "supply"
    }


def _days(page: Page, area_id: int, month: Span) -> list[DayLine]:
    count = (month.last - month.first).days + 1
    days = [month.first + number * _ONE_DAY for number in range(count)]
    with page.site.queries.reading() as connection:
        zone_days = Days(page.site.zone)
        spans = Spans(connection, zone_days, [*days, month.last + _ONE_DAY], {area_id})
        found = calendar(connection, zone_days, By.AREA, (month.first, month.last), {area_id})
    cells = found.total.cells
    return [
        DayLine(day, loss_of(spans.energies(day, day)), None if cell is None else cell.rate)
        for day, cell in zip(days, cells, strict=True)
    ]


def _load(page: Page, meter: ArchiveMeter, first: date, last: date) -> LoadLine:
    span = day_bounds(first, last, page.site.zone)
    rows = page.site.queries.interval_consumption(meter.id, *span)
    factor = float(meter.ratio) * _PER_HOUR
    load = load_factor([None if each.kwh is None else float(each.kwh) * factor for each in rows])
    balances = []
    for name in ("current", "voltage"):
        measure = MEASURES[name]
        phases = [
            page.site.queries.curve(meter.id, Register(code), *span, measure.interval_s).values
            for code, _ in measure.registers[: meter.phases]
        ]
        known = [[None if each is None else float(each) for each in one] for one in phases]
        balances.append(phase_balance(known) if len(known) > 1 else None)
    peak_at = None if load is None else rows[load.peak_at].start
    return LoadLine(meter, load, peak_at, *balances)


ROUTES = (loss_area, loss_area_days, loss_area_file, loss_load, loss_suspects)
