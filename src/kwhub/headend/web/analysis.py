"""Line loss of all areas over a day or a month: supply, sold, loss and rate, and beside them the read rate."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from litestar.response import Template

from kwhub.headend.analysis.loss import Loss
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store.days import Days
from kwhub.headend.store.fleet import Branch, branches
from kwhub.headend.store.spans import MeterSpan, Spans, loss_of
from kwhub.headend.validation.completeness import By, calendar
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import known_day
from kwhub.headend.web.sheets import table_file
from kwhub.headend.web.shown import Sign, loss_sign, rate_sign
from kwhub.headend.web.tables import ROWS_PER_PAGE, Head, Listing, PageNumber

__all__ = [
    "COLUMNS",
    "ROUTES",
    "SORTS",
    "LossAsked",
    "LossLine",
    "Span",
    "loss_asked",
    "loss_file",
    "loss_page",
    "rates_of",
    "span_of",
]

COLUMNS = (
    *("code", "name", "first_day", "last_day", "meters", "supply_kwh", "sold_kwh", "loss_kwh"),
    *("loss_percent", "read_rate_percent", "missing"),
)
"""Columns of the file; their names never change."""

SORTS = ("name", "meters", "supply", "sold", "loss", "percent", "rate", "missing")

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A day, or the days of a month that are over.

    Attributes:
        kind: day or month.
        first: first day.
        last: last day, inclusive.
        until: the last day that may be chosen.
    """

    kind: str
    first: date
    last: date
    until: date

    @property
    def title(self) -> str:
        """The span in digits."""
        return f"{self.first}" if self.first == self.last else f"{self.first} – {self.last}"

    @property
    def parameters(self) -> dict[str, object]:
        """The span as it stands in addresses."""
        return {"span": self.kind, "day": self.last}

    @property
    def previous(self) -> str:
        """Query of the span before."""
        return query(span=self.kind, day=self.first - _ONE_DAY)

    @property
    def next(self) -> str:
        """Query of the span after; empty when that has not come."""
        if self.last >= self.until:
            return ""
        days = 1 if self.kind == "day" else monthrange(*_month(self.last + _ONE_DAY))[1]
        return query(span=self.kind, day=min(self.until, self.last + days * _ONE_DAY))


def span_of(page: Page, kind: str, day: str) -> Span:
    """The span that an address asks for; a day unless it says month, the newest unless it says which."""
    until = page.site.today() - _ONE_DAY
    last = min(known_day(page, day, until), until)
    if kind != "month":
        return Span("day", last, last, until)
    end = last.replace(day=monthrange(last.year, last.month)[1])
    return Span("month", last.replace(day=1), min(end, until), until)


@dataclass(frozen=True, slots=True)
class LossAsked:
    """Which losses the address of the page asks for."""

    span: Span
    sort: str
    descending: bool
    page: int


def loss_asked(
    page: NamedDependency[Page],
    span: FromQuery[str] = "",
    day: FromQuery[str] = "",
    sort: FromQuery[str] = "percent",
    desc: FromQuery[str] = "",
    number: PageNumber = 1,
) -> LossAsked:
    """What the list is asked for; the largest loss first unless it says otherwise."""
    untouched = "sort" not in page.request.query_params
    chosen = sort if sort in SORTS else "percent"
    return LossAsked(span_of(page, span, day), chosen, desc == "1" or untouched, number)


ASKED = {"asked": Provide(loss_asked, sync_to_thread=False)}


@dataclass(frozen=True, slots=True)
class LossLine:
    """An area with its figures."""

    area: Branch
    loss: Loss
    meters: int
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

    def key(self, sort: str) -> Decimal | float | str | None:
        """What it is sorted by; None comes last in either order."""
        keys: dict[str, Decimal | float | str | None] = {
            "name": self.area.code,
            "meters": float(self.meters),
            "supply": self.loss.supply_kwh,
            "sold": self.loss.sold_kwh,
            "loss": self.loss.loss_kwh,
            "percent": self.loss.loss_percent,
            "rate": self.rate,
            "missing": float(len(self.loss.missing)),
        }
        return keys[sort]


@get("/loss", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def loss_page(page: NamedDependency[Page], asked: NamedDependency[LossAsked]) -> Template:
    """Every area over the span, ranked; only the table when that is what changes."""
    lines = _lines(page, asked)
    offset = (asked.page - 1) * ROWS_PER_PAGE
    heads = [
        Head(name, numeric=name != "name", sortable=True, falling_first=True) for name in SORTS
    ]
    listed = Listing(
        path="/loss",
        heads=heads,
        asked=asked.span.parameters,
        rows=lines[offset : offset + ROWS_PER_PAGE],
        total=len(lines),
        page=asked.page,
        sort=asked.sort,
        descending=asked.descending,
    )
    template = "analysis_table.html" if page.swaps == "losses" else "analysis.html"
    return page.show(template, {"listed": listed, "span": asked.span, "today": asked.span.until})


@get(["/loss.csv", "/loss.xlsx"], opt=needs(Right.SEE), dependencies=ASKED)
async def loss_file(
    page: NamedDependency[Page], asked: NamedDependency[LossAsked]
) -> Response[str] | Response[bytes]:
    """The list as a file."""

    def made() -> Response[str] | Response[bytes]:
        span = asked.span
        rows = (
            (
                *(each.area.code, page.t.either(each.area.name, each.area.name_zh)),
                *(span.first, span.last, each.meters, each.loss.supply_kwh, each.loss.sold_kwh),
                *(each.loss.loss_kwh, each.loss.loss_percent),
                None if each.rate is None else round(each.rate * 100, 4),
                len(each.loss.missing),
            )
            for each in _lines(page, asked)
        )
        return table_file(page.request, f"loss-{span.first}-{span.last}", COLUMNS, rows)

    return await page.site.people.offload(made)


def rates_of(page: Page, first: date, last: date) -> dict[int, float | None]:
    """Read rate of every area over a span, from the ledger."""
    with page.site.queries.reading() as connection:
        found = calendar(connection, Days(page.site.zone), By.AREA, (first, last), page.scope)
    return {int(line.key[0]): line.whole.rate for line in found.lines}


def _lines(page: Page, asked: LossAsked) -> list[LossLine]:
    span = asked.span
    with page.site.queries.reading() as connection:
        areas = branches(connection, page.scope)
        spans = Spans(
            connection, Days(page.site.zone), (span.first, span.last + _ONE_DAY), page.scope
        )
        energies = spans.energies(span.first, span.last)
    own: dict[int, list[MeterSpan]] = {}
    for each in energies:
        own.setdefault(each.meter.area_id, []).append(each)
    rates = rates_of(page, span.first, span.last)
    lines = [
        LossLine(area, loss_of(own.get(area.id, [])), len(own.get(area.id, [])), rates.get(area.id))
        for area in areas
    ]
    return _sorted(lines, asked)


def _sorted(lines: Sequence[LossLine], asked: LossAsked) -> list[LossLine]:
    known = [each for each in lines if each.key(asked.sort) is not None]
    known.sort(key=lambda each: (each.key(asked.sort), each.area.code), reverse=asked.descending)
    return known + [each for each in lines if each.key(asked.sort) is None]


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


ROUTES = (loss_page, loss_file)
