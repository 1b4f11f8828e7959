"""The archive as pages: tree, lists and forms of every kind, retirement; forms come from the table of fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from kwhub.catalog.registers import describe
from kwhub.domain.errors import LocalError
from kwhub.headend.api.archive_shapes import PLURALS
from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.archive.fields import FROM_DAY, KINDS, REQUIRED, Field, Kind
from kwhub.headend.archive.problems import ArchiveError, Problem
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.web.audit_words import heading
from kwhub.headend.web.language import Texts
from kwhub.headend.web.page import Page, query
from kwhub.headend.web.quality_forms import day_of, form_of, register_name
from kwhub.headend.web.refusals import told
from kwhub.headend.web.tables import ROWS_PER_PAGE, Head, Listing, PageNumber, Search

__all__ = [
    "FINAL",
    "FIRST",
    "ROUTES",
    "FieldShown",
    "KindShown",
    "advice",
    "archive_page",
    "archive_rows",
    "change_row",
    "kind_of",
    "make_row",
    "new_row",
    "refused",
    "retire_row",
    "row_page",
    "row_view",
    "wrong_of",
]

COLUMNS_SHOWN = 8
"""Columns of a list; the form of a row has all."""

FINAL, FIRST = "final_", "first_"
"""Begin of the names of the fields with readings of an exchange; the register follows."""

NEIGHBOURS = 200
"""Most suggestions for a field that refers to another kind."""


@dataclass(frozen=True, slots=True)
class KindShown:
    """A kind of rows in the words of the reader."""

    name: str
    plural: str
    title: str
    key: str

    @classmethod
    def of(cls, page: Page, kind: Kind) -> "KindShown":
        """With its words."""
        return cls(kind.name, f"{kind.name}s", page.t.either(*kind.titles), kind.key)


@dataclass(frozen=True, slots=True)
class FieldShown:
    """A field of a form."""

    name: str
    title: str
    help: str
    required: bool
    choices: Mapping[str, str]  #: what may be chosen, with its word
    refers: str  #: plural of the kind whose key it holds; empty for a plain value
    value: str

    @classmethod
    def of(cls, page: Page, field: Field, values: Mapping[str, str]) -> "FieldShown":
        """With its words and its value, or its default."""
        default = "" if field.default is REQUIRED else field.show(field.default)
        help_text = "" if field.choices else page.t.either(*field.helps)
        if field.refers:
            help_text = page.t(f"keeping.refers_{field.refers}")
        return cls(
            field.name,
            page.t.either(*field.titles),
            help_text,
            field.default is REQUIRED,
            {each: _word(page, each) for each in field.choices},
            f"{field.refers}s" if field.refers else "",
            values.get(field.name, default),
        )


@get("/archive", sync_to_thread=True, opt=needs(Right.SEE))
def archive_page(page: NamedDependency[Page]) -> Template:
    """Organisations with their areas, and the way to every list."""
    tree = page.site.archive.lists.tree(page.scope)
    return page.show("archive.html", {**_common(page, ""), "tree": tree})


@get("/archive/{kind:str}", sync_to_thread=True, opt=needs(Right.SEE))
def archive_rows(
    page: NamedDependency[Page],
    kind: FromPath[str],
    search: Search = "",
    retired: FromQuery[str] = "",
    number: PageNumber = 1,
) -> Template:
    """A page of the rows of one kind, by their keys."""
    known = kind_of(kind)
    offset = (number - 1) * ROWS_PER_PAGE
    found = page.site.archive.lists.page(
        known.name,
        search=search,
        areas=page.scope,
        only_active=retired != "1",
        limit=ROWS_PER_PAGE,
        offset=offset,
    )
    fields = _columns(known)
    listed = Listing(
        path=f"/archive/{kind}",
        heads=[Head(field.name) for field in fields],
        asked={"search": search.strip(), "retired": retired if retired == "1" else None},
        rows=found.items,
        total=found.total,
        page=number,
        files=False,
    )
    context = {
        **_common(page, kind),
        "kind": KindShown.of(page, known),
        "fields": [FieldShown.of(page, field, {}) for field in fields],
        "listed": listed,
        "search": search.strip(),
        "retired": retired == "1",
    }
    template = "archive_table.html" if page.swaps == "rows" else "archive_rows.html"
    return page.show(template, context)


@get("/archive/{kind:str}/new", sync_to_thread=True, opt=needs(Right.ARCHIVE))
def new_row(page: NamedDependency[Page], kind: FromPath[str]) -> Template:
    """The form of a row that is not there yet."""
    known = kind_of(kind)
    given = {
        name: text for name, text in page.request.query_params.items() if name in known.by_name
    }
    return row_view(page, known, None, given)


@post("/archive/{kind:str}", status_code=200, opt=needs(Right.ARCHIVE))
async def make_row(page: NamedDependency[Page], kind: FromPath[str]) -> Redirect | Template:
    """Make a row; in force at once."""
    return await _saved(page, kind_of(kind), None)


@get("/archive/{kind:str}/{row:int}", sync_to_thread=True, opt=needs(Right.SEE))
def row_page(page: NamedDependency[Page], kind: FromPath[str], row: FromPath[int]) -> Template:
    """One row with its form; of a meter also its places and exchanges, of a group its members."""
    known = kind_of(kind)
    return row_view(page, known, row, _row(page, known, row))


@post("/archive/{kind:str}/{row:int}", status_code=200, opt=needs(Right.ARCHIVE))
async def change_row(
    page: NamedDependency[Page], kind: FromPath[str], row: FromPath[int]
) -> Redirect | Template:
    """Change a row; a correction holds for the past too."""
    return await _saved(page, kind_of(kind), row)


@post("/archive/{kind:str}/{row:int}/retire", status_code=200, opt=needs(Right.ARCHIVE))
async def retire_row(
    page: NamedDependency[Page], kind: FromPath[str], row: FromPath[int]
) -> Redirect | Template:
    """Make a row inactive; nothing is deleted."""
    known = kind_of(kind)
    reach = page.caller.organisations(Right.ARCHIVE)
    values = await page.site.archive.offload(lambda: _row(page, known, row))
    form = await form_of(page)
    try:
        day = _from_day(page, known, form)
        await page.site.archive.retire(known.name, row, page.who, from_day=day, within=reach)
    except LocalError as error:
        wrong = wrong_of(page, error, known)
        return await page.site.archive.offload(
            lambda: row_view(page, known, row, values, wrong=wrong)
        )
    return Redirect(f"/archive/{kind}/{row}", status_code=303)


def kind_of(plural: str) -> Kind:
    """The kind of rows of an address; raises NotFoundException."""
    if plural not in PLURALS:
        raise NotFoundException(plural)
    return KINDS[PLURALS[plural]]


def refused(page: Page, error: ArchiveError, kind: Kind | None = None) -> list[str]:
    """What is wrong and what to do about it, in the words of the reader; the kind is that of the form."""
    t, told = page.t, []
    for each in error.problems[:20]:
        one = replace(each, value=_local(page, each.value))
        field = _field(one, kind)
        name = t.either(*field.titles) if field else heading(t, one.column)
        where = f"{name}{t('keeping.colon')}" if one.column else ""
        told.append(f"{where}{one.what(t.code)} — {advice(t, one, kind)}")
    return told


def advice(t: Texts, one: Problem, kind: Kind | None = None) -> str:
    """What to do about a problem: of a value that cannot be, what may stand there."""
    field = _field(one, kind) if one.key == "wrong" else None
    if field is None or not any(field.helps):
        return one.advice(t.code)
    return t("keeping.wrong_advice", help=t.either(*field.helps))


def _field(one: Problem, kind: Kind | None) -> Field | None:
    """The column that a problem is about, of its own sheet or of the form; None for none."""
    of = KINDS.get(one.sheet, kind)
    return of.by_name.get(one.column) if of else None


def wrong_of(page: Page, error: LocalError, kind: Kind) -> list[str]:
    """What a refused form is told, in the words of the reader."""
    if isinstance(error, ArchiveError):
        return refused(page, error, kind)
    return [told(page.t, error)]


def _from_day(page: Page, kind: Kind, form: Mapping[str, str]) -> date | None:
    """The day from which on a change is true; None when none was given. Raises LocalError."""
    if not kind.dated or not form.get(FROM_DAY, "").strip():
        return None
    return day_of(page, form, FROM_DAY)


def _word(page: Page, choice: str) -> str:
    """The word for a value that is chosen from a list; one without a word speaks for itself."""
    known = f"choice.{choice}"
    return page.t(known) if known in page.t.table else choice


def _local(page: Page, value: str) -> str:
    """A moment in the time of the site; anything else as it is."""
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return value
    return page.moment(when) if when.tzinfo else value


def row_view(
    page: Page,
    kind: Kind,
    row: int | None,
    values: Mapping[str, str],
    *,
    wrong: Sequence[str] = (),
) -> Template:
    """The form of a row, with what belongs to it; ``row`` None for a new one."""
    lists, may = page.site.archive.lists, Right.ARCHIVE in page.rights
    is_meter, is_group = kind.name == "meter" and row, kind.name == "group" and row
    context: dict[str, object] = {
        **_common(page, f"{kind.name}s"),
        "kind": KindShown.of(page, kind),
        "row": row,
        "values": values,
        "name": values.get(kind.key, "") if row else "",
        "fields": [FieldShown.of(page, field, values) for field in kind.fields],
        "choices": _choices(page, kind) if may else {},
        "may": may,
        "wrong": list(wrong),
        "places": lists.places(int(row or 0)) if is_meter else [],
        "since": lists.since(int(row or 0)) if is_meter else None,
        "dated": kind.dated,
        "areas": lists.areas(int(row or 0)) if kind.name == "terminal" and row else [],
        "exchanges": lists.exchanges(int(row or 0)) if is_meter else [],
        "registers": _registers(page, int(row or 0)) if is_meter and may else [],
        "members": _members(page, int(row or 0)) if is_group else [],
        "today": page.site.today(),
        "now": page.site.now(),
    }
    return page.show("archive_row.html", context, status_code=400 if wrong else 200)


async def _saved(page: Page, kind: Kind, row: int | None) -> Redirect | Template:
    form = await form_of(page)
    values = {name: text for name, text in form.items() if name in kind.by_name}
    reach = page.caller.organisations(Right.ARCHIVE)
    if row is not None:
        await page.site.archive.offload(lambda: _row(page, kind, row))
    try:
        day = _from_day(page, kind, form)
        number = await page.site.archive.save(
            kind.name, values, page.who, row_id=row, from_day=day, within=reach
        )
    except LocalError as error:
        wrong = wrong_of(page, error, kind)
        return await page.site.archive.offload(
            lambda: row_view(page, kind, row, values, wrong=wrong)
        )
    return Redirect(f"/archive/{kind.name}s/{number}", status_code=303)


def _row(page: Page, kind: Kind, row: int) -> dict[str, str]:
    """A row that the reader may see. Raises NotFoundException."""
    found = None
    if 0 < row <= NUMBER_MAX:
        found = page.site.archive.lists.row(kind.name, row, page.scope)
    if found is None:
        raise NotFoundException(f"{kind.name} {row}")
    return found


def _columns(kind: Kind) -> list[Field]:
    """The columns of a list: the key first."""
    fields = sorted(kind.fields, key=lambda field: field.name != kind.key)
    return fields[:COLUMNS_SHOWN]


def _choices(page: Page, kind: Kind) -> dict[str, list[str]]:
    """Keys that may stand in fields that refer to another kind."""
    found = {}
    for name in {field.refers for field in kind.fields if field.refers}:
        rows = page.site.archive.lists.page(name, areas=page.scope, limit=NEIGHBOURS).items
        found[f"{name}s"] = [each[KINDS[name].key] for each in rows]
    return found


def _registers(page: Page, meter: int) -> list[tuple[str, str, str, str]]:
    """Registers that grow, beside the total, of which a meter has readings: names of the two fields, name and unit."""
    codes = {each.register for each in page.site.queries.latest(meter)}
    found = []
    for code in sorted(codes - {ENERGY}):
        info = describe(code)
        if info.cumulative:
            name = register_name(page.t, code)
            found.append((f"{FINAL}{code}", f"{FIRST}{code}", name, info.unit))
    return found


def _members(page: Page, group: int) -> list[tuple[int, str]]:
    lists = page.site.archive.lists
    numbers = lists.group_meters(group, page.scope)[:NEIGHBOURS]
    rows = ((number, lists.row("meter", number, page.scope)) for number in numbers)
    return [(number, row["address"]) for number, row in rows if row]


def _common(page: Page, here: str) -> dict[str, object]:
    return {
        "kinds": [KindShown.of(page, kind) for kind in KINDS.values()],
        "tab": here,
        "may_import": page.caller.may(Right.ARCHIVE) and page.caller.scope(Right.ARCHIVE) is None,
        "may_change": Right.ARCHIVE in page.rights,
        "query": query,
    }


ROUTES = (archive_page, archive_rows, new_row, make_row, row_page, change_row, retire_row)
