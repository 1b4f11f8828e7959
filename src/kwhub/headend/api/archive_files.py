"""Files of the archive and of readings over the API: imports as jobs, exports in pieces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Annotated, TypeAlias

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.exceptions import (
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import Body, FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from kwhub.catalog.registers import parse_register
from kwhub.domain.errors import KwhubError, LocalError
from kwhub.domain.readings import Register
from kwhub.headend.api.archive import kind_named, number_of, refused
from kwhub.headend.api.archive_shapes import Import, ImportMistake
from kwhub.headend.api.once import once
from kwhub.headend.api.paging import ITEMS_DEFAULT, ITEMS_MAX, cursor_of, position_of
from kwhub.headend.api.shapes import Items
from kwhub.headend.api.site import Site
from kwhub.headend.archive.export import (
    HISTORY,
    archive_tables,
    history_table,
    kind_table,
    template,
)
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.formats import FORMATS, MEDIA_TYPES, Table, streamed
from kwhub.headend.archive.problems import ArchiveError
from kwhub.headend.archive.readings import Asked, long_table, wide_table
from kwhub.headend.archive.tables import BYTES_MAX
from kwhub.headend.people.caller import Caller
from kwhub.headend.people.rights import Right, needs

__all__ = [
    "FILE_ROUTES",
    "SentFile",
    "apply_import",
    "archive_template",
    "export_archive",
    "export_readings",
    "import_file",
    "import_job",
    "import_jobs",
    "import_mistakes",
    "undo_import",
]

EXPORT_DAYS_MAX = 3_700
INTERVALS = {"15m": 900, "30m": 1_800, "1h": 3_600, "1d": 86_400, "instant": 0}

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=ITEMS_MAX)]
Format: TypeAlias = Annotated[str, QueryParameter(name="format")]
Tables: TypeAlias = Callable[[Connection], list[Table]]


@dataclass(frozen=True, slots=True)
class SentFile:
    """The form in which a file is sent."""

    data: UploadFile


Upload: TypeAlias = Annotated[SentFile, Body(media_type=RequestEncodingType.MULTI_PART)]


@post("/imports", status_code=202, **once(Right.ARCHIVE), request_max_body_size=BYTES_MAX + 65_536)
async def import_file(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    data: Upload,
    kind: FromQuery[str] = "",
) -> Import:
    """Take a CSV or XLSX file and check it; nothing is written before it is applied.

    ``kind`` is the plural of a kind of rows; without it a workbook has a sheet for each kind.
    """
    _everywhere(caller)
    name = kind_named(kind) if kind else ""
    content = await data.data.read()
    try:
        job_id = await site.imports.submit(
            content, kind=name, file_name=data.data.filename or "", by=caller.name
        )
    except ArchiveError as error:
        raise refused(error) from error
    return await _told(site, job_id)


@get("/imports", sync_to_thread=True, opt=needs(Right.ARCHIVE))
def import_jobs(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[Import]:
    """Imports, the newest first."""
    _everywhere(caller)
    at = position_of(cursor)
    rows = site.imports.jobs(limit + 1, at)
    following = cursor_of(at + limit) if len(rows) > limit else None
    return Items([Import.of(each) for each in rows[:limit]], following)


@get("/imports/{job_id:int}", opt=needs(Right.ARCHIVE))
async def import_job(
    site: NamedDependency[Site], caller: NamedDependency[Caller], job_id: FromPath[int]
) -> Import:
    """One import and how far it has come."""
    _everywhere(caller)
    return await _told(site, job_id)


@get("/imports/{job_id:int}/errors", sync_to_thread=True, opt=needs(Right.ARCHIVE))
def import_mistakes(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    job_id: FromPath[int],
    limit: Limit = ITEMS_DEFAULT,
    cursor: FromQuery[str | None] = None,
) -> Items[ImportMistake]:
    """What is wrong with a file, by row; or why it could not be applied or taken back."""
    _everywhere(caller)
    at = position_of(cursor)
    rows = site.imports.errors(number_of(job_id), limit + 1, at)
    following = cursor_of(at + limit) if len(rows) > limit else None
    return Items([ImportMistake.of(each) for each in rows[:limit]], following)


@post("/imports/{job_id:int}/apply", status_code=202, **once(Right.ARCHIVE))
async def apply_import(
    site: NamedDependency[Site], caller: NamedDependency[Caller], job_id: FromPath[int]
) -> Import:
    """Write a file that was checked, as a whole or not at all."""
    _everywhere(caller)
    try:
        await site.imports.apply(number_of(job_id), caller.name)
    except ArchiveError as error:
        raise refused(error) from error
    return await _told(site, job_id)


@post("/imports/{job_id:int}/undo", status_code=202, **once(Right.ARCHIVE))
async def undo_import(
    site: NamedDependency[Site], caller: NamedDependency[Caller], job_id: FromPath[int]
) -> Import:
    """Take an import back; refused where data depends on it already."""
    _everywhere(caller)
    try:
        await site.imports.undo(number_of(job_id), caller.name)
    except ArchiveError as error:
        raise refused(error) from error
    return await _told(site, job_id)


@get("/imports/templates/{kind:str}", sync_to_thread=True, opt=needs(Right.SEE))
def archive_template(
    kind: FromPath[str],
    form: Format = "csv",
    bom: FromQuery[bool] = True,  # noqa: FBT002 - a parameter of the request
) -> Stream:
    """An empty file for an import, with help; ``all`` is a workbook of every kind."""
    if kind == "all":
        tables = [template(each) for each in KINDS.values()]
        return _file("archive", "xlsx", streamed(tables, "xlsx"))
    made = [template(KINDS[kind_named(kind)])]
    return _file(kind, form, streamed(made, _form(form), bom=bom))


@get("/exports/{what:str}", sync_to_thread=True, opt=needs(Right.SEE))
def export_archive(
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    what: FromPath[str],
    form: Format = "csv",
    bom: FromQuery[bool] = False,  # noqa: FBT002 - a parameter of the request
) -> Stream:
    """Rows of a kind, or placements, exchanges, members; ``archive`` is a workbook of all kinds."""
    scope = caller.scope()
    areas = None if scope is None else sorted(scope)
    history = what.removesuffix("s")
    if what == "archive":
        return _file(what, "xlsx", _pieces(site, lambda each: archive_tables(each, areas), "xlsx"))
    if history in HISTORY:
        tables: Tables = lambda each: [history_table(each, history, areas)]  # noqa: E731
    else:
        known = KINDS[kind_named(what)]
        tables = lambda each: [kind_table(each, known, areas)]  # noqa: E731
    return _file(what, form, _pieces(site, tables, _form(form), bom=bom))


@get("/exports/readings", sync_to_thread=True, opt=needs(Right.SEE))
def export_readings(  # noqa: PLR0913, PLR0917 - parameters of the request
    site: NamedDependency[Site],
    caller: NamedDependency[Caller],
    first: Annotated[date, QueryParameter(name="from")],
    last: Annotated[date, QueryParameter(name="to")],
    register: FromQuery[list[str] | None] = None,
    interval: FromQuery[str] = "15m",
    wide: FromQuery[bool] = False,  # noqa: FBT002
    label: FromQuery[str] = "end",
    form: Format = "csv",
    bom: FromQuery[bool] = False,  # noqa: FBT002
) -> Stream:
    """Readings of local days, both inclusive: a row a value, or ``wide`` with a column for each interval."""
    scope = caller.scope()
    asked = Asked(
        site.day(first),
        site.day(last),
        _interval(interval),
        [_register(each) for each in register or ()],
        None if scope is None else sorted(scope),
        label,
    )
    if label not in {"start", "end"}:
        raise ValidationException("label: start or end")
    if not 0 <= (last - first).days <= EXPORT_DAYS_MAX:
        raise ValidationException(f"to: not before from, at most {EXPORT_DAYS_MAX} days")
    made = wide_table if wide else long_table
    days = site.archive.store.days
    pieces = _pieces(site, lambda each: [made(each, days, asked)], _form(form), bom=bom)
    return _file(f"readings-{first}-{last}", form, pieces)


def _everywhere(caller: Caller) -> None:
    if caller.scope(Right.ARCHIVE) is not None:
        raise PermissionDeniedException("imports need the right in all organisations")


async def _told(site: Site, job_id: int) -> Import:
    found = await site.archive.offload(lambda: site.imports.job(number_of(job_id)))
    if found is None:
        raise NotFoundException(f"import {job_id}")
    return Import.of(found)


def _form(name: str) -> str:
    if name not in FORMATS:
        raise ValidationException(f"format: one of {', '.join(FORMATS)}")
    return name


def _interval(name: str) -> int:
    if name not in INTERVALS:
        raise ValidationException(f"interval: one of {', '.join(INTERVALS)}")
    return INTERVALS[name]


def _register(name: str) -> Register:
    try:
        return parse_register(name)
    except KwhubError as error:
        raise ValidationException(f"register: {error}") from error


def _file(name: str, form: str, pieces: Iterator[bytes]) -> Stream:
    """Answer with a file whose first piece is made already: what cannot be made is an error, not half a file."""
    try:
        first = next(pieces, b"")
    except LocalError as error:
        raise ValidationException(str(error)) from error
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return Stream(chain((first,), pieces), media_type=MEDIA_TYPES[form], headers=headers)


def _pieces(site: Site, tables: Tables, form: str, *, bom: bool = False) -> Iterator[bytes]:
    """Everything from one snapshot, which lasts as long as somebody reads."""
    with site.queries.reading() as connection:
        yield from streamed(tables(connection), form, bom=bom)


FILE_ROUTES = (
    import_file,
    import_jobs,
    import_job,
    import_mistakes,
    apply_import,
    undo_import,
    archive_template,
    export_archive,
    export_readings,
)
