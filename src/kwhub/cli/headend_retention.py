"""``kwhub headend retention``: what the settings let go, before it goes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from kwhub.cli.output import Exit, JsonFlag, LanguageOption, pick_language, print_json, say
from kwhub.headend import config as headend_config
from kwhub.headend.choices import in_force
from kwhub.headend.retention import Going, due
from kwhub.headend.store.database import Database
from kwhub.headend.store.days import Days
from kwhub.runtime.clock import SystemClock

__all__ = ["show_retention"]

Config: TypeAlias = Annotated[Path, Parameter(help="The settings of the head-end, a TOML file.")]

WORDS: Mapping[str, Mapping[str, object]] = {
    "en": {
        "all": "Everything is kept: neither the settings file nor the settings page lets anything go.",
        "line": "{kind}: {rows} rows before {before} would go ({days} days are kept){first}{size}.",
        "first": ", the oldest of {first}",
        "size": ", {size} bytes",
        "stays": "  {rows} rows as old stay: {why}.",
        "kinds": {
            "curves": "Curves",
            "freezes": "Day freezes",
            "events": "Events",
            "sessions": "Connections",
        },
        "why": {
            "billed": "a statement names their day",
            "unchecked": "their day is not validated yet",
            "edited": "somebody edited them",
        },
    },
    "zh": {
        "all": "全部保留：配置文件和设置页面均未设定保留期限。",
        "line": "{kind}：{before} 之前的 {rows} 行将被删除（保留 {days} 天）{first}{size}。",
        "first": "，最早为 {first}",
        "size": "，共 {size} 字节",
        "stays": "  另有 {rows} 行虽已过期但保留：{why}。",
        "kinds": {
            "curves": "曲线",
            "freezes": "日冻结",
            "events": "事件",
            "sessions": "连接记录",
        },
        "why": {
            "billed": "账单引用了该日",
            "unchecked": "该日尚未校验",
            "edited": "有人修改过",
        },
    },
}


async def show_retention(
    config: Config, *, json: JsonFlag = False, lang: LanguageOption = None
) -> int:
    """Show what would go today by the table [retention] of the settings, or by what was chosen on the page; nothing goes.

    The head-end drops it once a day while it runs, and notes it in the audit trail. Example:

        kwhub headend retention headend.toml
    """
    settings = headend_config.load(config)
    database = Database(settings.headend.store)
    try:
        days = Days(ZoneInfo(settings.headend.zone))
        with database.read() as connection:
            kept = in_force(connection, settings).retention
            found = due(connection, kept, days, SystemClock().now())
    finally:
        database.close()
    if json:
        print_json([_row(each) for each in found])
    else:
        _tell(found, WORDS[pick_language(lang)])
    return Exit.OK


def _row(each: Going) -> dict[str, object]:
    return {
        "kind": each.kind,
        "days": each.days,
        "before": str(each.before),
        "rows": each.rows,
        "bytes": each.size,
        "first": None if each.first is None else str(each.first),
        "stays": dict(each.stays),
    }


def _tell(found: list[Going], words: Mapping[str, object]) -> None:
    def told(key: str, **values: object) -> str:
        return str(words[key]).format(**values)

    def named(table: str, key: str) -> str:
        names = words[table]
        return str(names[key]) if isinstance(names, dict) else key

    if not found:
        say(told("all"))
    for each in found:
        first = told("first", first=each.first) if each.first is not None else ""
        size = told("size", size=each.size) if each.size else ""
        line = {"rows": each.rows, "before": each.before, "days": each.days}
        say(told("line", kind=named("kinds", each.kind), first=first, size=size, **line))
        for why, rows in each.stays.items():
            say(told("stays", rows=rows, why=named("why", why)))
