"""The archive over the API: rows of every kind, dated facts, exchanges, groups, imports and exports."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeAlias

from litestar import get, patch, post, put
from litestar.di import NamedDependency
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from kwhub.headend.api.archive_shapes import (
    PLURALS,
    AreaOfTerminal,
    Exchange,
    ExchangeDone,
    KindOf,
    Members,
    Move,
    Organisation,
    Place,
    Row,
    RowValues,
)
from kwhub.headend.api.once import once
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import NUMBER_MAX, SEARCH_MAX, Site
from kwhub.headend.archive import dated
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs

__all__ = [
    "ROUTES",
    "archive_kinds",
    "archive_row",
    "archive_rows",
    "change_row",
    "exchange_meter",
    "group_meters",
    "kind_named",
    "make_row",
    "meter_exchanges",
    "meter_places",
    "move_meter",
    "number_of",
    "organisation_tree",
    "refused",
    "retire_row",
    "set_group_meters",
    "terminal_areas",
    "withdraw_exchange",
]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]
Search: TypeAlias = Annotated[str, QueryParameter(max_length=SEARCH_MAX)]


def kind_named(plural: str) -> str:
    """The kind of rows of an address; raises NotFoundException."""
    if plural not in PLURALS:
        raise NotFoundException(f"no rows named {plural}; known are {', '.join(PLURALS)}")
    return PLURALS[plural]


def number_of(asked: int) -> int:
    """The number of a row; raises NotFoundException for one that no row can have."""
    if not 0 < asked <= NUMBER_MAX:
        raise NotFoundException(f"number {asked}")
    return asked


def refused(error: ArchiveError) -> HTTPException:
    """What a program is told: 404 when the row itself is not there, else 422 with every reason."""
    if all(each.key == "unknown" and not each.column for each in error.problems):
        return NotFoundException(str(error))
    return ClientException(str(error), status_code=422)


@get("/archive/kinds", sync_to_thread=False, opt=needs(Right.SEE))
def archive_kinds() -> list[KindOf]:
    """Every kind of rows with its fields: what a form or a file has."""
    return [KindOf.of(plural, KINDS[name]) for plural, name in PLURALS.items()]


@get("/archive/tree", sync_to_thread=True, opt=needs(Right.SEE))
def organisation_tree(
    site: NamedDependency[Site], caller: NamedDependency[Caller]
) -> list[Organisation]:
    """Organisations with what is below them and their areas."""
    return [Organisation.of(each) for each in site.archive.lists.tree(caller.scope())]


@get("/archive/{kind:str}", sync_to_thread=True, opt=needs(Right.SEE))
def archive_rows(  # noqa: PLR0913, PLR0917 - parameters of the request
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    kind: FromPath[str],
    search: Search = "",
    active: FromQuery[bool] = True,  # noqa: FBT002 - a parameter of the request
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Row]:
    """Rows of a kind by their keys; ``active=false`` shows retired ones too."""
    name, at = kind_named(kind), position_of(cursor)
    page = site.archive.lists.page(
        name, search=search, areas=caller.scope(), only_active=active, limit=limit, offset=at
    )
    following = at + len(page.items)
    more = bool(page.items) and following < page.total
    rows = [Row.of(name, each) for each in page.items]
    return Items(rows, cursor_of(following) if more else None)


@post("/archive/{kind:str}", status_code=201, **once(Right.ARCHIVE))
async def make_row(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    kind: FromPath[str],
    data: JSONBody[RowValues],
) -> Row:
    """Make a row, or change the one that has its key; in force at once."""
    name = kind_named(kind)
    return await _saved(site, caller, name, data, None)


@get("/archive/{kind:str}/{row_id:int}", sync_to_thread=True, opt=needs(Right.SEE))
def archive_row(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    kind: FromPath[str],
    row_id: FromPath[int],
) -> Row:
    """One row, active or not."""
    name = kind_named(kind)
    found = site.archive.lists.row(name, number_of(row_id), caller.scope())
    if found is None:
        raise NotFoundException(f"{name} {row_id}")
    return Row.of(name, found)


@patch("/archive/{kind:str}/{row_id:int}", opt=needs(Right.ARCHIVE))
async def change_row(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    kind: FromPath[str],
    row_id: FromPath[int],
    data: JSONBody[RowValues],
) -> Row:
    """Change fields of a row; a correction holds for the past too, see places for what is dated."""
    return await _saved(site, caller, kind_named(kind), data, number_of(row_id))


@post("/archive/{kind:str}/{row_id:int}/retire", status_code=200, opt=needs(Right.ARCHIVE))
async def retire_row(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    kind: FromPath[str],
    row_id: FromPath[int],
    from_day: FromQuery[date | None] = None,
) -> Row:
    """Make a row inactive, a meter or terminal from a local day on; nothing is deleted."""
    data = RowValues({"active": "no"}, from_day)
    return await _saved(site, caller, kind_named(kind), data, number_of(row_id))


async def _saved(site: Site, caller: Caller, kind: str, data: RowValues, row_id: int | None) -> Row:
    reach = _reach(caller)
    day = None if data.from_day is None else site.day(data.from_day)
    try:
        number = await site.archive.save(
            kind, data.values, caller.name, row_id=row_id, from_day=day, within=reach
        )
    except ArchiveError as error:
        raise refused(error) from error
    found = await site.archive.offload(lambda: site.archive.lists.own_row(kind, number, reach))
    if found is None:
        raise NotFoundException(f"{kind} {number}")
    return Row.of(kind, found)


def _reach(caller: Caller) -> frozenset[int] | None:
    return caller.organisations(Right.ARCHIVE)


@get("/meters/{meter_id:int}/places", sync_to_thread=True, opt=needs(Right.SEE))
def meter_places(site: NamedDependency[Site], meter_id: FromPath[int]) -> list[Place]:
    """Where a meter was and with what ratio, oldest first; empty when nothing ever changed."""
    return [Place.of(each) for each in site.archive.lists.places(site.meter(meter_id).id)]


@post("/meters/{meter_id:int}/places", status_code=201, **once(Right.ARCHIVE))
async def move_meter(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[Move],
) -> list[Place]:
    """Give a meter another place or ratio from a local day on; the days before keep theirs."""
    day = site.day(data.from_day)
    try:
        await site.archive.place(
            number_of(meter_id), data.values, day, caller.name, within=_reach(caller)
        )
    except ArchiveError as error:
        raise refused(error) from error
    found = await site.archive.offload(lambda: site.archive.lists.places(meter_id))
    return [Place.of(each) for each in found]


@get("/terminals/{terminal_id:int}/areas", sync_to_thread=True, opt=needs(Right.SEE))
def terminal_areas(
    site: NamedDependency[Site], caller: NamedDependency[Caller], terminal_id: FromPath[int]
) -> list[AreaOfTerminal]:
    """The areas that a terminal was and is in, oldest first; empty when that has never changed."""
    number, lists = number_of(terminal_id), site.archive.lists
    if lists.row("terminal", number, caller.scope()) is None:
        raise NotFoundException(f"terminal {number}")
    return [AreaOfTerminal.of(each) for each in lists.areas(number)]


@get("/meters/{meter_id:int}/exchanges", sync_to_thread=True, opt=needs(Right.SEE))
def meter_exchanges(site: NamedDependency[Site], meter_id: FromPath[int]) -> list[ExchangeDone]:
    """Exchanges at a measuring point, newest first."""
    found = site.archive.lists.exchanges(site.meter(meter_id).id)
    return [ExchangeDone.of(each) for each in found]


@post("/meters/{meter_id:int}/exchanges", status_code=201, **once(Right.ARCHIVE))
async def exchange_meter(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    data: JSONBody[Exchange],
) -> list[ExchangeDone]:
    """Write down that the meter was exchanged; its consumption goes on."""
    if data.at.tzinfo is None:
        raise ValidationException("at: RFC 3339 with offset, such as 2026-03-01T00:00:00Z")
    told = dated.Exchange(data.at, _readings(data), data.values, data.reason)
    try:
        await site.archive.exchange(number_of(meter_id), told, caller.name, within=_reach(caller))
    except ArchiveError as error:
        raise refused(error) from error
    found = await site.archive.offload(lambda: site.archive.lists.exchanges(meter_id))
    return [ExchangeDone.of(each) for each in found]


def _readings(data: Exchange) -> dict[str, tuple[Decimal, Decimal]]:
    try:
        return {each.register: (Decimal(each.final), Decimal(each.first)) for each in data.readings}
    except InvalidOperation:
        raise ValidationException("readings: final and first are decimals such as 104.25") from None


@post(
    "/meters/{meter_id:int}/exchanges/{exchange_id:int}/withdraw",
    status_code=200,
    **once(Right.ARCHIVE),
)
async def withdraw_exchange(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    meter_id: FromPath[int],
    exchange_id: FromPath[int],
) -> list[ExchangeDone]:
    """Take back the newest exchange of a meter that was written down by mistake."""
    found = await site.archive.offload(lambda: site.archive.lists.exchanges(number_of(meter_id)))
    if exchange_id not in {each.id for each in found}:
        raise NotFoundException(f"exchange {exchange_id}")
    try:
        await site.archive.withdraw_exchange(exchange_id, caller.name, within=_reach(caller))
    except ArchiveError as error:
        raise refused(error) from error
    return [ExchangeDone.of(each) for each in found if each.id != exchange_id]


@get("/groups/{group_id:int}/meters", sync_to_thread=True, opt=needs(Right.SEE))
def group_meters(
    site: NamedDependency[Site], caller: NamedDependency[Caller], group_id: FromPath[int]
) -> Members:
    """The active meters of a group: of its area, of its terminal, or its members."""
    return Members(site.archive.lists.group_meters(number_of(group_id), caller.scope()))


@put("/groups/{group_id:int}/meters", opt=needs(Right.ARCHIVE))
async def set_group_meters(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    group_id: FromPath[int],
    data: JSONBody[Members],
) -> Members:
    """Say which meters belong to a free group."""
    if caller.scope(Right.ARCHIVE) is not None:
        raise PermissionDeniedException("groups need the right in all organisations")
    try:
        meters = [number_of(each) for each in data.meters]
        await site.archive.set_members(number_of(group_id), meters, caller.name)
    except ArchiveError as error:
        raise refused(error) from error
    return Members(sorted(set(data.meters)))


ROUTES = (
    archive_kinds,
    organisation_tree,
    archive_rows,
    make_row,
    archive_row,
    change_row,
    retire_row,
    meter_places,
    move_meter,
    meter_exchanges,
    exchange_meter,
    withdraw_exchange,
    group_meters,
    set_group_meters,
    terminal_areas,
)
