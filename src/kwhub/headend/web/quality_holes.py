"""Missing values: the list with cause, tries and next try, as a page and as files, and asking again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from litestar import Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery
from litestar.response import Redirect, Template
from sqlalchemy import ColumnElement

from kwhub.domain.errors import LocalError
from kwhub.domain.readings import Register
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import schema, schema_quality
from kwhub.headend.validation.ledger import Cause, Hole, State
from kwhub.headend.validation.meter_days import HoleKey
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.problems import declined
from kwhub.headend.web.quality import SPANS
from kwhub.headend.web.quality_forms import (
    form_of,
    known_day,
    register_name,
    series_name,
    whole_number,
)
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import (
    ROWS_PER_PAGE,
    Head,
    Listing,
    PageNumber,
    StateName,
    offset_of,
    rows_of_file,
)

__all__ = [
    "HEADS",
    "HOLE_COLUMNS",
    "ROUTES",
    "HoleLine",
    "HolesAsked",
    "holes_asked",
    "holes_file",
    "holes_page",
    "reopen_hole",
]

HOLE_COLUMNS = (
    *("day", "meter", "area", "terminal_id", "register", "interval_s", "expected", "got"),
    *("cause", "state", "tries", "next_at", "closed_at", "detail"),
)
"""Columns of the files; their names never change."""

HEADS = (
    Head("day"),
    Head("meter"),
    Head("register"),
    Head("series"),
    Head("got", numeric=True),
    Head("cause"),
    Head("state"),
    Head("tries", numeric=True),
    Head("next_at"),
    Head("detail"),
)


@dataclass(frozen=True, slots=True)
class HolesAsked:
    """Which holes the address of the page asks for."""

    first: date
    last: date
    area: int | None
    terminal: int | None
    port: int | None
    meter: int | None
    maker: str
    cause: str
    state: str
    page: int

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        names = ("first", "last", "area", "terminal", "port", "meter", "maker", "cause", "state")
        return {name: getattr(self, name) for name in names}

    def find(self, page: Page, limit: int, offset: int) -> tuple[list[Hole], int]:
        """A page of them, and how many there are."""
        states = [State(self.state)] if self.state != "all" else list(State)
        return page.site.ledger.holes(
            self.first,
            self.last,
            states=states,
            meter_id=self.meter,
            areas=page.areas(self.area),
            also=self._also(),
            limit=limit,
            offset=offset,
        )

    def _also(self) -> list[ColumnElement[bool]]:
        meter = schema.meter
        found: list[ColumnElement[bool]] = []
        if self.terminal is not None:
            found.append(meter.c.terminal_id == self.terminal)
        if self.port is not None:
            found.append(meter.c.port == self.port)
        if self.maker:
            found.append(meter.c.maker == ("" if self.maker == "-" else self.maker))
        if self.cause:
            found.append(schema_quality.hole.c.cause == self.cause)
        return found


@dataclass(frozen=True, slots=True)
class HoleLine:
    """A hole in words."""

    hole: Hole
    register: str
    series: str
    cause: str

    @classmethod
    def of(cls, page: Page, hole: Hole) -> "HoleLine":
        """With its words; a cause that nobody knows stays as the concentrator named it."""
        t, key = page.t, hole.key
        known = f"completeness.cause_{hole.cause}"
        cause = t(known) if known in t.table else hole.cause
        return cls(hole, register_name(t, key.register), series_name(t, key.interval_s), cause)


def holes_asked(  # noqa: PLR0913, PLR0917  each is one parameter of the request
    page: NamedDependency[Page],
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
    area: FromQuery[str] = "",
    terminal: FromQuery[str] = "",
    port: FromQuery[str] = "",
    meter: FromQuery[str] = "",
    maker: FromQuery[str] = "",
    cause: FromQuery[str] = "",
    shown: StateName = "open",
    number: PageNumber = 1,
) -> HolesAsked:
    """What a list of holes is asked for; what makes no sense is left out."""
    today = page.site.today()
    until = known_day(page, last, today)
    return HolesAsked(
        known_day(page, first, until - timedelta(days=SPANS[-1])),
        until,
        row_number(area),
        row_number(terminal),
        row_number(port),
        row_number(meter),
        maker[:100],
        cause[:24],
        shown if shown in {"all", *(each.value for each in State)} else "open",
        number,
    )


ASKED = {"asked": Provide(holes_asked, sync_to_thread=False)}


@get("/completeness/holes", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def holes_page(page: NamedDependency[Page], asked: NamedDependency[HolesAsked]) -> Template:
    """What is missing, why, how often it was asked for, and when it is asked for again."""
    return _holes(page, asked)


@get(
    ["/completeness/holes.csv", "/completeness/holes.xlsx"],
    opt=needs(Right.SEE),
    dependencies=ASKED,
)
async def holes_file(
    page: NamedDependency[Page], asked: NamedDependency[HolesAsked]
) -> Response[str] | Response[bytes]:
    """Every hole of the list as a file."""
    file = partial(table_file, page.request, "holes", HOLE_COLUMNS, _rows(page, asked))
    return await page.site.people.offload(file)


@post("/completeness/holes/reopen", status_code=200, opt=needs(Right.ORDER))
async def reopen_hole(page: NamedDependency[Page]) -> Redirect | Template:
    """Ask for a hole again that was given up."""
    form = await form_of(page)
    meter_id, back = whole_number(form, "meter"), form.get("back", "")

    def work() -> Redirect | Template:
        if not page.caller.sees_area(page.site.meter(meter_id).area_id, Right.ORDER):
            raise NotFoundException(f"meter {meter_id}")
        try:
            day = date.fromisoformat(form.get("day", ""))
            register = Register(form.get("register", ""))
        except ValueError:
            raise NotFoundException("hole") from None
        key = HoleKey(meter_id, day, register, whole_number(form, "interval"))
        try:
            page.site.ledger.reopen(key, by=page.who)
        except LocalError as error:
            return declined(page, str(error), "/completeness/holes")
        path = back if back.startswith("/completeness/holes?") else "/completeness/holes"
        return Redirect(path, status_code=303)

    return await page.site.people.offload(work)


def _holes(page: Page, asked: HolesAsked) -> Template:
    found, total = asked.find(page, ROWS_PER_PAGE, offset_of(asked))
    lines = [HoleLine.of(page, each) for each in found]
    listed = Listing.of("/completeness/holes", HEADS, asked, lines, total)
    context: dict[str, object] = {
        "listed": listed,
        "may_reopen": Right.ORDER in page.rights,
    }
    if page.swaps == "holes":
        return page.show("quality_holes_table.html", context)
    choices = {
        "asked": asked,
        "areas": areas_to_choose(page),
        "causes": [each.value for each in Cause],
        "states": [each.value for each in State],
        "today": page.site.today(),
        "tab": "holes",
    }
    return page.show("quality_holes.html", {**context, **choices})


def _rows(page: Page, asked: HolesAsked) -> Iterator[Sequence[object]]:
    zone = page.site.zone
    return rows_of_file(
        partial(asked.find, page),
        lambda one: (
            *(one.key.day, one.address, one.area_id, one.terminal_id, str(one.key.register)),
            *(one.key.interval_s, one.expected, one.got, one.cause, one.state.value),
            *(one.tries, local(one.next_at, zone), local(one.closed_at, zone)),
            one.detail,
        ),
    )


ROUTES = (holes_page, holes_file, reopen_hole)
