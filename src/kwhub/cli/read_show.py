"""Rows of a meter for people (a table), for programs (JSON) and for spreadsheets (CSV)."""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.progress import Progress

from kwhub.cli.output import EN, Language, console, print_table, say
from kwhub.cli.read_rows import Row, Told

__all__ = ["NO_VALUE", "as_json", "name_of", "print_csv", "progress", "said", "show", "time_text"]

HEADINGS = {
    "en": ("register", "name", "value", "unit", "identifier"),
    "zh": ("寄存器", "名称", "数值", "单位", "数据标识"),
}
NO_VALUE = {"en": "no value", "zh": "无数据"}
CSV_COLUMNS = ("time", "meter", "register", "identifier", "name", "value", "unit", "error")
REST = {
    "en": {
        "empty": "values that the meter leaves empty: {count}",
        "absent": "not there ({count}): {items}",
    },
    "zh": {"empty": "电表未填写的数据：{count} 项", "absent": "该表没有（{count} 项）：{items}"},
}
READING = {"en": "reading", "zh": "抄读"}


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def name_of(row: Row, language: Language) -> str:
    """The name of the value in the language."""
    return row.name if language == EN else row.name_zh


def said(row: Row, language: Language) -> str:
    """The value as text, or why there is none."""
    if row.error is not None:
        return str(row.error)
    return NO_VALUE[language] if row.value is None else str(row.value)


def as_json(
    address: str, rows: Sequence[Row], line: Mapping[str, Any], *, all_of_them: bool
) -> dict[str, object]:
    """One reading of one meter for programs.

    Args:
        address: of the meter.
        rows: what came.
        line: how line and meter behave.
        all_of_them: what is absent was asked for by name; else it has a list of its own.
    """
    shown = [row for row in rows if all_of_them or not row.is_absent]
    absent = [row for row in rows if not all_of_them and row.is_absent]
    return {
        "meter": address,
        "time": time_text(rows[-1].at) if rows else None,
        "registers": [
            {
                "register": row.register,
                "alias": row.alias,
                "name": row.name,
                "name_zh": row.name_zh,
                "value": None if row.value is None else str(row.value),
                "unit": row.unit,
                "identifier": row.identifier,
                "error": None if row.error is None else str(row.error),
                "raw": [raw.hex(" ").upper() for raw in row.raw],
            }
            for row in shown
        ],
        "absent": [
            {
                "identifier": row.identifier,
                "name": row.name,
                "name_zh": row.name_zh,
                "error": str(row.error),
            }
            for row in absent
        ],
        "line": line,
    }


def print_csv(address: str, rows: Sequence[Row], language: Language, *, heading: bool) -> None:
    """One line a value, at once on its way to whoever reads."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if heading:
        writer.writerow(CSV_COLUMNS)
    writer.writerows(
        (
            time_text(row.at),
            address,
            row.register or "",
            row.identifier,
            name_of(row, language),
            "" if row.value is None else str(row.value),
            row.unit,
            "" if row.error is None else str(row.error),
        )
        for row in rows
    )
    sys.stdout.flush()


def show(rows: Sequence[Row], language: Language, *, all_of_them: bool) -> None:
    """A table; what was not asked for by name and is not there is listed below it."""
    shown = [
        row for row in rows if all_of_them or not (row.is_absent or row.value is None is row.error)
    ]
    print_table(
        HEADINGS[language],
        [
            (
                str(row.register or ""),
                name_of(row, language),
                said(row, language),
                "" if row.value is None else row.unit,
                row.identifier,
            )
            for row in shown
        ],
        right=(2,),
        whole=(0, 4),
    )
    _show_rest([row for row in rows if row not in shown], language)


def _show_rest(rows: Sequence[Row], language: Language) -> None:
    words = REST[language]
    empty = [row for row in rows if not row.is_absent]
    if empty:
        say("\n" + words["empty"].format(count=len(empty)))
    absent = [row.identifier for row in rows if row.is_absent]
    if absent:
        say("\n" + words["absent"].format(count=len(absent), items=" ".join(absent)))


@contextmanager
def progress(language: Language) -> Iterator[Told | None]:
    """A bar on standard error while that is a terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    with Progress(console=screen, transient=True) as bar:
        task = bar.add_task(READING[language], total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
