"""Findings of validation: the list, and one of them with its curve and what a person may do about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import MappingProxyType

from litestar import Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import DAY_INTERVAL_S, Register
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.estimate import Method
from kwhub.headend.quality.rules import RULES, RuleName, Severity
from kwhub.headend.store.schema import day_number, to_micro
from kwhub.headend.validation.findings import Filter, Finding, State
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_around import Around, decimal_of, moment_of, values_around
from kwhub.headend.web.quality_forms import form_of, known_day, whole_number
from kwhub.headend.web.quality_lines import FindingLine, finding_href
from kwhub.headend.web.refusals import told
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
    "COLUMNS",
    "ROUTES",
    "STEPS",
    "FindingsAsked",
    "finding_page",
    "findings_asked",
    "findings_file",
    "findings_page",
    "work_on_finding",
]

COLUMNS = (
    *("day", "meter", "area_id", "register", "interval_s", "rule", "severity", "places"),
    *("evidence", "state", "found_at", "decided_at", "decided_by", "note"),
)
"""Columns of the file; their names never change."""

HEADS = (
    Head("day"),
    Head("meter"),
    Head("rule"),
    Head("severity"),
    Head("register"),
    Head("evidence"),
    Head("state"),
)
LOOK_BACK = timedelta(days=31)
FOUND_MAX = 2_000
"""Findings of one meter, day and rule, at most."""


@dataclass(frozen=True, slots=True)
class FindingsAsked:
    """Which findings the address of the page asks for."""

    first: date
    last: date
    rule: str
    severity: str
    state: str
    area: int | None
    meter: int | None
    page: int

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        names = ("first", "last", "rule", "severity", "state", "area", "meter")
        return {name: getattr(self, name) for name in names}

    def wanted(self, page: Page) -> Filter:
        """The same for the desk."""
        return Filter(
            self.first,
            self.last,
            states=list(State) if self.state == "all" else (State(self.state),),
            rules=(RuleName(self.rule),) if self.rule else (),
            meter_id=self.meter,
            areas=page.areas(self.area),
            severities=(Severity(self.severity),) if self.severity else (),
        )


def findings_asked(  # noqa: PLR0913, PLR0917  each is one parameter of the request
    page: NamedDependency[Page],
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
    rule: FromQuery[str] = "",
    severity: FromQuery[str] = "",
    area: FromQuery[str] = "",
    meter: FromQuery[str] = "",
    shown: StateName = "open",
    number: PageNumber = 1,
) -> FindingsAsked:
    """What a list of findings is asked for; what makes no sense is left out."""
    until = known_day(page, last, page.site.today())
    return FindingsAsked(
        known_day(page, first, until - LOOK_BACK),
        until,
        rule if rule in {each.value for each in RuleName} else "",
        severity if severity in {each.value for each in Severity} else "",
        shown if shown in {"all", *(each.value for each in State)} else "open",
        row_number(area),
        row_number(meter),
        number,
    )


ASKED = {"asked": Provide(findings_asked, sync_to_thread=False)}


@get("/completeness/findings", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def findings_page(page: NamedDependency[Page], asked: NamedDependency[FindingsAsked]) -> Template:
    """What the rules found, the newest day and the heaviest first."""
    found, total = _find(page, asked, ROWS_PER_PAGE, offset_of(asked))
    lines = [FindingLine.of(page, each) for each in found]
    listed = Listing.of("/completeness/findings", HEADS, asked, lines, total)
    if page.swaps == "findings":
        return page.show("quality_findings_table.html", {"listed": listed})
    context = {
        "listed": listed,
        "asked": asked,
        "areas": areas_to_choose(page),
        "rules": [
            (name.value, page.t.either(rule.title_en, rule.title_zh))
            for name, rule in RULES.items()
        ],
        "severities": [each.value for each in Severity],
        "states": [each.value for each in State],
        "today": page.site.today(),
        "tab": "findings",
    }
    return page.show("quality_findings.html", context)


@get(
    ["/completeness/findings.csv", "/completeness/findings.xlsx"],
    opt=needs(Right.SEE),
    dependencies=ASKED,
)
async def findings_file(
    page: NamedDependency[Page], asked: NamedDependency[FindingsAsked]
) -> Response[str] | Response[bytes]:
    """Every finding of the list as a file."""
    file = partial(table_file, page.request, "findings", COLUMNS, _rows(page, asked))
    return await page.site.people.offload(file)


@get(
    "/completeness/findings/{meter_id:int}/{day:date}/{rule:str}",
    sync_to_thread=True,
    opt=needs(Right.SEE),
)
def finding_page(  # noqa: PLR0913, PLR0917  the names of a finding
    page: NamedDependency[Page],
    meter_id: FromPath[int],
    day: FromPath[date],
    rule: FromPath[str],
    register: FromQuery[str] = "",
    interval: FromQuery[int] = 0,
    method: FromQuery[str] = "",
) -> Template:
    """One finding: evidence, curve, and the forms; with a method, what it would fill in."""
    return _shown(page, _found(page, (meter_id, day, rule, register, interval)), method)


def _decide(page: Page, form: dict[str, str], one: Finding) -> None:
    """Accept a finding with a note, or open it again."""
    key = (one.meter_id, day_number(one.day), one.register, one.interval_s, one.rule.value)
    desk = page.site.quality
    if form.get("accept") == "1":
        desk.accept(key, by=page.who, note=form.get("note", ""))
    else:
        desk.reopen(key, by=page.who)


def _edit(page: Page, form: dict[str, str], one: Finding) -> None:
    """Put a person's values beside the measurement."""
    values = {
        moment_of(name): to_micro(decimal_of(text))
        for name, text in form.items()
        if name.startswith("at-") and text
    }
    series = (Register(one.register), one.interval_s)
    reason = form.get("reason", "")
    page.site.quality.edit(one.meter_id, series, values, by=page.who, reason=reason)


def _estimate(page: Page, form: dict[str, str], one: Finding) -> None:
    """Fill the holes of the day between known values."""
    method, reason = form.get("method", ""), form.get("reason", "")
    if method not in {each.value for each in Method}:
        raise NotFoundException(f"method {method}")
    series, span = (Register(one.register), one.interval_s), (one.day, one.day)
    page.site.quality.estimate(
        one.meter_id, series, span, Method(method), by=page.who, reason=reason
    )


def _withdraw(page: Page, form: dict[str, str], one: Finding) -> None:
    """Take a set of edits of the meter back."""
    number = whole_number(form, "set")
    if number not in {each.id for each in page.site.quality.edit_sets(one.meter_id)}:
        raise NotFoundException(f"edits {number}")
    page.site.quality.withdraw(number, by=page.who)


STEPS: Mapping[str, Callable[[Page, dict[str, str], Finding], None]] = MappingProxyType(
    {"decide": _decide, "edit": _edit, "estimate": _estimate, "withdraw": _withdraw}
)
"""What a person may do about a finding, by the last word of the address."""


@post(
    [f"/completeness/findings/{{meter_id:int}}/{{day:date}}/{{rule:str}}/{step}" for step in STEPS],
    status_code=200,
    opt=needs(Right.QUALITY),
)
async def work_on_finding(
    page: NamedDependency[Page], meter_id: FromPath[int], day: FromPath[date], rule: FromPath[str]
) -> Redirect | Template:
    """Do something about a finding and show it again, with the reason when it was refused."""
    form = await form_of(page)
    step = STEPS[page.request.url.path.rpartition("/")[2]]

    def carried_out() -> Redirect | Template:
        name = (meter_id, day, rule, form.get("register", ""), whole_number(form, "interval"))
        one = _found(page, name)
        try:
            step(page, form, one)
        except KwhubError as error:
            return _shown(page, one, form.get("method", ""), wrong=told(page.t, error))
        return Redirect(finding_href(one), status_code=303)

    return await page.site.people.offload(carried_out)


def _found(page: Page, name: tuple[int, date, str, str, int]) -> Finding:
    """The finding that an address names, in whatever state. Raises NotFoundException."""
    meter_id, day, rule, register, interval_s = name
    if rule not in {each.value for each in RuleName}:
        raise NotFoundException(f"finding {rule}")
    page.site.meter(meter_id)
    day = page.site.day(day)
    wanted = Filter(
        day, day, states=list(State), rules=(RuleName(rule),), meter_id=meter_id, areas=page.scope
    )
    for one in page.site.quality.findings(wanted, limit=FOUND_MAX)[0]:
        if (one.register, one.interval_s) == (register, interval_s):
            return one
    raise NotFoundException(f"finding {rule}")


def _shown(page: Page, one: Finding, method: str, *, wrong: str = "") -> Template:
    around = Around.of(one, method)
    values, previewed, refused = values_around(page, around)
    may = page.caller.sees_area(one.area_id, Right.QUALITY)
    methods = ("scalar_from_interval", "interpolation") if one.interval_s == DAY_INTERVAL_S else ()
    context: dict[str, object] = {
        "line": FindingLine.of(page, one),
        "around": around,
        "values": values,
        "previewed": previewed,
        "method": around.method,
        "methods": methods or ("interpolation", "proxy_day", "profile", "adjust_from_scalar"),
        "sets": page.site.quality.edit_sets(one.meter_id),
        "wrong": wrong or refused,
        "may": may,
        "place": f"/completeness/findings/{one.meter_id}/{one.day}/{one.rule.value}",
        "begins": None if not one.first_s else datetime.fromtimestamp(one.first_s, UTC),
        "tab": "findings",
    }
    return page.show("quality_finding.html", context, status_code=400 if wrong else 200)


def _find(page: Page, asked: FindingsAsked, limit: int, offset: int) -> tuple[list[Finding], int]:
    return page.site.quality.findings(asked.wanted(page), limit=limit, offset=offset)


def _rows(page: Page, asked: FindingsAsked) -> Iterator[Sequence[object]]:
    zone = page.site.zone
    return rows_of_file(
        partial(_find, page, asked),
        lambda one: (
            *(one.day, one.address, one.area_id, one.register, one.interval_s),
            *(one.rule.value, one.severity.value, one.count, one.told(page.t.code)),
            *(one.state.value, local(one.found_at, zone), local(one.decided_at, zone)),
            *(one.decided_by, one.note),
        ),
    )


ROUTES = (
    findings_page,
    findings_file,
    finding_page,
    work_on_finding,
)
