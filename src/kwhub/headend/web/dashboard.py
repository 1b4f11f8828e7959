"""The dashboard: how well the fleet is read, what it loses, what is wrong, and what it draws just now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template
from sqlalchemy import func, select

from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import alarm_rows, area_days, fleet, overview, schema
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.days import Days
from kwhub.headend.store.overview import Load, SilentMeter
from kwhub.headend.store.views import AreaSummary
from kwhub.headend.validation.completeness import By, Cell, calendar
from kwhub.headend.web.charts import Chart, Scale, Series
from kwhub.headend.web.curves import fitted
from kwhub.headend.web.events import AlarmLine
from kwhub.headend.web.kept import Kept
from kwhub.headend.web.page import Page
from kwhub.headend.web.shown import Sign, loss_sign, rate_sign

__all__ = ["ROUTES", "Rate", "dashboard_page", "load_chart"]

WEEK_DAYS = 7
WORST_SHOWN = 6
SILENT_SHOWN = 8
ORDERS_SHOWN = 8
ALARMS_SHOWN = 6
TODAY_KEPT_S = 20.0
PAST_KEPT_S = 300.0

T = TypeVar("T")

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of what should be there is there, over some days and all areas that the reader sees."""

    expected: int
    got: int
    supply_kwh: Decimal
    loss_kwh: Decimal
    areas_known: int  #: areas and days whose loss is known
    areas: int

    @classmethod
    def of(cls, areas: Sequence[AreaSummary]) -> "Rate":
        """Add up; a loss counts only where it is known, and then with its own supply."""
        known = [each for each in areas if each.loss_kwh is not None]
        return cls(
            expected=sum(each.expected for each in areas),
            got=sum(each.got for each in areas),
            supply_kwh=sum((each.supply_kwh or Decimal(0) for each in known), Decimal(0)),
            loss_kwh=sum((each.loss_kwh or Decimal(0) for each in known), Decimal(0)),
            areas_known=len(known),
            areas=sum(each.meters > 0 for each in areas),
        )

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None when nothing is expected yet."""
        return self.got / self.expected if self.expected else None

    @property
    def percent(self) -> float | None:
        """The same in percent."""
        return None if self.rate is None else self.rate * 100

    @property
    def sign(self) -> Sign:
        """How good it is."""
        return rate_sign(self.rate)

    @property
    def loss_percent(self) -> Decimal | None:
        """Loss of the areas where it is known, in percent of their supply."""
        return self.loss_kwh / self.supply_kwh * 100 if self.supply_kwh else None

    @property
    def loss_sign(self) -> Sign:
        """How good that is."""
        return loss_sign(self.loss_percent)


@get("/", sync_to_thread=True, opt=needs(Right.SEE))
def dashboard_page(page: NamedDependency[Page], kept: NamedDependency[Kept]) -> Template:
    """The whole fleet at a glance; only the figures when they renew themselves.

    Of a large fleet the page shows the figures that are kept of every area, and tells of when they are.
    """
    today = page.site.today()
    figures = _figures(page, kept)
    past = [today - n * _ONE_DAY for n in range(1, WEEK_DAYS + 1)]
    silent, week = figures.silent(), figures.rate(past)
    yesterday, (of_today, as_of) = figures.areas(past[0]), figures.so_far(today)
    context = {
        "today": of_today,
        "yesterday": Rate.of(yesterday),
        "week": week,
        "days": (today, today - _ONE_DAY),
        "worst_read": _worst_read(yesterday),
        "worst_loss": _worst_loss(yesterday),
        "load": figures.load(today),
        "as_of": as_of,
        "computing": figures.large and (as_of is None or silent is None),
        **_lists(page, silent or ([], 0)),
    }
    template = "dashboard_figures.html" if page.swaps == "dashboard" else "dashboard.html"
    return page.show(template, context)


@get("/dashboard/load.json", sync_to_thread=True, opt=needs(Right.SEE))
def load_chart(page: NamedDependency[Page], kept: NamedDependency[Kept]) -> Chart:
    """The load of today and of the same day a week ago, to be drawn."""
    t, today = page.t, page.site.today()
    figures = _figures(page, kept)
    load = figures.load(today)
    before = figures.load(today - WEEK_DAYS * _ONE_DAY)
    zone_days = Days(page.site.zone)
    begin, end = zone_days.span_s(today, today)
    return Chart(
        zone=page.site.zone.key,
        time=t("chart.time"),
        times=load.times,
        begin=begin,
        end=end,
        series=[
            Series(t("dashboard.load_today"), "kW", 2, 1, "y", load.kw, shape="step"),
            Series(t("dashboard.load_before"), "kW", 2, 2, "y", fitted(before.kw, len(load.times))),
        ],
        scales={"y": Scale("kW", min=0.0)},
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    """The costly figures: of a small fleet computed at once, of a large one those that are kept."""

    page: Page
    kept: Kept
    large: bool

    @property
    def scope(self) -> frozenset[int] | None:
        """The areas that the reader sees."""
        return None if self.page.scope is None else frozenset(self.page.scope)

    def areas(self, day: date) -> list[AreaSummary]:
        """The areas on one day."""
        queries, scope = self.page.site.queries, self.scope
        if not self.large:
            every = self._known(("areas", day), day, partial(queries.areas, day))
            return [each for each in every if scope is None or each.id in scope]
        with queries.reading() as connection:
            return area_days.areas_of(connection, day, scope, missing=False)

    def so_far(self, day: date) -> tuple[Rate, datetime | None]:
        """The read rate of a day, and when it was computed if it is kept; None for that of this moment."""
        if not self.large:
            return Rate.of(self.areas(day)), None
        with self.page.site.queries.reading() as connection:
            found = area_days.sums(connection, day, day, self.scope).get(day)
        if found is None:
            return Rate.of(()), None
        return Rate(found.expected, found.got, Decimal(0), Decimal(0), 0, 0), found.at

    def load(self, day: date) -> Load:
        """The load of one day."""
        scope = self.scope

        def compute() -> Load:
            with self.page.site.queries.reading() as connection:
                return overview.load_of_day(connection, Days(self.page.site.zone), day, scope)

        return self._known(("load", day, scope), day, compute)

    def silent(self) -> tuple[list[SilentMeter], int] | None:
        """The meters that are silent, the longest silent first, and how many; None before that is known."""
        scope, site = self.scope, self.page.site

        def compute() -> tuple[list[SilentMeter], int]:
            since = site.clock.now() - overview.SILENT_AFTER
            with site.queries.reading() as connection:
                return overview.silent_meters(
                    connection, Days(site.zone), since, scope, SILENT_SHOWN
                )

        if not self.large:
            return self._known(("silent", scope), site.today(), compute)
        with site.queries.reading() as connection:
            found = area_days.silence_of(connection, scope, SILENT_SHOWN)
            if found is None:
                return None
            return overview.silent_lines(connection, found.longest, scope), found.count

    def rate(self, days: Sequence[date]) -> Rate:
        """The read rate of some days that are over: of a small fleet from the ledger, else from the readings."""
        scope = self.scope
        span = (min(days), max(days))
        if self.large:
            with self.page.site.queries.reading() as connection:
                sums = area_days.sums(connection, *span, scope).values()
            whole = (sum(each.expected for each in sums), sum(each.got for each in sums))
            return Rate(*whole, Decimal(0), Decimal(0), 0, 0)

        def compute() -> tuple[tuple[Cell | None, ...], date | None]:
            zone = Days(self.page.site.zone)
            with self.page.site.queries.reading() as connection:
                found = calendar(connection, zone, By.AREA, span, scope)
                return found.total.cells, overview.owed_since(connection, zone, scope)

        key = ("rate", days[0], len(days), scope)
        cells, since = self._known(key, days[0], compute)
        known = dict(zip(sorted(days), cells, strict=False))
        expected = got = 0
        for day in days:
            if since is not None and day < since:
                continue
            cell = known.get(day) or Rate.of(self.areas(day))
            expected, got = expected + cell.expected, got + cell.got
        return Rate(expected, got, Decimal(0), Decimal(0), 0, 0)

    def _known(self, key: tuple[object, ...], day: date, compute: Callable[[], T]) -> T:
        seconds = TODAY_KEPT_S if day == self.page.site.today() else PAST_KEPT_S
        return self.kept.get(key, seconds, compute)


def _figures(page: Page, kept: Kept) -> _Figures:
    return _Figures(page, kept, large=_meters(page, kept) > area_days.METERS_AT_ONCE)


def _meters(page: Page, kept: Kept) -> int:
    """How many meters there are."""

    def count() -> int:
        with page.site.queries.reading() as connection:
            query = select(func.count()).select_from(schema.meter)
            return int(connection.execute(query).scalar_one())

    return kept.get("meters", PAST_KEPT_S, count)


def _lists(page: Page, silent: tuple[list[SilentMeter], int]) -> dict[str, Any]:
    """What is shown as short lists."""
    scope = None if page.scope is None else frozenset(page.scope)
    with page.site.queries.reading() as connection:
        wanted = AlarmsWanted(areas=scope, open_only=True, limit=ALARMS_SHOWN)
        alarms, open_count = alarm_rows.alarms(connection, wanted)
        terminals, online = fleet.connected(connection, scope)
        orders = overview.newest_orders(connection, scope, ORDERS_SHOWN)
    return {
        "silent": silent[0],
        "silent_count": silent[1],
        "alarms": [AlarmLine.of(each, page.t) for each in alarms],
        "alarms_count": open_count,
        "online": online,
        "terminals": terminals,
        "orders": orders,
    }


def _worst_read(areas: Sequence[AreaSummary]) -> list[tuple[AreaSummary, float, Sign]]:
    """Areas with the lowest read rates; none whose rate is good."""
    rated = [(each, each.read_rate) for each in areas if each.read_rate is not None]
    bad = [(each, rate * 100, rate_sign(rate)) for each, rate in rated]
    bad = [row for row in bad if row[2] is not Sign.GOOD]
    return sorted(bad, key=lambda row: (row[1], row[0].code))[:WORST_SHOWN]


def _worst_loss(areas: Sequence[AreaSummary]) -> list[tuple[AreaSummary, Decimal, Sign]]:
    """Areas with a loss that is negative or too high, the farthest away first."""
    known = [(each, each.loss_percent) for each in areas if each.loss_percent is not None]
    bad = [(each, loss, loss_sign(loss)) for each, loss in known]
    bad = [row for row in bad if row[2] is not Sign.GOOD]
    return sorted(bad, key=lambda row: (-abs(row[1]), row[0].code))[:WORST_SHOWN]


ROUTES = (dashboard_page, load_chart)
