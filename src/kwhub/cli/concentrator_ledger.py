"""``kwhub concentrator ledger``: what should have been read, what came, and why the rest is missing."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter

from kwhub.cli.output import (
    EN,
    Exit,
    JsonFlag,
    Language,
    LanguageOption,
    pick_language,
    print_json,
    print_table,
    say,
)
from kwhub.concentrator import config as concentrator_config
from kwhub.concentrator.ledger import LedgerBook, LedgerLine, Outline, open_to_read
from kwhub.concentrator.ledger_causes import CAUSES, Cause
from kwhub.concentrator.served_task_views import TaskView, reports_waiting, task_views
from kwhub.concentrator.times import day_of
from kwhub.domain.errors import LocalError
from kwhub.runtime.clock import SystemClock

__all__ = ["show_ledger", "store_of"]

_SQLITE = b"SQLite format 3\0"
_DAYS = 7
_PENDING = frozenset({Cause.NOT_YET})


def show_ledger(
    path: Path,
    *,
    first: date | None = None,
    last: date | None = None,
    point: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    each: Annotated[bool, Parameter(negative="")] = False,
    zone: str = "Asia/Shanghai",
    json: JsonFlag = False,
    language: LanguageOption = None,
) -> int:
    """Show what a concentrator should have read, what came, and why the rest is missing; and its report tasks.

    The store is only read; the service may be running. Exit code 1: something is missing. Example:

        kwhub concentrator ledger concentrator.toml --first 2026-03-01 --each

    Parameters
    ----------
    path
        The settings of the concentrator, or its store.
    first
        First day; by default a week before the last one.
    last
        Last day; by default the day of the last value that was settled.
    point
        Only these measuring points.
    each
        Every missing value by itself.
    zone
        Time zone of a store that is given without settings.
    """
    store, where = store_of(path, zone)
    with closing(open_to_read(str(store))) as database:
        book = LedgerBook(database, where)
        span = book.days()
        if span is None:
            raise LocalError(f"{store}: nothing was planned yet")
        last = last or day_of(span[1], where)
        first = first or max(day_of(span[0], where), last - timedelta(days=_DAYS - 1))
        now = int(SystemClock().now().timestamp())
        lines = list(book.lines(first, last, max(now, span[1]), point))
        tasks, waiting = task_views(database), reports_waiting(database)
    lacking = any(missing.cause not in _PENDING for line in lines for missing in line.missing)
    if json:
        print_json(_as_json(lines, each=each) | _tasks_as_json(tasks, waiting))
    else:
        _print(lines, pick_language(language), where, each=each)
        say("\n".join(_of_tasks(tasks, waiting, where, english=pick_language(language) == EN)))
    return Exit.NO if lacking else Exit.OK


def store_of(path: Path, zone: str) -> tuple[Path, ZoneInfo]:
    """The store and its zone, from the store itself or from the settings."""
    with path.open("rb") as file:
        is_store = file.read(len(_SQLITE)) == _SQLITE
    if not is_store:
        identity = concentrator_config.load(path).concentrator
        return Path(identity.store), identity.tzinfo
    try:
        return path, ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LocalError(f"{zone!r} is no time zone such as Asia/Shanghai") from None


def _as_json(lines: Iterable[LedgerLine], *, each: bool) -> dict[str, Any]:
    lines = list(lines)
    total = Outline.of(lines)
    return {
        "expected": total.expected,
        "got": total.got,
        "completeness": round(total.completeness, 6),
        "causes": total.causes,
        "lines": [
            {
                "point": line.point,
                "day": line.day.isoformat(),
                "series": line.series,
                "expected": line.expected,
                "got": line.got,
                "open": line.open,
                "lost": line.lost,
                "causes": line.causes,
            }
            | ({"missing": [_one(missing) for missing in line.missing]} if each else {})
            for line in lines
        ],
    }


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _one(missing: Any) -> dict[str, Any]:
    slot = missing.slot
    return {
        "register": slot.register,
        "at": _moment(slot.at),
        "state": missing.state,
        "cause": missing.cause,
        "attempts": missing.attempts,
    }


def _tasks_as_json(tasks: Iterable[TaskView], waiting: int) -> dict[str, Any]:
    found = [
        {
            "class": task.data_class,
            "task": task.number,
            "period": task.period_en,
            "last_run": None if task.last_run is None else _moment(task.last_run),
        }
        for task in tasks
    ]
    return {"tasks": found, "task_reports_waiting": waiting}


def _of_tasks(
    tasks: Iterable[TaskView], waiting: int, zone: ZoneInfo, *, english: bool
) -> Iterator[str]:
    """One line for each report task of the head-end, and one for their reports that wait."""
    for task in tasks:
        run = task.last_run
        at = "-" if run is None else f"{datetime.fromtimestamp(run, zone):%Y-%m-%d %H:%M}"
        yield (
            f"Report task {task.number}, class {task.data_class}: every {task.period_en}, last run {at}"
            if english
            else f"{task.data_class}类上报任务{task.number}：周期{task.period_zh}，上次执行 {at}"
        )
    if waiting:
        yield (
            f"Reports of tasks that wait: {waiting}" if english else f"待上报的任务报告：{waiting}"
        )


def _print(lines: list[LedgerLine], language: Language, zone: ZoneInfo, *, each: bool) -> None:
    english = language == EN
    say(_sentence(Outline.of(lines), english=english))
    headings = (
        ("Point", "Day", "Series", "Expected", "Got", "Open", "Lost", "Why")
        if english
        else ("测量点", "日期", "数据", "应抄", "实抄", "待补", "丢失", "原因")
    )
    print_table(
        headings,
        (
            (
                str(line.point),
                line.day.isoformat(),
                line.series,
                str(line.expected),
                str(line.got),
                str(line.open),
                str(line.lost),
                _why(line, english=english),
            )
            for line in lines
        ),
        right=(0, 3, 4, 5, 6),
    )
    for missing in (missing for line in lines if each for missing in line.missing):
        slot = missing.slot
        at = datetime.fromtimestamp(slot.at, zone)
        words = CAUSES[missing.cause][0 if english else 1]
        say(f"{slot.point}  {slot.register}  {at:%Y-%m-%d %H:%M}  {missing.state}  {words}")


def _sentence(total: Outline, *, english: bool) -> str:
    part = f"{total.completeness:.2%}"
    if english:
        return f"{total.got} of {total.expected} values, {part}"
    return f"应抄 {total.expected}，实抄 {total.got}，完整率 {part}"


def _why(line: LedgerLine, *, english: bool) -> str:
    words = (
        f"{CAUSES[cause][0 if english else 1]}: {count}" for cause, count in line.causes.items()
    )
    return ", ".join(words) if english else "，".join(words)
