"""A frame byte by byte, and whether bytes look like one.

Source: EN 13757-2 and EN 13757-3.
"""

from kwhub.domain.errors import DecodeError
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import (
    ACK,
    LONG_OVERHEAD_BYTES,
    SHORT_BYTES,
    START_LONG,
    START_SHORT,
    STOP,
    Kind,
    parse,
)
from kwhub.protocols.mbus.identity import manufacturer_letters
from kwhub.protocols.mbus.summary import status_words, values
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram
from kwhub.wire.explain import Explanation, Part

__all__ = ["explain", "is_whole", "looks_like"]

_AT_DATA = 7
_VARIABLE_HEADER = 12


def is_whole(raw: bytes) -> bool:
    """Whether bytes begin with a whole M-Bus frame by length, start and stop bytes."""
    if raw[:1] == bytes([ACK]):
        return len(raw) == 1
    if raw[:1] == bytes([START_SHORT]):
        return len(raw) >= SHORT_BYTES and raw[SHORT_BYTES - 1] == STOP
    if not looks_like(raw):
        return False
    size = raw[1] + LONG_OVERHEAD_BYTES
    return len(raw) >= size and raw[size - 1] == STOP


def looks_like(raw: bytes) -> bool:
    """Whether bytes begin as a long frame of M-Bus does."""
    return len(raw) > 3 and raw[0] == raw[3] == START_LONG and raw[1] == raw[2]


def explain(raw: bytes) -> Explanation:
    """Every byte beside its meaning. Never fails."""
    try:
        frame = parse(raw)
    except DecodeError as error:
        part = Part(0, len(raw), "bytes", "字节", str(error), str(error), ok=False)
        return Explanation(raw, (part,))
    if frame.kind is Kind.ACK:
        return Explanation(raw, (Part(0, 1, "E5", "E5", "acknowledge", "确认"),))
    telegram = read_telegram(frame)
    at = 1 if frame.kind is Kind.SHORT else 4
    service = frame.service or ""
    parts = [
        Part(0, at, "start and length", "起始与长度", str(len(raw)), str(len(raw))),
        Part(at, at + 1, "C", "控制域", service, service),
        Part(at + 1, at + 2, "A", "地址", str(frame.address), str(frame.address)),
    ]
    if frame.ci is not None:
        name, name_zh = c.CI_NAMES.get(frame.ci, ("vendor or speed", "厂家或波特率"))
        parts.append(Part(at + 2, at + 3, "CI", "控制信息", name, name_zh))
        parts += _content(telegram, len(raw) - 2)
    end = len(raw) - 2
    parts.append(Part(end, end + 1, "checksum", "校验和", "right", "正确"))
    parts.append(Part(end + 1, end + 2, "stop", "结束", "16", "16"))
    return Explanation(raw, tuple(parts))


def _content(telegram: Telegram, end: int) -> list[Part]:
    parts: list[Part] = []
    at = _AT_DATA
    if telegram.identity is not None and telegram.signature is not None:
        who, letters = telegram.identity, manufacturer_letters(telegram.identity.manufacturer)
        words = ", ".join(word for word, _ in status_words(telegram.status or 0)) or "ok"
        words_zh = "，".join(word for _, word in status_words(telegram.status or 0)) or "正常"
        said = f"{who.number} {letters} version {who.version} medium {who.medium:02X}, "
        parts.append(
            Part(at, at + _VARIABLE_HEADER, "header", "报头", said + words, said + words_zh)
        )
        at += _VARIABLE_HEADER
    shift = at
    if telegram.kind == "fixed":
        shift = _AT_DATA
    elif telegram.identity is not None and telegram.signature is None:
        shift = at = _AT_DATA + telegram.identity.BYTES
        said = str(telegram.identity)
        parts.append(Part(_AT_DATA, at, "secondary address", "二级地址", said, said))
    elif telegram.signature is not None and telegram.identity is None:
        shift = at = _AT_DATA + 4
        parts.append(Part(_AT_DATA, at, "short header", "短报头", "", ""))
    return parts + _records(telegram, at, shift, end)


def _records(telegram: Telegram, at: int, shift: int, end: int) -> list[Part]:
    parts: list[Part] = []
    for record, value in zip(telegram.records, values(telegram), strict=True):
        start = shift + record.at
        if start > at:
            parts.append(Part(at, start, "filler or header", "填充或报头", "", ""))
        at = start + (4 if telegram.kind == "fixed" else record.size)
        shown = "-" if value.value is None else f"{value.value} {value.unit}".rstrip()
        place = f"{value.identifier.upper()[:20]}"
        name, name_zh = f"{value.name}: {shown}", f"{value.name_zh}：{shown}"
        parts.append(Part(start, at, place, place, name, name_zh))
    if at < end:
        error = telegram.error
        said = "" if error is None else str(error)
        parts.append(Part(at, end, "rest", "其余", said, said, ok=error is None))
    return parts
