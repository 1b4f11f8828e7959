"""Imports as pages (upload, dry run by row, apply, undo), and what is dated: places, exchanges, members of groups."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from kwhub.domain.errors import LocalError
from kwhub.headend.api.site import NUMBER_MAX
from kwhub.headend.archive import dated
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.archive.tables import BYTES_MAX
from kwhub.headend.people.rights import Right, needs
from kwhub.headend.quality.expect import ENERGY
from kwhub.headend.web.archive import FINAL, FIRST, KindShown, advice, refused, row_view
from kwhub.headend.web.page import Page
from kwhub.headend.web.quality_around import decimal_of
from kwhub.headend.web.quality_forms import day_of, form_of
from kwhub.headend.web.refusals import told

__all__ = [
    "ROUTES",
    "exchange_meter",
    "import_page",
    "import_step",
    "imports_page",
    "place_meter",
    "set_members",
    "upload",
    "withdraw_exchange",
]

ERRORS_SHOWN = 200
JOBS_SHOWN = 30
_PLACE = ("terminal", "point", "port", "ct", "pt")
ARCHIVE = needs(Right.ARCHIVE)


@get("/archive/imports", sync_to_thread=True, opt=ARCHIVE)
def imports_page(page: NamedDependency[Page]) -> Template:
    """Imports, the newest first; templates; and the form that takes a file."""
    return _imports(page)


@post("/archive/imports", status_code=200, opt=ARCHIVE, request_max_body_size=BYTES_MAX + 65_536)
async def upload(page: NamedDependency[Page]) -> Redirect | Template:
    """Take a file and check it; nothing is written before it is applied."""
    _everywhere(page)
    form = await page.request.form()
    file, kind = form.get("file"), str(form.get("kind", ""))
    if not isinstance(file, UploadFile) or not file.filename:
        return _imports(page, wrong=[page.t("keeping.no_file")])
    name = kind if kind in KINDS else ""
    try:
        content = await file.read()
        job = await page.site.imports.submit(
            content, kind=name, file_name=file.filename, by=page.who
        )
    except ArchiveError as error:
        return _imports(page, wrong=refused(page, error))
    return Redirect(f"/archive/imports/{job}", status_code=303)


@get("/archive/imports/{job:int}", sync_to_thread=True, opt=ARCHIVE)
def import_page(page: NamedDependency[Page], job: FromPath[int]) -> Template:
    """One import: how far it is, and what is wrong, by row."""
    return _job(page, job)


@post("/archive/imports/{job:int}/{step:str}", status_code=200, opt=ARCHIVE)
async def import_step(
    page: NamedDependency[Page], job: FromPath[int], step: FromPath[str]
) -> Redirect | Template:
    """Apply an import, or take it back."""
    _everywhere(page)
    steps = {"apply": page.site.imports.apply, "undo": page.site.imports.undo}
    if step not in steps or not 0 < job <= NUMBER_MAX:
        raise NotFoundException(f"import {job}")
    try:
        await steps[step](job, page.who)
    except ArchiveError as error:
        wrong = refused(page, error)
        return await page.site.archive.offload(lambda: _job(page, job, wrong=wrong))
    return Redirect(f"/archive/imports/{job}", status_code=303)


@post("/archive/places/{meter_id:int}", status_code=200, opt=ARCHIVE)
async def place_meter(page: NamedDependency[Page], meter_id: FromPath[int]) -> Redirect | Template:
    """Give a meter another place or ratio from a local day on."""

    async def work(form: Mapping[str, str]) -> None:
        day = day_of(page, form, "from_day")
        values = {name: text for name in _PLACE if (text := form.get(name, ""))}
        await page.site.archive.place(meter_id, values, day, page.who, within=_reach(page))

    return await _meter(page, meter_id, work)


@post("/archive/exchanges/{meter_id:int}", status_code=200, opt=ARCHIVE)
async def exchange_meter(
    page: NamedDependency[Page], meter_id: FromPath[int]
) -> Redirect | Template:
    """Write down that the meter was exchanged; its consumption goes on."""

    async def work(form: Mapping[str, str]) -> None:
        readings = _readings(page, form)
        values = {name: text for name in ("address", "ct", "pt") if (text := form.get(name, ""))}
        told_of = dated.Exchange(_moment(page, form), readings, values, form.get("reason", ""))
        await page.site.archive.exchange(meter_id, told_of, page.who, within=_reach(page))

    return await _meter(page, meter_id, work)


@post("/archive/withdrawals/{meter_id:int}", status_code=200, opt=ARCHIVE)
async def withdraw_exchange(
    page: NamedDependency[Page], meter_id: FromPath[int]
) -> Redirect | Template:
    """Take the newest exchange of a meter back."""

    async def work(_form: Mapping[str, str]) -> None:
        lists = page.site.archive.lists
        found = await page.site.archive.offload(lambda: lists.exchanges(meter_id))
        if not found:
            raise NotFoundException(f"exchange of meter {meter_id}")
        await page.site.archive.withdraw_exchange(found[0].id, page.who, within=_reach(page))

    return await _meter(page, meter_id, work)


@post("/archive/members/{row:int}", status_code=200, opt=ARCHIVE)
async def set_members(page: NamedDependency[Page], row: FromPath[int]) -> Redirect | Template:
    """Say which meters belong to a free group: their addresses, one on each line."""
    _everywhere(page)
    form = await page.request.form()
    wanted = {text.zfill(12) for text in str(form.get("members", "")).split()}

    def numbers() -> tuple[list[int], list[str]]:
        lists = page.site.archive.lists
        if not 0 < row <= NUMBER_MAX or lists.row("group", row) is None:
            raise NotFoundException(f"group {row}")
        found, unknown = [], []
        for address in sorted(wanted):
            rows = lists.page("meter", search=address, limit=1).items
            if rows and rows[0]["address"] == address:
                found.append(int(rows[0]["id"]))
            else:
                unknown.append(page.t("keeping.no_meter", address=address))
        return found, unknown

    found, wrong = await page.site.archive.offload(numbers)
    try:
        if not wrong:
            await page.site.archive.set_members(row, found, page.who)
    except ArchiveError as error:
        wrong = refused(page, error, KINDS["group"])
    if wrong:
        return await page.site.archive.offload(
            lambda: row_view(
                page,
                KINDS["group"],
                row,
                page.site.archive.lists.row("group", row) or {},
                wrong=wrong,
            )
        )
    return Redirect(f"/archive/groups/{row}", status_code=303)


async def _meter(
    page: Page, meter_id: int, work: Callable[[Mapping[str, str]], Awaitable[None]]
) -> Redirect | Template:
    """Carry an order about a meter out; show it again with what was wrong."""
    form = await form_of(page)
    values = await page.site.archive.offload(
        lambda: page.site.archive.lists.row("meter", page.site.meter(meter_id).id, page.scope)
    )
    try:
        await work(form)
    except ArchiveError as error:
        wrong = refused(page, error, KINDS["meter"])
    except LocalError as error:
        wrong = [told(page.t, error)]
    else:
        return Redirect(f"/archive/meters/{meter_id}", status_code=303)
    return await page.site.archive.offload(
        lambda: row_view(page, KINDS["meter"], meter_id, values or {}, wrong=wrong)
    )


def _reach(page: Page) -> frozenset[int] | None:
    return page.caller.organisations(Right.ARCHIVE)


def _everywhere(page: Page) -> None:
    if page.caller.scope(Right.ARCHIVE) is not None:
        raise PermissionDeniedException("imports need the right in all organisations")


def _readings(page: Page, form: Mapping[str, str]) -> dict[str, tuple[Decimal, Decimal]]:
    """Final and first reading of the total, and of every other register of which one was typed in. Raises LocalError."""
    found = {str(ENERGY): (decimal_of(form.get("final", "")), decimal_of(form.get("first", "")))}
    names = [name.removeprefix(FINAL) for name in form if name.startswith(FINAL)]
    for name in names:
        final, first = form.get(f"{FINAL}{name}", ""), form.get(f"{FIRST}{name}", "")
        if not final and not first:
            continue
        if not final or not first:
            raise LocalError(page.t("keeping.half_reading", register=name))
        found[name] = (decimal_of(final), decimal_of(first))
    return found


def _moment(page: Page, form: Mapping[str, str]) -> datetime:
    """The wall time of a form, as a moment. Raises LocalError."""
    text = form.get("at", "")
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise LocalError(page.t("keeping.no_moment", text=text)) from None
    if not date(2000, 1, 1) < wall.date() < date(2100, 1, 1):
        raise LocalError(page.t("keeping.no_moment", text=text))
    return wall.replace(tzinfo=page.site.zone).astimezone(UTC)


def _imports(page: Page, *, wrong: list[str] | None = None) -> Template:
    _everywhere(page)
    context: dict[str, object] = {
        "jobs": page.site.imports.jobs(JOBS_SHOWN),
        "kinds": [KindShown.of(page, kind) for kind in KINDS.values()],
        "wrong": wrong or [],
        "tab": "imports",
        "may_import": True,
    }
    return page.show("archive_imports.html", context, status_code=400 if wrong else 200)


def _job(page: Page, job: int, *, wrong: list[str] | None = None) -> Template:
    _everywhere(page)
    found = page.site.imports.job(job) if 0 < job <= NUMBER_MAX else None
    if found is None:
        raise NotFoundException(f"import {job}")
    code = page.t.code
    problems = [
        (one, one.what(code), advice(page.t, one))
        for one in page.site.imports.errors(job, ERRORS_SHOWN)
    ]
    context: dict[str, object] = {"job": found, "problems": problems, "wrong": wrong or []}
    if page.swaps == "job":
        return page.show("archive_job.html", context)
    return page.show("archive_import.html", context, status_code=400 if wrong else 200)


ROUTES = (
    imports_page,
    upload,
    import_page,
    import_step,
    place_meter,
    exchange_meter,
    withdraw_exchange,
    set_members,
)
