"""The curves of one meter: which there are, over which days, and their values ready to be drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from kwhub.domain.readings import CURVE_INTERVAL_S, HOUR_INTERVAL_S, Register
from kwhub.headend.api.site import Site
from kwhub.headend.store.views import DayConsumption, MeterDetail
from kwhub.headend.web.charts import Chart, Scale, Series, points_alone
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import query
from kwhub.headend.web.sheets import local
from kwhub.headend.web.shown import day_bounds

__all__ = [
    "CURVE_COLUMNS",
    "DAILY_DAYS",
    "MEASURES",
    "SPANS",
    "CurveChoice",
    "Measure",
    "chart_of",
    "curve_chart",
    "curve_lines",
    "curve_rows",
    "daily_chart",
    "daily_rows",
    "fitted",
]

SPANS = (1, 7, 31, 92, 366)
"""Days that a curve may cover."""

AGAINST_DAYS_MAX = 7
"""Longest span that can be drawn beside the week before it."""

WEEK = timedelta(days=7)
DAILY_DAYS = 31
DAILY_DAYS_MIN = 7
HALF_DAY_S = 43_200
CURVE_COLUMNS = ("meter", "measure", "interval_start", "interval_end", "value", "unit")
QUARTERS_PER_HOUR = 3600 // CURVE_INTERVAL_S

Span: TypeAlias = tuple[datetime, datetime]
Lines: TypeAlias = list[tuple[str, list[float | None]]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that a curve can show."""

    registers: tuple[
        tuple[str, str], ...
    ] = ()  #: OBIS code and label: L1, L2, L3 or empty for the total
    interval_s: int = CURVE_INTERVAL_S
    unit: str = "kW"
    places: int = 2
    from_zero: bool = True


MEASURES = {
    "kw": Measure(unit="kW", places=3),
    "kwh": Measure(unit="kWh", places=2),
    "register": Measure((("1-0:1.8.0", ""),), unit="kWh", from_zero=False),
    "power": Measure((("1-0:16.7.0", ""),), HOUR_INTERVAL_S, "kW", 4),
    "voltage": Measure(
        (("1-0:32.7.0", "L1"), ("1-0:52.7.0", "L2"), ("1-0:72.7.0", "L3")),
        HOUR_INTERVAL_S,
        "V",
        1,
        from_zero=False,
    ),
    "current": Measure(
        (("1-0:31.7.0", "L1"), ("1-0:51.7.0", "L2"), ("1-0:71.7.0", "L3")), HOUR_INTERVAL_S, "A", 3
    ),
}
"""What can be shown, by its code in ``?measure=``; the first two are computed from the register."""


@dataclass(frozen=True, slots=True)
class CurveChoice:
    """What the reader wants to see of a meter, and where its buttons lead."""

    meter_id: int
    measure: str
    days: int
    last: date
    today: date
    against: bool = False  #: beside the same days a week before
    measures: Sequence[str] = tuple(MEASURES)
    spans: Sequence[int] = SPANS

    @property
    def base(self) -> str:
        """Address of the page without what is chosen."""
        return f"/meters/{self.meter_id}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the meters that the address names beside the path."""
        return ()

    @property
    def may_go_against(self) -> bool:
        """Whether the span is short enough to be drawn beside the week before."""
        return self.days <= AGAINST_DAYS_MAX

    @property
    def first(self) -> date:
        """The first day shown."""
        return self.last - timedelta(days=self.days - 1)

    @property
    def title(self) -> str:
        """The days in words."""
        return f"{self.last}" if self.days == 1 else f"{self.first} … {self.last}"

    @property
    def previous(self) -> str:
        """Address of the span before."""
        return self._href(self.last - timedelta(days=self.days))

    @property
    def next(self) -> str:
        """Address of the span after; empty when that lies in the future."""
        if self.last >= self.today:
            return ""
        return self._href(min(self.today, self.last + timedelta(days=self.days)))

    @property
    def url(self) -> str:
        """Address of the values."""
        return self._href(self.last, "/curve.json")

    @property
    def csv(self) -> str:
        """Address of the values as a file."""
        return self._href(self.last, "/curve.csv")

    @property
    def xlsx(self) -> str:
        """The same as a workbook."""
        return self._href(self.last, "/curve.xlsx")

    def _href(self, last: date, path: str = "") -> str:
        against = 1 if self.against else None
        asked = query(measure=self.measure, days=self.days, day=last, against=against)
        also = "".join(f"&meter={each}" for each in self.numbers)
        return f"{self.base}{path}{asked}{also}"


def curve_chart(site: Site, t: Texts, meter: MeterDetail, choice: CurveChoice) -> Chart:
    """The chosen curve of a meter, holes as holes."""
    times, lines = curve_lines(site, t, meter, choice, timedelta(0))
    if choice.against and choice.may_go_against:
        _, before = curve_lines(site, t, meter, choice, WEEK)
        lines += [
            (t("measure.week_before", of=label), fitted(values, len(times)))
            for label, values in before
        ]
    return chart_of(site, t, choice, times, lines)


def curve_lines(
    site: Site, t: Texts, meter: MeterDetail, choice: CurveChoice, back: timedelta
) -> tuple[list[int], Lines]:
    """The lines of a meter, from so much earlier, one for each phase that it has."""
    measure = MEASURES[choice.measure]
    span = day_bounds(choice.first - back, choice.last - back, site.zone)
    if measure.registers:
        return _registers(site, t, meter, measure, span)
    return _consumption(site, t, meter, choice.measure, span)


def chart_of(
    site: Site, t: Texts, choice: CurveChoice, times: Sequence[int], lines: Lines
) -> Chart:
    """A chart of some lines; one alone is drawn as steps where its values belong to whole intervals."""
    measure = MEASURES[choice.measure]
    begin, end = day_bounds(choice.first, choice.last, site.zone)
    series = [
        Series(
            label=label,
            unit=measure.unit,
            places=measure.places,
            colour=index + 1,
            scale="y",
            values=values,
            shape="line" if measure.registers or len(lines) > 1 else "step",
            points=points_alone(values),
        )
        for index, (label, values) in enumerate(lines)
    ]
    return Chart(
        zone=site.zone.key,
        time=t("chart.time"),
        times=list(times),
        begin=int(begin.timestamp()),
        end=int(end.timestamp()),
        series=series,
        scales={"y": Scale(measure.unit, min=0.0 if measure.from_zero else None)},
    )


def fitted(values: Sequence[float | None], length: int) -> list[float | None]:
    """As many values as there are times: a day on which the clock changes has more or fewer.

    >>> fitted([1.0, 2.0], 3), fitted([1.0, 2.0], 1)
    ([1.0, 2.0, None], [1.0])
    """
    return [*values[:length], *([None] * (length - len(values)))]


def curve_rows(site: Site, meter: MeterDetail, choice: CurveChoice) -> Iterator[Sequence[object]]:
    """The chosen curve as rows of CURVE_COLUMNS: values of registers have no interval end."""
    measure = MEASURES[choice.measure]
    span = day_bounds(choice.first, choice.last, site.zone)
    if not measure.registers:
        factor = QUARTERS_PER_HOUR if choice.measure == "kw" else 1
        quarter = timedelta(seconds=CURVE_INTERVAL_S)
        for each in site.queries.interval_consumption(meter.id, *span):
            begin, end = (local(moment, site.zone) for moment in (each.start, each.start + quarter))
            value = None if each.kwh is None else each.kwh * factor
            yield meter.address, choice.measure, begin, end, value, measure.unit
        return
    for code, _ in measure.registers[: meter.phases]:
        curve = site.queries.curve(meter.id, Register(code), *span, measure.interval_s)
        for at, value in zip(curve.times, curve.values, strict=True):
            yield meter.address, code, local(at, site.zone), None, value, measure.unit


def daily_rows(site: Site, meter_id: int) -> list[DayConsumption]:
    """Consumption of the last days, from the first known one on, but of a week at least."""
    today = site.today()
    rows = site.queries.daily(meter_id, today - timedelta(days=DAILY_DAYS - 1), today)
    begun = next((n for n, row in enumerate(rows) if row.kwh is not None), len(rows))
    return rows[min(begun, len(rows) - DAILY_DAYS_MIN) :]


def daily_chart(site: Site, t: Texts, meter_id: int) -> Chart:
    """Consumption of each day as bars; incomplete days in another colour."""
    days = daily_rows(site, meter_id)
    midnights = [int(day_bounds(each.day, each.day, site.zone)[0].timestamp()) for each in days]
    whole = [_drawn(each.kwh) if each.complete else None for each in days]
    partial = [None if each.complete else _drawn(each.kwh) for each in days]
    rows = ((t("meter.daily_complete"), 1, whole), (t("meter.daily_partial"), 2, partial))
    return Chart(
        zone=site.zone.key,
        time=t("chart.time"),
        times=midnights,
        begin=midnights[0] - HALF_DAY_S,
        end=midnights[-1] + HALF_DAY_S,
        days=True,
        series=[
            Series(label, "kWh", 2, colour, "y", values, shape="bars")
            for label, colour, values in rows
        ],
        scales={"y": Scale(t("chart.kwh"), min=0.0)},
    )


def _registers(
    site: Site, t: Texts, meter: MeterDetail, measure: Measure, span: Span
) -> tuple[list[int], Lines]:
    """Curves of registers as the meter gave them, one line for each phase that it has."""
    times: list[int] = []
    lines: Lines = []
    for code, label in measure.registers[: meter.phases]:
        curve = site.queries.drawn(meter.id, Register(code), *span, measure.interval_s)
        times = curve.times
        lines.append((label or t("measure.total"), curve.values))
    return times, lines


def _consumption(
    site: Site, t: Texts, meter: MeterDetail, code: str, span: Span
) -> tuple[list[int], Lines]:
    """Energy of each quarter of an hour, or its mean power."""
    factor = QUARTERS_PER_HOUR if code == "kw" else 1
    used = site.queries.drawn_consumption(meter.id, *span)
    values = [None if each is None else each * factor for each in used.values]
    return used.times, [
        (t("measure.mean_power" if code == "kw" else "measure.consumption"), values)
    ]


def _drawn(value: Decimal | None) -> float | None:
    """A value for drawing; what is exact stays in the tables."""
    return None if value is None else float(value)
