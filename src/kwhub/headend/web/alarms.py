"""Alarms: the events of all terminals, filtered, downloaded, and noted by whoever looked after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from litestar import Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.people import trail
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import alarm_rows
from kwhub.headend.store.alarm_rows import ALARM_SORTS, NOTE_MAX, Alarm, AlarmsWanted
from kwhub.headend.web.events import AlarmLine, code_words
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.page import Page
from kwhub.headend.web.problems import declined
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.shown import day_bounds
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
    "AlarmsAsked",
    "acknowledge_alarm",
    "alarm_page",
    "alarms_asked",
    "alarms_file",
    "alarms_page",
    "day_asked",
]

COLUMNS = (
    *("began_at", "ended_at", "important", "code", "name", "area", "terminal", "point", "meter"),
    *("detail", "received_at", "acknowledged_at", "acknowledged_by", "note"),
)
"""Columns of the file; their names never change."""

HEADS = (
    Head("at", sortable=True, falling_first=True),
    Head("ended_at"),
    Head("important", sortable=True, falling_first=True),
    Head("code", sortable=True),
    Head("area", sortable=True),
    Head("terminal", sortable=True),
    Head("place"),
    Head("detail"),
    Head("state"),
)
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class AlarmsAsked:
    """Which alarms the address of the page asks for."""

    area: int | None
    terminal: int | None
    code: int | None
    weight: str  #: important, other or empty for both
    state: str  #: open or all
    first: date | None
    last: date | None
    sort: str
    descending: bool
    page: int

    def wanted(self, page: Page, limit: int, offset: int) -> AlarmsWanted:
        """The same for the store."""
        zone = page.site.zone
        since = day_bounds(self.first, self.first, zone)[0] if self.first else None
        until = day_bounds(self.last, self.last, zone)[1] if self.last else None
        return AlarmsWanted(
            areas=page.scope,
            area_id=self.area,
            terminal_id=self.terminal,
            code=self.code,
            important={"important": True, "other": False}.get(self.weight),
            open_only=self.state == "open",
            since=None if since is None else int(since.timestamp()),
            until=None if until is None else int(until.timestamp()),
            sort=self.sort,
            descending=self.descending,
            limit=limit,
            offset=offset,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        return {
            "area": self.area,
            "terminal": self.terminal,
            "code": self.code,
            "weight": self.weight,
            "state": self.state,
            "first": self.first,
            "last": self.last,
        }


def alarms_asked(  # noqa: PLR0913, PLR0917  each is one parameter of the request
    page: NamedDependency[Page],
    area: FromQuery[str] = "",
    terminal: FromQuery[str] = "",
    code: FromQuery[str] = "",
    weight: FromQuery[str] = "",
    shown: StateName = "open",
    first: FromQuery[str] = "",
    last: FromQuery[str] = "",
    sort: FromQuery[str] = "at",
    desc: FromQuery[str] = "",
    number: PageNumber = 1,
) -> AlarmsAsked:
    """What a list of alarms is asked for; what makes no sense is left out."""
    chosen = sort if sort in ALARM_SORTS else "at"
    untouched = "sort" not in page.request.query_params
    return AlarmsAsked(
        area=row_number(area),
        terminal=row_number(terminal),
        code=row_number(code),
        weight=weight if weight in {"important", "other"} else "",
        state="all" if shown == "all" else "open",
        first=day_asked(page, first),
        last=day_asked(page, last),
        sort=chosen,
        descending=desc == "1" or untouched,
        page=number,
    )


ASKED = {"asked": Provide(alarms_asked, sync_to_thread=False)}


def day_asked(page: Page, text: str) -> date | None:
    """A day of a field; None for an empty one and for one that is no day. Raises ValidationException."""
    try:
        return page.site.day(date.fromisoformat(text)) if text else None
    except ValueError:
        return None


@get("/alarms", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def alarms_page(page: NamedDependency[Page], asked: NamedDependency[AlarmsAsked]) -> Template:
    """One page of the alarms; only the table when that is what changes."""
    found, total = _find(page, asked, ROWS_PER_PAGE, offset_of(asked))
    lines = [AlarmLine.of(each, page.t) for each in found]
    listed = Listing.of("/alarms", HEADS, asked, lines, total)
    if page.swaps == "alarms":
        return page.show("alarms_table.html", {"listed": listed})
    with page.site.queries.reading() as connection:
        known = alarm_rows.codes(connection)
    context = {
        "listed": listed,
        "asked": asked,
        "areas": areas_to_choose(page),
        "codes": [(code, code_words(code, page.t)) for code in known],
        "today": page.site.today(),
    }
    return page.show("alarms.html", context)


@get(
    ["/alarms.csv", "/alarms.xlsx"],
    opt=needs(Right.SEE),
    dependencies=ASKED,
)
async def alarms_file(
    page: NamedDependency[Page], asked: NamedDependency[AlarmsAsked]
) -> Response[str] | Response[bytes]:
    """Every alarm of the list as a file."""
    file = partial(table_file, page.request, "alarms", COLUMNS, _rows(page, asked))
    return await page.site.people.offload(file)


@get("/alarms/{key:str}", sync_to_thread=True, opt=needs(Right.SEE))
def alarm_page(page: NamedDependency[Page], key: FromPath[str]) -> Template:
    """One alarm with everything that its record says, and the form to take note of it."""
    context = {"line": AlarmLine.of(_found(page, key), page.t)}
    return page.show("alarm.html", {**context, "may_note": Right.ORDER in page.rights})


@post("/alarms/{key:str}/note", status_code=200, opt=needs(Right.ORDER))
async def acknowledge_alarm(page: NamedDependency[Page], key: FromPath[str]) -> Redirect | Template:
    """Take note of an alarm; the row of the audit trail is written with it."""
    form = await page.request.form()
    note = str(form.get("note", "")).strip()
    found = await page.site.people.offload(partial(_found, page, key))
    if len(note) > NOTE_MAX:
        return declined(page, page.t("alarms.note_long", most=NOTE_MAX), f"/alarms/{key}")
    if found.noted_at is None:
        await page.site.people.offload(partial(_note, page, found, note))
        page.site.live.tell("events")
    return Redirect(f"/alarms/{key}", status_code=303)


def _note(page: Page, found: Alarm, note: str) -> None:
    now = page.site.clock.now()
    with page.site.store.database.write() as connection:
        alarm_rows.acknowledge(connection, found, who=page.who, note=note, at=now)
        detail = f"ERC{found.code} of {found.terminal} point {found.point}: {note}"
        trail.record(connection, page.who, "acknowledge", f"alarm {found.key}"[:200], detail, now)


def _found(page: Page, key: str) -> Alarm:
    """The alarm that an address names; raises NotFoundException."""
    number, _, digits = key.partition("-")
    terminal_id = row_number(number)
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        digest = b""
    if terminal_id is None or terminal_id > NUMBER_MAX or len(digest) != _DIGEST_BYTES:
        raise NotFoundException(f"alarm {key}")
    with page.site.queries.reading() as connection:
        found = alarm_rows.alarm(connection, terminal_id, digest)
    if found is None or (page.scope is not None and found.area_id not in page.scope):
        raise NotFoundException(f"alarm {key}")
    return found


def _find(page: Page, asked: AlarmsAsked, limit: int, offset: int) -> tuple[list[Alarm], int]:
    with page.site.queries.reading() as connection:
        return alarm_rows.alarms(connection, asked.wanted(page, limit, offset))


def _rows(page: Page, asked: AlarmsAsked) -> Iterator[Sequence[object]]:
    zone = page.site.zone

    def row(alarm: Alarm) -> Sequence[object]:
        line = AlarmLine.of(alarm, page.t)
        return (
            *(local(alarm.at, zone), local(alarm.ended_at, zone), int(alarm.important)),
            *(alarm.code, line.name, page.t.either(alarm.area_name, alarm.area_name_zh)),
            *(alarm.terminal, alarm.point, alarm.address, line.detail),
            *(local(alarm.received_at, zone), local(alarm.noted_at, zone)),
            *(alarm.noted_by, alarm.note),
        )

    return rows_of_file(partial(_find, page, asked), row)


ROUTES = (alarms_page, alarms_file, alarm_page, acknowledge_alarm)
