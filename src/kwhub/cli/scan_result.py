"""What a scan has found: a table, JSON, and settings for a concentrator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kwhub.cli.output import EN, Language, print_table, say
from kwhub.exchange.scan import Census, FoundMeter, Reason

__all__ = ["Rate", "as_json", "as_toml", "show"]

HEADINGS = {
    "en": ("address", "protocol", "baud", "phases", "energy kWh", "delay ms", "attempts"),
    "zh": ("表号", "规约", "波特率", "相数", "电能 kWh", "应答延时 ms", "询问次数"),
}
REASONS_ZH = {
    Reason.SAME_ADDRESS: "两块表地址相同，或线路受干扰",
    Reason.NOBODY_BELOW: "应答冲突，但下级各分支均无应答",
    Reason.NO_WILDCARDS: "有多块只识别广播地址的表",
}


@dataclass(slots=True)
class Rate:
    """The scan of a line at one speed."""

    link: str
    baud: int | None
    census: Census
    phases: dict[str, int] = field(default_factory=dict)
    bytes_out: int = 0
    bytes_in: int = 0


def _meters(rates: Iterable[Rate]) -> list[tuple[Rate, FoundMeter]]:
    return [
        (rate, rate.census.meters[address])
        for rate in rates
        for address in sorted(rate.census.meters)
    ]


def _delay_ms(meter: FoundMeter) -> int | None:
    return None if meter.delay_s is None else round(meter.delay_s * 1000)


def show(rates: Sequence[Rate], language: Language) -> None:
    """A table of the meters, then what stays open, then what it has cost."""
    rows = [
        (
            meter.address,
            meter.edition.value,
            "" if rate.baud is None else str(rate.baud),
            str(rate.phases.get(meter.address, "")),
            "" if meter.energy_kwh is None else str(meter.energy_kwh),
            str(_delay_ms(meter) or ""),
            str(meter.attempts),
        )
        for rate, meter in _meters(rates)
    ]
    if rows:
        print_table(HEADINGS[language], rows, right=(2, 3, 4, 5, 6))
    for rate in rates:
        _show_trouble(rate, language)
    asked = sum(rate.census.probes for rate in rates)
    met = sum(rate.census.collisions for rate in rates)
    carried = sum(rate.bytes_out + rate.bytes_in for rate in rates)
    if language == EN:
        say(f"meters: {len(rows)}; questions: {asked}; collisions: {met}; bytes: {carried}")
    else:
        say(f"共 {len(rows)} 块表；询问 {asked} 次，冲突 {met} 次，收发 {carried} 字节")


def _show_trouble(rate: Rate, language: Language) -> None:
    english = language == EN
    for branch in rate.census.unresolved:
        reason = branch.reason.value if english else REASONS_ZH[branch.reason]
        say(f"! {branch.pattern} ({branch.edition.value}): {reason}")
    if rate.census.strays:
        words = (
            "frames that answer nothing: another master, or late answers",
            "帧不是应答：线上有其他主站，或应答过迟",
        )
        say(f"! {rate.census.strays} {words[0] if english else words[1]}")
    if not rate.census.complete:
        say(
            f"! {rate.link}: the scan did not come to its end"
            if english
            else f"! {rate.link}：搜索未完成"
        )


def as_json(link: str, rates: Sequence[Rate]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "link": link,
        "complete": all(rate.census.complete for rate in rates),
        "meters": [
            {
                "address": meter.address,
                "protocol": meter.edition.value,
                "baud": rate.baud,
                "phases": rate.phases.get(meter.address),
                "energy_kwh": None if meter.energy_kwh is None else str(meter.energy_kwh),
                "answer_delay_ms": _delay_ms(meter),
                "attempts": meter.attempts,
            }
            for rate, meter in _meters(rates)
        ],
        "unresolved": [
            {
                "pattern": branch.pattern,
                "protocol": branch.edition.value,
                "baud": rate.baud,
                "reason": branch.reason.name.lower(),
            }
            for rate in rates
            for branch in rate.census.unresolved
        ],
        "rates": [
            {
                "link": rate.link,
                "baud": rate.baud,
                "questions": rate.census.probes,
                "collisions": rate.census.collided,
                "strays": rate.census.strays,
                "bytes_out": rate.bytes_out,
                "bytes_in": rate.bytes_in,
            }
            for rate in rates
        ],
    }


def as_toml(rates: Sequence[Rate], quirks: Sequence[str] = ()) -> str:
    """A ``[[bus]]`` with its meters for the settings of a concentrator, for each speed with meters.

    Args:
        rates: what was found.
        quirks: of the makers of the meters on this line.
    """
    lines: list[str] = []
    done: set[str] = set()  # a meter that was found at two speeds is settled at the first
    for number, rate in enumerate((rate for rate in rates if rate.census.meters), start=1):
        lines += [
            "[[bus]]",
            f'name = "bus-{number}"',
            f"address = {msgspec.json.encode(rate.link).decode()}",
            f"port = {number}",
            *([] if rate.baud is None else [f"baud = {rate.baud}"]),
            *([f'quirk = "{" ".join(quirks)}"'] if quirks else []),
            "",
        ]
        for _, meter in _meters([rate]):
            if meter.address in done:
                continue
            done.add(meter.address)
            lines += [
                "[[bus.meter]]",
                f'address = "{meter.address}"',
                f"point = {len(done)}",
                f"phases = {rate.phases.get(meter.address, 1)}",
                f'protocol = "{meter.edition.value}"',
                "",
            ]
        if not rate.census.complete:
            lines.append("# the scan did not come to its end: more meters, other phases may follow")
        lines += [
            f"# not told apart: {branch.pattern} ({branch.edition.value})"
            for branch in rate.census.unresolved
        ]
    return "\n".join(lines) + "\n" if lines else ""
