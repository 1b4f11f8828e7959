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
    "curve_chart",
    "curve_rows",
    "daily_chart",
    "daily_rows",
]

SPANS = (1, 7, 31)
"""Days that a curve may cover."""

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
    measures: Sequence[str] = tuple(MEASURES)
    spans: Sequence[int] = SPANS

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

    def _href(self, last: date, path: str = "") -> str:
        asked = query(measure=self.measure, days=self.days, day=last)
        return f"/meters/{self.meter_id}{path}{asked}"


def curve_chart(site: Site, t: Texts, meter: MeterDetail, choice: CurveChoice) -> Chart:
    """The chosen curve of a meter, holes as holes."""
    measure = MEASURES[choice.measure]
    begin, end = day_bounds(choice.first, choice.last, site.zone)
    if measure.registers:
        times, lines = _registers(site, t, meter, measure, (begin, end))
    else:
        times, lines = _consumption(site, t, meter, choice.measure, (begin, end))
    shape = "line" if measure.registers else "step"
    series = [
        Series(
            label=label,
            unit=measure.unit,
            places=measure.places,
            colour=index + 1,
            scale="y",
            values=values,
            shape=shape,
            points=points_alone(values),
        )
        for index, (label, values) in enumerate(lines)
    ]
    scale = Scale(measure.unit, min=0.0 if measure.from_zero else None)
    return Chart(
        zone=site.zone.key,
        time=t("chart.time"),
        times=[int(each.timestamp()) for each in times],
        begin=int(begin.timestamp()),
        end=int(end.timestamp()),
        series=series,
        scales={"y": scale},
    )


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
) -> tuple[list[datetime], Lines]:
    """Curves of registers as the meter gave them, one line for each phase that it has."""
    times: list[datetime] = []
    lines: Lines = []
    for code, label in measure.registers[: meter.phases]:
        curve = site.queries.curve(meter.id, Register(code), *span, measure.interval_s)
        times = curve.times
        lines.append((label or t("measure.total"), [_drawn(each) for each in curve.values]))
    return times, lines


def _consumption(
    site: Site, t: Texts, meter: MeterDetail, code: str, span: Span
) -> tuple[list[datetime], Lines]:
    """Energy of each quarter of an hour, or its mean power."""
    factor = QUARTERS_PER_HOUR if code == "kw" else 1
    rows = site.queries.interval_consumption(meter.id, *span)
    values = [_drawn(None if each.kwh is None else each.kwh * factor) for each in rows]
    return [each.start for each in rows], [
        (t("measure.mean_power" if code == "kw" else "measure.consumption"), values)
    ]


def _drawn(value: Decimal | None) -> float | None:
    """A value for drawing; what is exact stays in the tables."""
    return None if value is None else float(value)
