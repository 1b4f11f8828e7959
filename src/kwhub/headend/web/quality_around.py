"""The values around a finding: as a table to correct, as a small chart, and with what a method would fill in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.estimate import Method
from kwhub.headend.store.archive_rows import meters
from kwhub.headend.store.days import Days
from kwhub.headend.store.read import Reader
from kwhub.headend.store.schema import from_micro
from kwhub.headend.validation.filling import fill
from kwhub.headend.validation.findings import Finding
from kwhub.headend.web.charts import Chart, Scale, Series, points_alone
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import register_name
from kwhub.headend.web.refusals import told

__all__ = ["ROUTES", "Around", "Value", "decimal_of", "finding_curve", "moment_of", "values_around"]

MARGIN = 4
"""Values shown before and after the place of a finding."""

ROWS_MAX = 100
DAYS_BEFORE, DAYS_AFTER = 14, 2
"""Days around a finding about day freezes."""

_FINE = 4


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the table of corrections."""

    at: datetime
    name: str  #: of its field
    value: Decimal | None
    filled: Decimal | None  #: what a method would put there
    inside: bool  #: missing, or in the place of the finding


@dataclass(frozen=True, slots=True)
class Around:
    """A series around a day."""

    meter_id: int
    day: date
    register: str
    interval_s: int
    method: str
    place_s: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, one: Finding, method: str) -> "Around":
        """Of a finding; an unknown method is none."""
        known = method if method in {each.value for each in Method} else ""
        place = (one.first_s, one.last_s)
        return cls(one.meter_id, one.day, one.register, one.interval_s, known, place)

    @property
    def url(self) -> str:
        """Address of the chart."""
        asked = query(
            day=self.day, register=self.register, interval=self.interval_s, method=self.method
        )
        return f"/completeness/findings/{self.meter_id}/curve.json{asked}"

    def span(self, days: Days) -> tuple[datetime, datetime]:
        """From the day before to the day after; two weeks for day freezes."""
        before, after = (DAYS_BEFORE, DAYS_AFTER) if self.interval_s == DAY_INTERVAL_S else (1, 2)
        return (
            days.start(self.day - timedelta(days=before)),
            days.start(self.day + timedelta(days=after)),
        )


def values_around(page: Page, around: Around) -> tuple[list[Value], bool, str]:
    """The values around the place, whether a method fills any, and why it does not."""
    days = Days(page.site.zone)
    filled, refused = _filled(page, days, around)
    start_s, stop_s = days.span_s(around.day, around.day)
    begin, end = around.place_s if around.place_s[0] else (start_s, stop_s)
    margin = MARGIN * around.interval_s
    found = [
        Value(
            at,
            f"at-{int(at.timestamp())}",
            value,
            filled.get(int(at.timestamp())),
            value is None or (around.place_s[0] > 0 and begin <= int(at.timestamp()) <= end),
        )
        for at, value in _curve(page, days, around)
        if begin - margin <= int(at.timestamp()) <= end + margin
    ]
    if not around.place_s[0]:
        found = _near_holes(found)
    return found[:ROWS_MAX], bool(filled), refused


@get("/completeness/findings/{meter_id:int}/curve.json", sync_to_thread=True, opt=needs(Right.SEE))
def finding_curve(
    page: NamedDependency[Page],
    meter_id: FromPath[int],
    day: FromQuery[date],
    register: FromQuery[str],
    interval: FromQuery[int],
    method: FromQuery[str] = "",
) -> Chart:
    """The series around a day, growing registers as what was used; beside it what a method would fill in."""
    known = method if method in {each.value for each in Method} else ""
    around = Around(
        page.site.meter(meter_id).id, page.site.day(day), register, max(1, interval), known
    )
    days = Days(page.site.zone)
    rows = _curve(page, days, around)
    filled, _ = _filled(page, days, around)
    info = describe(Register(register))
    times = [int(at.timestamp()) for at, _ in rows]
    name = register_name(page.t, register)
    lines = [(name, 1, [value for _, value in rows])]
    if filled:
        both = [filled.get(at, value) for at, (_, value) in zip(times, rows, strict=True)]
        lines.insert(0, (page.t("findings.filled"), 2, both))
    series = [
        _series(label, info.unit, colour, values, info.cumulative)
        for label, colour, values in lines
    ]
    begin, end = around.span(days)
    unit = info.unit
    return Chart(
        zone=page.site.zone.key,
        time=page.t("chart.time"),
        times=times,
        begin=int(begin.timestamp()),
        end=int(end.timestamp()),
        series=series,
        scales={"y": Scale(unit, min=0.0 if info.cumulative else None)},
    )


def moment_of(name: str) -> int:
    """The moment that the name of a field stands for. Raises LocalError."""
    digits = name.removeprefix("at-")
    if not digits.isdecimal() or len(digits) > 12:
        raise LocalError(f"{name} is no moment")
    return int(digits)


def decimal_of(text: str) -> Decimal:
    """A number that was typed in. Raises LocalError."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= Decimal(10) ** 10:
        raise LocalError(f"{text} is no number such as 104.25")
    return number


def _curve(page: Page, days: Days, around: Around) -> list[tuple[datetime, Decimal | None]]:
    start, end = around.span(days)
    try:
        found = page.site.queries.curve(
            around.meter_id, Register(around.register), start, end, around.interval_s
        )
    except KwhubError:
        return []
    return list(zip(found.times, found.values, strict=True))


def _near_holes(values: list[Value]) -> list[Value]:
    """Missing values with their neighbours; all values where none is missing."""
    near = {
        place + beside
        for place, each in enumerate(values)
        if each.value is None
        for beside in range(-2, 3)
    }
    return [each for place, each in enumerate(values) if not near or place in near]


def _filled(page: Page, days: Days, around: Around) -> tuple[dict[int, Decimal], str]:
    """What a method would put into the holes of the day, or why it cannot."""
    if not around.method or around.method == Method.MANUAL.value:
        return {}, ""
    with page.site.queries.reading() as connection:
        found = meters(connection, meter_id=around.meter_id)
        if not found:
            return {}, ""
        try:
            values = fill(
                Reader(connection, days),
                days,
                around.meter_id,
                (Register(around.register), around.interval_s),
                found[0].duty.energy_interval_s,
                (around.day, around.day),
                method=Method(around.method),
            )
        except LocalError as error:
            return {}, told(page.t, error)
    if not values:
        return {}, page.t("findings.no_hole")
    return {at: from_micro(value, _FINE) for at, value in values.items()}, ""


def _series(
    label: str,
    unit: str,
    colour: int,
    values: Sequence[Decimal | None],
    cumulative: bool,  # noqa: FBT001  from the catalogue
) -> Series:
    shown = [None if value is None else float(value) for value in values]
    if cumulative:
        shown = [
            None if first is None or second is None else second - first
            for first, second in pairwise(shown)
        ]
        shown.append(None)
    return Series(
        label=label,
        unit=unit,
        places=_FINE,
        colour=colour,
        scale="y",
        values=shown,
        points=points_alone(shown),
    )


ROUTES = (finding_curve,)
