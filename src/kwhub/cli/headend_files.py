"""``kwhub headend import`` and ``kwhub headend export``: the archive and readings as files."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias
from zoneinfo import ZoneInfo

from cyclopts import Parameter
from sqlalchemy import Connection

from kwhub.catalog.registers import parse_register
from kwhub.cli.output import (
    Exit,
    JsonFlag,
    LanguageOption,
    complain,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.domain.errors import ConfigError, LocalError
from kwhub.headend import config as headend_config
from kwhub.headend.archive.desk import ArchiveDesk
from kwhub.headend.archive.export import (
    HISTORY,
    archive_tables,
    history_table,
    kind_table,
    template,
)
from kwhub.headend.archive.fields import KINDS
from kwhub.headend.archive.formats import Table, streamed
from kwhub.headend.archive.jobs import ImportJob, Imports, JobState
from kwhub.headend.archive.readings import Asked, long_table, wide_table
from kwhub.headend.ingest.offload import in_place
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.headend.store.store import Store
from kwhub.runtime.clock import SystemClock

__all__ = ["export_files", "import_files"]

KindName: TypeAlias = Literal[
    "organisation", "area", "terminal", "meter", "customer", "account", "group"
]
What: TypeAlias = Literal[
    "archive",
    "organisation",
    "area",
    "terminal",
    "meter",
    "customer",
    "account",
    "group",
    "placement",
    "terminal_area",
    "exchange",
    "member",
    "readings",
]
Form: TypeAlias = Literal["csv", "xlsx", "ndjson", "parquet"]
Config: TypeAlias = Annotated[Path, Parameter(help="The settings of the head-end, a TOML file.")]

First: TypeAlias = Annotated[
    date | None, Parameter(name="--from", help="First local day of readings.")
]
Last: TypeAlias = Annotated[
    date | None, Parameter(name="--to", help="Last local day of readings, inclusive.")
]
Registers: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="OBIS code or alias; may be given several times; left out, every register.",
    ),
]
Interval: TypeAlias = Annotated[
    Literal["15m", "30m", "1h", "1d", "instant"], Parameter(help="Spacing of the series.")
]
Wide: TypeAlias = Annotated[
    bool,
    Parameter(help="One row a day with a column for each interval instead of one row a value."),
]
Label: TypeAlias = Annotated[
    Literal["start", "end"],
    Parameter(help="Wide columns are named by the start or the end of their interval."),
]

INTERVALS = {"15m": 900, "30m": 1_800, "1h": 3_600, "1d": 86_400, "instant": 0}
WHO = "command line"

WORDS = {
    "en": {
        "ready": "{rows} rows are right: {created} would be new, {changed} changed. Nothing was written.",
        "applied": "Import {id}: {created} rows are new, {changed} changed.",
        "refused": "{errors} errors; nothing was written.",
        "undone": "Import {id} was taken back.",
        "sheet": "sheet",
        "row": "row",
        "column": "column",
        "what": "what",
        "advice": "what to do",
    },
    "zh": {
        "ready": "{rows} 行正确：将新增 {created} 行，修改 {changed} 行。未写入任何内容。",
        "applied": "导入 {id}：新增 {created} 行，修改 {changed} 行。",
        "refused": "{errors} 个错误，未写入任何内容。",
        "undone": "导入 {id} 已撤销。",
        "sheet": "工作表",
        "row": "行",
        "column": "列",
        "what": "问题",
        "advice": "处理办法",
    },
}


async def import_files(
    config: Config,
    file: Path | None = None,
    *,
    kind: KindName | None = None,
    dry_run: bool = False,
    undo: int | None = None,
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Import a CSV or XLSX file into the archive, as a whole or not at all.

    A head-end that is running follows within seconds. Example:

        kwhub headend import headend.toml meters.csv --kind meter --dry-run

    Parameters
    ----------
    file
        CSV in UTF-8 or GBK, or XLSX; the first row names the columns.
    kind
        What the rows are; left out, an XLSX file has a sheet for each kind.
    dry_run
        Only check; nothing is written.
    undo
        Take an earlier import back instead, by its number.
    """
    if (file is None) == (undo is None):
        raise LocalError("name a file to import, or an import to undo")
    with _imports(config) as imports:
        if file is not None:
            job = await _imported(imports, file, kind or "", dry_run=dry_run)
        else:
            await imports.undo(undo or 0, WHO)
            await imports.work_off()
            job = _job(imports, undo or 0)
        return _shown(imports, job, json=json, language=language)


def export_files(
    config: Config,
    what: What = "archive",
    *,
    out: Path | None = None,
    format: Form = "csv",  # noqa: A002 - the name of the option
    bom: bool = False,
    empty: bool = False,
    first: First = None,
    last: Last = None,
    register: Registers = (),
    interval: Interval = "15m",
    wide: Wide = False,
    label: Label = "end",
    json: JsonFlag = False,
) -> int:
    """Write the archive or readings into a file, piece by piece.

    The whole archive is an XLSX file with a sheet for each kind, which an import takes back. Example:

        kwhub headend export headend.toml readings --from 2026-03-01 --to 2026-03-31 --out march.csv

    Parameters
    ----------
    what
        The whole archive, rows of one kind, former places, exchanges, members of groups, or readings.
    out
        The file; left out, standard output.
    format
        Of the file; the whole archive is always XLSX.
    bom
        Begin CSV with a byte order mark, for Excel.
    empty
        Only a template for an import.
    """
    settings = headend_config.load(config)
    days = Days(ZoneInfo(settings.headend.zone))
    with _snapshot(settings) as connection, _target(out) as target:
        if what == "readings":
            asked = _asked(first, last, register, INTERVALS[interval], label)
            tables = [(wide_table if wide else long_table)(connection, days, asked)]
        else:
            tables = _tables(connection, what, empty=empty)
        count = 0
        for piece in streamed(tables, "xlsx" if what == "archive" else format, bom=bom):
            count += target.write(piece)
    if json and out is not None:  # else the file itself is on standard output
        print_json({"file": str(out), "bytes": count})
    return Exit.OK


def _asked(
    first: date | None, last: date | None, registers: Sequence[str], interval_s: int, label: str
) -> Asked:
    if first is None or last is None or last < first:
        raise LocalError("readings need --from and --to, such as --from 2026-03-01 --to 2026-03-31")
    return Asked(first, last, interval_s, [parse_register(each) for each in registers], label=label)


@contextmanager
def _snapshot(settings: headend_config.Config) -> Iterator[Connection]:
    database = Database(settings.headend.store)
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()


def _tables(connection: Connection, what: str, *, empty: bool) -> list[Table]:
    if what in HISTORY:
        return [history_table(connection, what)]
    if empty:
        return [template(each) for each in KINDS.values() if what in {"archive", each.name}]
    if what == "archive":
        return archive_tables(connection)
    return [kind_table(connection, KINDS[what])]


@contextmanager
def _target(out: Path | None) -> Iterator[BinaryIO]:
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        with out.open("wb") as file:
            yield file
    except OSError as error:
        raise LocalError(f"{out} cannot be written: {error.strerror}") from error


@contextmanager
def _imports(config: Path) -> Iterator[Imports]:
    settings = headend_config.load(config)
    days = Days(ZoneInfo(settings.headend.zone))
    store = Store(Database(settings.headend.store), days, settings)

    async def renewed() -> None:
        """No front is here; that of a running head-end follows by itself."""

    try:
        yield Imports(ArchiveDesk(store, SystemClock(), in_place, renewed), alone=False)
    finally:
        store.close()


async def _imported(imports: Imports, file: Path, kind: str, *, dry_run: bool) -> ImportJob:
    number = await imports.submit(_content(file), kind=kind, file_name=file.name, by=WHO)
    await imports.work_off()
    if not dry_run and _job(imports, number).state is JobState.READY:
        await imports.apply(number, WHO)
        await imports.work_off()
    return _job(imports, number)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error


def _job(imports: Imports, number: int) -> ImportJob:
    found = imports.job(number)
    if found is None:
        raise LocalError(f"there is no import {number}")
    return found


def _shown(
    imports: Imports, job: ImportJob, *, json: bool, language: Literal["en", "zh"] | None
) -> int:
    chosen = pick_language(language)
    words = WORDS[chosen]
    problems = imports.errors(job.id) if job.errors else []
    told: Sequence[dict[str, Any]] = [
        {
            "sheet": each.sheet,
            "row": each.row,
            "column": each.column,
            "what": each.what(chosen),
            "advice": each.advice(chosen),
        }
        for each in problems
    ]
    if json:
        print_json({**asdict(job), "state": job.state.value, "problems": told})
    elif told:
        complain(words["refused"].format(errors=job.errors))
        names = ("sheet", "row", "column", "what", "advice")
        print_table(
            [words[each] for each in names], [[str(row[each]) for each in names] for row in told]
        )
    else:
        say(words[job.state.value].format(**asdict(job)))
    return Exit.NO if told else Exit.OK
