"""Pages of the terminals: all of them, one of them, its frames under the microscope, its support bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from sqlalchemy import Connection

from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.store import alarm_rows, fleet, terminal_rows
from kwhub.headend.store.alarm_rows import AlarmsWanted
from kwhub.headend.store.fleet import TERMINAL_SORTS, FleetTerminal, Wanted
from kwhub.headend.web.bundle import bundle
from kwhub.headend.web.events import AlarmLine
from kwhub.headend.web.fleet import areas_to_choose, row_number
from kwhub.headend.web.frames import frame_parts
from kwhub.headend.web.microscope import (
    FRAMES_SHOWN,
    FrameLine,
    FramesAsked,
    afns_of,
    chosen,
    cut,
    inner,
)
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.sheets import local, table_file
from kwhub.headend.web.tables import (
    ROWS_PER_PAGE,
    Head,
    Listing,
    PageNumber,
    Search,
    StateName,
    offset_of,
    rows_of_file,
)

__all__ = [
    "COLUMNS",
    "ROUTES",
    "TerminalsAsked",
    "frame_part",
    "frames_asked",
    "support_bundle",
    "terminal_page",
    "terminals_asked",
    "terminals_file",
    "terminals_page",
]

COLUMNS = ("terminal", "name", "area_code", "area", "state", "last_seen_at", "meters")
"""Columns of the file; their names never change."""

HEADS = (
    Head("terminal", sortable=True),
    Head("name", sortable=True),
    Head("area", sortable=True),
    Head("state"),
    Head("last_seen", sortable=True, falling_first=True),
    Head("meters", numeric=True),
)
SESSIONS_SHOWN = 12
ALARMS_SHOWN = 8
STRANGERS_SHOWN = 20
_STATES = {"online": True, "offline": False}


@dataclass(frozen=True, slots=True)
class TerminalsAsked:
    """Which terminals the address of the page asks for."""

    search: str
    area: int | None
    state: str  #: online, offline or empty for both
    sort: str
    descending: bool
    page: int

    @property
    def parameters(self) -> dict[str, object]:
        """The filter as it stands in addresses."""
        return {"search": self.search, "area": self.area, "state": self.state}

    def wanted(self, page: Page, limit: int, offset: int) -> Wanted:
        """The same for the store."""
        return Wanted(
            search=self.search,
            areas=page.scope,
            area_id=self.area,
            online=_STATES.get(self.state),
            sort=self.sort,
            descending=self.descending,
            limit=limit,
            offset=offset,
        )


def terminals_asked(
    search: Search = "",
    area: FromQuery[str] = "",
    shown: StateName = "",
    sort: FromQuery[str] = "terminal",
    desc: FromQuery[str] = "",
    number: PageNumber = 1,
) -> TerminalsAsked:
    """What a list of terminals is asked for; what makes no sense is left out."""
    return TerminalsAsked(
        search.strip(),
        row_number(area),
        shown if shown in _STATES else "",
        sort if sort in TERMINAL_SORTS else "terminal",
        desc == "1",
        number,
    )


def frames_asked(
    afn: FromQuery[str] = "",
    direction: FromQuery[str] = "",
    point: FromQuery[str] = "",
    text: Search = "",
) -> FramesAsked:
    """Which frames a page is asked for; what makes no sense is left out."""
    return FramesAsked(
        afn.upper()[:2],
        direction if direction in {"up", "down"} else "",
        row_number(point),
        text.strip(),
    )


ASKED = {"asked": Provide(terminals_asked, sync_to_thread=False)}
FRAMES = {"asked": Provide(frames_asked, sync_to_thread=False)}


@get("/terminals", sync_to_thread=True, opt=needs(Right.SEE), dependencies=ASKED)
def terminals_page(page: NamedDependency[Page], asked: NamedDependency[TerminalsAsked]) -> Template:
    """One page of all terminals; only the table when that is what changes."""
    found, total = _find(page, asked, ROWS_PER_PAGE, offset_of(asked))
    listed = Listing.of("/terminals", HEADS, asked, found, total)
    context = {"listed": listed, "asked": asked}
    if page.swaps == "terminals":
        return page.show("terminals_table.html", context)
    with page.site.queries.reading() as connection:
        strangers = _strangers(page, connection)
    more = {"areas": areas_to_choose(page), "strangers": strangers}
    return page.show("terminals.html", {**context, **more})


@get(
    ["/terminals.csv", "/terminals.xlsx"],
    opt=needs(Right.SEE),
    dependencies=ASKED,
)
async def terminals_file(
    page: NamedDependency[Page], asked: NamedDependency[TerminalsAsked]
) -> Response[str] | Response[bytes]:
    """Every terminal of the list as a file."""
    file = partial(table_file, page.request, "terminals", COLUMNS, _rows(page, asked))
    return await page.site.people.offload(file)


@get("/terminals/{terminal_id:int}", sync_to_thread=True, opt=needs(Right.SEE), dependencies=FRAMES)
def terminal_page(
    page: NamedDependency[Page], asked: NamedDependency[FramesAsked], terminal_id: FromPath[int]
) -> Template:
    """One terminal; only its state or only its frames when that is what changes."""
    if page.swaps == "frames":
        return page.show("frames.html", _frames(page, _terminal(page, terminal_id), asked))
    with page.site.queries.reading() as connection:
        terminal = _known(connection, terminal_id)
        alarms, _ = alarm_rows.alarms(
            connection, AlarmsWanted(terminal_id=terminal_id, limit=ALARMS_SHOWN)
        )
        context = {
            "terminal": terminal,
            "sessions": terminal_rows.sessions_of(connection, terminal_id, SESSIONS_SHOWN),
            "unknown": terminal_rows.unknown_of(connection, terminal_id),
            "unplaced": terminal_rows.unplaced_of(connection, terminal_id),
            "alarms": [AlarmLine.of(each, page.t) for each in alarms],
        }
    if page.swaps == "terminal-state":
        return page.show("terminal_state.html", context)
    return page.show("terminal.html", {**context, **_frames(page, terminal, asked)})


@get("/terminals/{terminal_id:int}/frames/{number:str}", sync_to_thread=True, opt=needs(Right.SEE))
def frame_part(
    page: NamedDependency[Page], terminal_id: FromPath[int], number: FromPath[str]
) -> Template:
    """One frame, each of its bytes beside its meaning."""
    for line in _lines(page, terminal_id):
        if line.number == number:
            profile = page.site.profile
            context = {
                "frame": frame_parts(line.raw, page.t, profile),
                "inner": frame_parts(inner(line, profile), page.t, profile),
            }
            return page.show("frame_inside.html", context)
    return page.show("frame_gone.html", {}, status_code=404)


@get("/terminals/{terminal_id:int}/support.zip", sync_to_thread=True, opt=needs(Right.SEE))
def support_bundle(page: NamedDependency[Page], terminal_id: FromPath[int]) -> Response[bytes]:
    """Everything that whoever helps with a terminal needs, in one file without secrets."""
    with page.site.queries.reading() as connection:
        terminal = _known(connection, terminal_id)
        told = {
            **asdict(terminal),
            "zone": page.site.zone.key,
            "now": page.site.now().isoformat(),
            "sessions": [
                asdict(each) for each in terminal_rows.sessions_of(connection, terminal_id, 200)
            ],
            "without_place": [
                {**asdict(each), "sample": each.sample.hex()}
                for each in terminal_rows.unknown_of(connection, terminal_id)
            ],
        }
    lines, everywhere = _lines(page, terminal_id), page.scope is None
    made = bundle(told, lines, page.site.config, page.t.code, settings=everywhere)
    name = f"support-{terminal.terminal}-{page.site.now():%Y%m%d-%H%M%S}.zip"
    return Response(
        made,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _strangers(page: Page, connection: Connection) -> list[object]:
    """Log-ins that were turned away; they belong to nobody, so only who sees everything sees them."""
    if page.scope is not None:
        return []
    return list(terminal_rows.strangers(connection, STRANGERS_SHOWN))


def _frames(page: Page, terminal: FleetTerminal, asked: FramesAsked) -> dict[str, object]:
    lines = _lines(page, terminal.id)
    found = chosen(lines, asked, page.t)
    return {
        "terminal": terminal,
        "asked": asked,
        "frames": found[:FRAMES_SHOWN],
        "frames_found": len(found),
        "frames_kept": len(lines),
        "afns": afns_of(lines, page.t),
        "frames_href": f"/terminals/{terminal.id}{query(**asked.parameters)}",
    }


def _lines(page: Page, terminal_id: int) -> list[FrameLine]:
    return cut(page.site.lookout.frames.pieces(terminal_id), page.site.profile)


def _terminal(page: Page, terminal_id: int) -> FleetTerminal:
    with page.site.queries.reading() as connection:
        return _known(connection, terminal_id)


def _known(connection: Connection, terminal_id: int) -> FleetTerminal:
    """One terminal; raises NotFoundException."""
    found = fleet.terminal(connection, terminal_id) if 0 < terminal_id <= NUMBER_MAX else None
    if found is None:
        raise NotFoundException(f"terminal {terminal_id}")
    return found


def _find(
    page: Page, asked: TerminalsAsked, limit: int, offset: int
) -> tuple[list[FleetTerminal], int]:
    with page.site.queries.reading() as connection:
        return fleet.terminals(connection, asked.wanted(page, limit, offset))


def _rows(page: Page, asked: TerminalsAsked) -> Iterator[Sequence[object]]:
    return rows_of_file(
        partial(_find, page, asked),
        lambda each: (
            *(each.terminal, each.name, each.area_code),
            page.t.either(each.area_name, each.area_name_zh),
            "online" if each.online else "offline",
            local(each.last_seen_at, page.site.zone),
            each.meters,
        ),
    )


ROUTES = (terminals_page, terminals_file, terminal_page, frame_part, support_bundle)
