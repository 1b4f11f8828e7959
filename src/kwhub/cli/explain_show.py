"""Overheard traffic for people and for programs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from kwhub.catalog.decoding import explain
from kwhub.cli.output import EN, Language, print_table, say
from kwhub.exchange.traffic import Entry
from kwhub.exchange.traffic_statistics import MeterStatistics, Statistics, percentile

__all__ = ["as_json", "show"]

NOISE_BYTES_SHOWN = 24
"""Bytes of a run of noise that are printed; the whole is in the JSON."""

KINDS_ZH: Mapping[str, str] = {
    "noise": "没有起始符68",
    "preamble_only": "只有唤醒字节FE",
    "second_start_missing": "缺少第二个68",
    "length_too_large": "数据长度超过200",
    "truncated": "帧不完整",
    "end_missing": "缺少结束符16",
    "checksum_mismatch": "校验和错误",
}
WORDS = {
    "en": {
        "no_answer": "no answer",
        "no_value": "no value",
        "stray": "answers nothing that was heard",
        "late": "late",
        "echo": "echo",
        "repeats": "says #{} again",
        "answers": "answers #{}",
        "all": "for all meters",
        "bytes": "{} bytes",
    },
    "zh": {
        "no_answer": "无应答",
        "no_value": "无数据",
        "stray": "没有对应的请求",
        "late": "迟到",
        "echo": "回波",
        "repeats": "重发 #{}",
        "answers": "应答 #{}",
        "all": "广播",
        "bytes": "{} 字节",
    },
}
HEADINGS = {
    "en": ("meter", "asked", "again", "answers", "refused", "silent", "p50 ms", "p95 ms"),
    "zh": ("表号", "请求", "重发", "应答", "否认", "无应答", "延时 p50 ms", "p95 ms"),
}
TOTAL = {"en": "all", "zh": "合计"}


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f}"


def show(
    entries: Sequence[Entry], figures: Statistics, language: Language, *, every_byte: bool
) -> None:
    """A line for each entry, its values below it, and the statistics at the end."""
    for entry in entries:
        say(_line(entry, language))
        if every_byte:
            say(explain(entry.raw).render(language))
        for text in _values(entry, language):
            say(f"        = {text}")
        error = entry.decoded.error if entry.decoded is not None else None
        if error is not None:
            say(f"        ! {error.kind}: {error}")
    if entries:
        say("")
    _show_statistics(figures, language)


def _line(entry: Entry, language: Language) -> str:
    gap = "" if entry.gap_s is None else f"+{entry.gap_s:.3f}"
    at = "" if entry.at is None else f"{entry.at.astimezone(UTC):%H:%M:%S.%f}"[:-3] + "Z"
    words = _noise(entry, language) if entry.frame is None else _frame(entry, language)
    return f"#{entry.number:<5} {at:13} {gap:>8}  {words}".rstrip()


def _noise(entry: Entry, language: Language) -> str:
    why = entry.detail if language == EN else KINDS_ZH.get(entry.kind, entry.kind)
    shown = entry.raw[:NOISE_BYTES_SHOWN].hex(" ").upper()
    more = " ..." if len(entry.raw) > NOISE_BYTES_SHOWN else ""
    count = WORDS[language]["bytes"].format(len(entry.raw))
    return f"x  {count}: {why}: {shown}{more}"


def _frame(entry: Entry, language: Language) -> str:
    fields = {} if entry.decoded is None else entry.decoded.frame
    english = language == EN
    arrow = "<-" if entry.is_answer else "->"
    name = fields.get("function" if english else "function_zh", "")
    errors = fields.get("errors" if english else "errors_zh", ())
    parts = [
        arrow,
        str(fields.get("address", "")),
        str(fields.get("control", "")),
        str(name),
        fields.get("identifier") or "",
        ", ".join(errors),
    ]
    relation = _relation(entry, language)
    said = " ".join(part for part in parts if part)
    return f"{said}  ({relation})" if relation else said


def _relation(entry: Entry, language: Language) -> str:
    """Whom an entry answers, or that it stays without answer."""
    words = WORDS[language]
    parts: list[str] = []
    if entry.echo:
        parts.append(words["echo"])
    elif entry.is_answer:
        partner = entry.partner
        parts.append(words["stray"] if partner is None else words["answers"].format(partner))
        if entry.delay_s is not None:
            parts.append(f"{_ms(entry.delay_s)} ms")
        if entry.late:
            parts.append(words["late"])
    else:
        if entry.repeats is not None:
            parts.append(words["repeats"].format(entry.repeats))
        if not entry.expects_answer:
            parts.append(words["all"])
        elif entry.partner is None:
            parts.append(words["no_answer"])
    return ", ".join(parts)


def _values(entry: Entry, language: Language) -> Iterator[str]:
    for value in () if entry.decoded is None else entry.decoded.values:
        name = value.name if language == EN else value.name_zh
        said = WORDS[language]["no_value"] if value.value is None else value.value
        yield f"{name}: {said} {value.unit}".rstrip()


def _show_statistics(figures: Statistics, language: Language) -> None:
    english = language == EN
    seconds = "" if figures.seconds is None else f"{figures.seconds:.1f} s, "
    say(
        f"{seconds}{figures.bytes} bytes, {figures.frames} frames, {figures.echoes} echoes,"
        f" {figures.stray_answers} stray and {figures.late_answers} late answers"
        if english
        else f"{seconds}{figures.bytes} 字节，{figures.frames} 帧，回波 {figures.echoes}，"
        f"无请求的应答 {figures.stray_answers}，迟到的应答 {figures.late_answers}"
    )
    for kind, count in figures.discarded.most_common():
        say(f"x {count} {kind if english else KINDS_ZH.get(kind, kind)}")
    for kind, count in figures.errors.most_common():
        say(f"! {count} {kind}")
    meters = [*sorted(figures.meters.items())]
    if len(meters) > 1:
        meters.append((TOTAL[language], figures.total))
    rows = [
        (
            address,
            str(each.requests),
            str(each.repeats),
            str(each.answers),
            str(each.refusals),
            str(each.unanswered),
            _ms(percentile(each.delays_s, 50)),
            _ms(percentile(each.delays_s, 95)),
        )
        for address, each in meters
    ]
    if rows:
        print_table(HEADINGS[language], rows, right=range(1, 8))


def as_json(entries: Sequence[Entry], figures: Statistics, language: Language) -> dict[str, Any]:
    """Entries and statistics for programs."""
    return {
        "entries": [_entry_json(entry, language) for entry in entries],
        "statistics": {
            "seconds": figures.seconds,
            "bytes": figures.bytes,
            "frames": figures.frames,
            "requests": figures.requests,
            "announcements": figures.announcements,
            "echoes": figures.echoes,
            "stray_answers": figures.stray_answers,
            "late_answers": figures.late_answers,
            "discarded": dict(figures.discarded),
            "discarded_bytes": figures.discarded_bytes,
            "errors": dict(figures.errors),
            "total": _meter_json(figures.total),
            "meters": {
                address: _meter_json(each) for address, each in sorted(figures.meters.items())
            },
        },
    }


def _entry_json(entry: Entry, language: Language) -> dict[str, Any]:
    decoded = entry.decoded
    error = None if decoded is None else decoded.error
    return {
        "number": entry.number,
        "at": None if entry.at is None else entry.at.astimezone(UTC).isoformat(),
        "t": entry.starts_s,
        "gap_s": entry.gap_s,
        "side": entry.side,
        "raw": entry.raw,
        "discarded": {"kind": entry.kind, "detail": entry.detail} if entry.kind else None,
        "frame": None if decoded is None else decoded.frame,
        "error": None if error is None else {"kind": error.kind, "detail": error.detail},
        "values": [
            {
                "register": value.register,
                "identifier": value.identifier,
                "name": value.name if language == EN else value.name_zh,
                "value": None if value.value is None else str(value.value),
                "unit": value.unit,
            }
            for value in (() if decoded is None else decoded.values)
        ],
        "echo": entry.echo,
        "partner": entry.partner,
        "repeats": entry.repeats,
        "delay_s": entry.delay_s,
        "late": entry.late,
    }


def _meter_json(each: MeterStatistics) -> dict[str, Any]:
    return {
        "requests": each.requests,
        "repeats": each.repeats,
        "answers": each.answers,
        "refusals": each.refusals,
        "unanswered": each.unanswered,
        "delay_p50_s": percentile(each.delays_s, 50),
        "delay_p95_s": percentile(each.delays_s, 95),
    }
