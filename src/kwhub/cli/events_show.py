"""Events of a meter for people, for programs and for spreadsheets."""

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwhub.cli.changing import error_text
from kwhub.cli.output import EN, Language, print_table, say
from kwhub.domain.errors import Refusal
from kwhub.exchange.events import EVENTS, EventLog, EventRecord
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.families import Kind
from kwhub.protocols.dlt645.items import Value, find, identifier_text

__all__ = ["Happened", "as_json", "print_csv", "show", "times_of"]

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
PHASES = {1: "A", 2: "B", 3: "C"}
WORDS_MAX = 3
"""So many values of a record stand in its line; the rest is counted."""

HEADINGS = {
    "en": ("event", "no.", "from", "until", "with"),
    "zh": ("事件", "序号", "发生时刻", "结束时刻", "内容"),
}
COUNTS = {"en": ("event", "count", "value"), "zh": ("事件", "计数", "数值")}
CSV_COLUMNS = (
    "meter", "event", "name", "record", "from", "until", "identifier", "value_name", "value", "unit", "error",
)  # fmt: skip
WORDS = {
    "en": {
        "more": "and {count} more values",
        "bytes": "{count} bytes that no table explains",
        "none": "kinds that have never happened: {count}",
        "missing": "the meter does not keep: {names}",
    },
    "zh": {
        "more": "另有 {count} 项数据",
        "bytes": "{count} 字节，标准未给出格式",
        "none": "从未发生的事件：{count} 类",
        "missing": "该表不记录：{names}",
    },
}


@dataclass(frozen=True, slots=True)
class Happened:
    """What a meter has recorded."""

    address: str
    logs: Sequence[EventLog]
    line: Mapping[str, Any]


def times_of(record: EventRecord) -> tuple[str, str]:
    """When it began and when it ended, as the meter's clock said; empty where it does not say."""
    times = [str(value.value) for value in record.values if TIME.fullmatch(str(value.value))]
    return (times[0] if times else "", times[1] if len(times) > 1 else "")


def show(found: Happened, language: Language, *, details: bool, by_name: bool) -> None:
    """The counts that are not nothing, a line for each record, and what there is not."""
    counted = [log for log in found.logs if by_name or _has_happened(log)]
    counts = [
        (_name(log, language), _said(value, language), _with_unit(value))
        for log in counted
        for value in log.counters
        if by_name or value.value
    ]
    if counts:
        print_table(COUNTS[language], counts, right=(2,))
    records = [(log, record) for log in found.logs for record in log.records]
    if records:
        say("")
        lines = [_line(log, record, language) for log, record in records]
        print_table(HEADINGS[language], lines, right=(1,), whole=(2, 3))
    if details:
        _show_details(records, language)
    _show_rest(found, language)


def _show_details(records: Sequence[tuple[EventLog, EventRecord]], language: Language) -> None:
    for log, record in records:
        name, number, *_ = _line(log, record, language)
        say(f"\n{name} {number}")
        rows = [(_said(value, language), _with_unit(value)) for value in record.values]
        print_table(("", ""), rows, right=(1,))


def _show_rest(found: Happened, language: Language) -> None:
    words = WORDS[language]
    never = sum(log.error is None and not _has_happened(log) for log in found.logs)
    if never:
        say("\n" + words["none"].format(count=never))
    refused = [log for log in found.logs if isinstance(log.error, Refusal) and not log.counters]
    if refused:
        comma = ", " if language == EN else "、"
        say(words["missing"].format(names=comma.join(_name(log, language) for log in refused)))
    for log in found.logs:
        if log.error is not None and log not in refused:
            say(f"! {_name(log, language)}: {error_text(log.error, Edition.E2007, language)}")


def _has_happened(log: EventLog) -> bool:
    return bool(log.records) or any(value.value for value in log.counters)


def _line(log: EventLog, record: EventRecord, language: Language) -> tuple[str, str, str, str, str]:
    phase = _phase(log, record)
    name = _name(log, language) + (f" {phase}" if phase else "")
    begin, end = times_of(record)
    return (name, str(record.identifier & 0xFF), begin, end, _contents(record, language))


def _contents(record: EventRecord, language: Language) -> str:
    item = find(record.identifier)
    if item is not None and item.kind is Kind.OPAQUE:
        return WORDS[language]["bytes"].format(count=len(str(record.values[0].value)) // 2)
    values = [
        value
        for value in record.values
        if value.value is not None and not TIME.fullmatch(str(value.value))
    ]
    said = [f"{_short(value, language)} {_with_unit(value)}" for value in values[:WORDS_MAX]]
    if len(values) > WORDS_MAX:
        said.append(WORDS[language]["more"].format(count=len(values) - WORDS_MAX))
    return ("; " if language == EN else "；").join(said)


def _phase(log: EventLog, record: EventRecord) -> str:
    """Which of the series of its kind a record belongs to."""
    series = EVENTS[log.kind].series
    base = record.identifier & ~0xFF
    places = [place for place, each in enumerate(series, 1) if base in (each.base, each.fields)]
    if len(series) == 1 or not places:
        return ""
    return PHASES[places[0]] if len(series) == len(PHASES) else str(places[0])


def _name(log: EventLog, language: Language) -> str:
    kind = EVENTS[log.kind]
    return kind.name_en if language == EN else kind.name_zh


def _said(value: Value, language: Language) -> str:
    return value.name_en if language == EN else value.name_zh


def _short(value: Value, language: Language) -> str:
    """The name of a value without that of its record, which stands before it."""
    name = _said(value, language)
    if language == EN:
        return re.split(r"last[,:] ", name, maxsplit=1)[-1]
    return name.partition(")")[2] or name


def _with_unit(value: Value) -> str:
    return "-" if value.value is None else f"{value.value} {value.unit}".rstrip()


def as_json(found: Happened) -> dict[str, Any]:
    """The same for programs."""
    return {
        "meter": found.address,
        "events": [
            {
                "event": log.kind,
                "name": EVENTS[log.kind].name_en,
                "name_zh": EVENTS[log.kind].name_zh,
                "counters": [_plain(value) for value in log.counters],
                "records": [_record(log, record) for record in log.records],
                "error": None if log.error is None else str(log.error),
            }
            for log in found.logs
        ],
        "line": found.line,
    }


def _record(log: EventLog, record: EventRecord) -> dict[str, Any]:
    begin, end = times_of(record)
    return {
        "identifier": identifier_text(record.identifier),
        "number": record.identifier & 0xFF,
        "phase": _phase(log, record) or None,
        "from": begin or None,
        "until": end or None,
        "values": [_plain(value) for value in record.values],
        "raw": list(record.raw),
    }


def _plain(value: Value) -> dict[str, Any]:
    return {
        "name": value.name_en,
        "name_zh": value.name_zh,
        "value": None if value.value is None else str(value.value),
        "unit": value.unit,
    }


def print_csv(found: Happened, language: Language) -> None:
    """One line a value; counters are record 0."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for log in found.logs:
        writer.writerows((found.address, log.kind, *row) for row in _csv_rows(log, language))
    sys.stdout.flush()


def _csv_rows(log: EventLog, language: Language) -> Iterator[tuple[str, ...]]:
    name = _name(log, language)
    for value in log.counters:
        yield (name, "0", "", "", *_cells(value, language))
    for record in log.records:
        line, number, begin, end, _ = _line(log, record, language)
        for value in record.values:
            yield (line, number, begin, end, *_cells(value, language))
    if log.error is not None:
        error = error_text(log.error, Edition.E2007, language)
        yield (name, "", "", "", identifier_text(EVENTS[log.kind].counter), "", "", "", error)


def _cells(value: Value, language: Language) -> tuple[str, ...]:
    shown = "" if value.value is None else str(value.value)
    return (value.identifier, _said(value, language), shown, value.unit, "")
