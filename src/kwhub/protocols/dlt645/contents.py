"""What the fields of commands mean: times, rates, relay orders, outputs, permission levels.

Each function takes the bytes of one field (offset removed, order of the wire) and never fails.

Source: DL/T 645-2007, clause 7 and annex (control codes 08, 14 to 1D); relay status word: single
source.
"""

from itertools import takewhile
from typing import Final, NamedTuple

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.addresses import (
    BROADCAST,
    address_text,
    is_plain,
    is_wellformed,
    is_wildcard,
)
from kwhub.protocols.dlt645.times import wall_time

__all__ = [
    "OUTPUTS",
    "RATES_2007",
    "RELAY_COMMANDS",
    "RELAY_STATUS",
    "RESTORE_STEP_MINUTES",
    "Meaning",
    "address",
    "event_kind",
    "expiry",
    "freeze_time",
    "level",
    "number",
    "output",
    "password",
    "plain_hex",
    "rate_2007",
    "relay_order",
    "relay_status",
    "time",
]


class Meaning(NamedTuple):
    """A field in words. ``problem`` is the key of what is wrong with it, empty when nothing is."""

    english: str
    chinese: str
    problem: str = ""


RATES_2007: Final = {0x02: 600, 0x04: 1200, 0x08: 2400, 0x10: 4800, 0x20: 9600, 0x40: 19200}
"""Baud-rate word (one bit set) to baud. Some programs send BCD of baud/300 instead, which is wrong."""

RELAY_COMMANDS: Final = {
    0x1A: ("trip", "跳闸"),
    0x1B: ("permit closing", "合闸允许"),
    0x1C: ("close directly", "直接合闸"),
    0x1D: ("trip, later close directly", "跳闸后自动合闸"),
    0x1E: ("trip, later permit closing", "跳闸后自动合闸允许"),
    0x2A: ("alarm on", "报警"),
    0x2B: ("alarm off", "报警解除"),
    0x3A: ("supply protection on", "保电"),
    0x3B: ("supply protection off", "保电解除"),
}
"""N1 of a relay order."""

_RESTORING: Final = frozenset({0x1D, 0x1E})

RESTORE_STEP_MINUTES: Final = 5
"""Unit of N2 of orders that restore by themselves."""

_FREEZES: Final = (
    ("once on {0}-{1} at {2}:{3}", "{0}-{1} {2}:{3} 一次"),
    ("every month on day {1} at {2}:{3}", "每月 {1} 日 {2}:{3}"),
    ("every day at {2}:{3}", "每日 {2}:{3}"),
    ("every hour at minute {3}", "每小时第 {3} 分"),
    ("now", "立即冻结"),
)
"""Freeze times by the number of 99 pairs in front, in writing order (month, day, hour, minute)."""

RELAY_STATUS: Final = {
    0: ("closed directly", "已直接合闸"),
    1: ("close permitted", "已允许合闸"),
    2: ("tripped at once", "已立即跳闸"),
    3: ("trip delayed by the warning time", "跳闸延时（告警时间）"),
    4: ("automatic restore running", "自动恢复中"),
    5: ("trip delayed by a large current", "跳闸延时（大电流）"),
    8: ("protected", "保电"),
    9: ("protection off", "保电解除"),
    10: ("alarm", "报警"),
    11: ("alarm off", "报警解除"),
}
"""Bits of the status word of 9C."""

OUTPUTS: Final = {
    0x00: ("second pulse", "时钟秒脉冲"),
    0x01: ("demand period", "需量周期"),
    0x02: ("time-slot switch", "时段投切"),
}
"""Signals of the multi-function terminal."""

_LEVELS: Final = frozenset({*range(10), 0x98, 0x99})
_NEVER: Final = frozenset({b"\x99" * 6})  # seen in the field as an order without end


def plain_hex(raw: bytes) -> Meaning:
    """Bytes with no further meaning, high byte first as people write them."""
    text = raw[::-1].hex().upper()
    return Meaning(text, text)


def number(raw: bytes) -> Meaning:
    """A binary number."""
    text = str(int.from_bytes(raw, "little"))
    return Meaning(text, text)


def address(raw: bytes) -> Meaning:
    """An address, in the address field or in the data."""
    text = address_text(raw)
    if text == BROADCAST:
        return Meaning(f"{text}, all meters", f"{text}，广播地址")
    if is_plain(text):
        return Meaning(text, text)
    if is_wildcard(text) and is_wellformed(text):
        return Meaning(f"{text}, wildcard", f"{text}，通配地址")
    if is_wellformed(text):
        return Meaning(f"{text}, not in the standard", f"{text}，非标准地址")
    return Meaning(f"{text}, not decimal", f"{text}，不是十进制", "address_not_bcd")


def _clock(raw: bytes) -> str | None:
    """``ss mm hh DD MM YY`` as text, or None when there is no such moment."""
    try:
        return wall_time(raw).isoformat(" ")
    except DecodeError:
        return None


def time(raw: bytes) -> Meaning:
    """A moment, second first."""
    text = _clock(raw)
    if text is not None:
        return Meaning(text, text)
    shown = raw[::-1].hex(" ")
    reversed_text = _clock(raw[::-1])
    if reversed_text is None:
        return Meaning(f"{shown} is no time", f"{shown} 不是有效时间", "time_not_valid")
    return Meaning(
        f"{shown} is no time; sent year first it would be {reversed_text}",
        f"{shown} 不是有效时间；若年在前则为 {reversed_text}",
        "time_not_valid",
    )


def expiry(raw: bytes) -> Meaning:
    """The end of the validity of a relay order, second first."""
    if raw in _NEVER:
        return Meaning("never (99 in every place)", "永久有效（全99）")
    return time(raw)


def freeze_time(raw: bytes) -> Meaning:
    """The moment of a freeze, ``mm hh DD MM``; 99 from the month on stands for "every"."""
    writing_order = tuple(f"{byte:02X}" for byte in raw[::-1])
    every = len(list(takewhile("99".__eq__, writing_order)))
    # The moment itself, with 1 and 0 in the open places; 2024 because 29 February counts.
    moment = bytes.fromhex("24" + ("01010000"[: 2 * every] + "".join(writing_order[every:])) + "00")
    if _clock(moment[::-1]) is None:
        shown = raw[::-1].hex(" ")
        return Meaning(f"{shown} is no time", f"{shown} 不是有效时间", "time_not_valid")
    english, chinese = _FREEZES[every]
    return Meaning(english.format(*writing_order), chinese.format(*writing_order))


def rate_2007(raw: bytes) -> Meaning:
    """The baud-rate word of 2007."""
    baud = RATES_2007.get(raw[0])
    if baud is not None:
        return Meaning(f"{baud} baud", f"{baud} bps")
    return Meaning(
        f"{raw[0]:02X}: not one of 02 04 08 10 20 40",
        f"{raw[0]:02X}：不是 02 04 08 10 20 40 之一",
        "baud_word_not_one_bit",
    )


def relay_order(raw: bytes) -> Meaning:
    """N1 and N2 of a relay order. N2 counts steps of five minutes where the meter restores by itself."""
    names = RELAY_COMMANDS.get(raw[0])
    if names is None:
        return Meaning(f"unknown order {raw[0]:02X}", f"未知命令 {raw[0]:02X}", "bad_parameter")
    if raw[0] not in _RESTORING:
        return Meaning(*names)
    if not raw[1]:
        return Meaning(
            f"{names[0]}: restore time is zero", f"{names[1]}：恢复时间为零", "bad_parameter"
        )
    minutes = RESTORE_STEP_MINUTES * raw[1]
    return Meaning(f"{names[0]}, after {minutes} minutes", f"{names[1]}，{minutes} 分钟后")


def relay_status(raw: bytes) -> Meaning:
    """The status word of an answer to a relay order."""
    word = int.from_bytes(raw, "little")
    bits = [
        RELAY_STATUS.get(bit, (f"bit {bit}", f"位{bit}")) for bit in range(16) if word >> bit & 1
    ]
    english = ", ".join(names[0] for names in bits) or "no bit set"
    return Meaning(english, "，".join(names[1] for names in bits) or "无置位")


def output(raw: bytes) -> Meaning:
    """The signal of the multi-function terminal."""
    names = OUTPUTS.get(raw[0])
    if names is not None:
        return Meaning(*names)
    return Meaning(f"unknown signal {raw[0]:02X}", f"未知信号 {raw[0]:02X}", "bad_parameter")


def level(raw: bytes) -> Meaning:
    """The permission level PA."""
    value = raw[0]
    if value == 0x98:
        return Meaning("98: ciphertext and MAC", "98：密文加MAC")
    if value == 0x99:
        return Meaning("99: plaintext and MAC", "99：明文加MAC")
    if value in _LEVELS:
        return Meaning(f"level {value:02d}", f"{value:02d} 级")
    if value == 0xCD:  # 00 without the offset
        return Meaning(
            "CD: sent without the 33H offset?", "CD：可能未加33H", "password_offset_missing"
        )
    return Meaning(f"{value:02X}: not a level", f"{value:02X}：不是有效权限", "bad_parameter")


def password(raw: bytes) -> Meaning:
    """A password; not repeated in words."""
    return Meaning(f"{len(raw)} bytes", f"{len(raw)} 字节")


def event_kind(raw: bytes) -> Meaning:
    """Which events are to be cleared."""
    if raw == b"\xff" * 4:
        return Meaning("all events", "全部事件")
    text = raw[::-1].hex().upper()
    return Meaning(f"events {text}", f"事件 {text}")
