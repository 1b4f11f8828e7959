"""Any bytes beside their meaning: a good frame, a damaged one, several in a row, or none at all.

Source: DL/T 645-2007, clause 5.2 (frame format) and annexes; DL/T 645-1997, clause 6.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645 import contents
from kwhub.protocols.dlt645.addresses import address_text
from kwhub.protocols.dlt645.control import edition_of, function_of
from kwhub.protocols.dlt645.fields import pieces
from kwhub.protocols.dlt645.frames import (
    ABNORMAL,
    ANSWER,
    DATA_BYTES_MAX,
    END,
    FUNCTION,
    MORE,
    OVERHEAD_BYTES,
    PREAMBLE,
    START,
    Frame645,
    parse,
)
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.wire.events import Discarded
from kwhub.wire.explain import Explanation, Part
from kwhub.wire.offset33 import sub33

__all__ = ["explain"]

_START: Final = bytes([START])

_HEAD_BYTES: Final = 10
"""Bytes up to and including the length."""

_FRAME_BYTES_SHOWN: Final = OVERHEAD_BYTES + 0xFF
"""A length byte cannot promise more than this, even when it is wrong."""


def explain(raw: bytes) -> Explanation:
    """Say what every byte is, in English and in Chinese. Succeeds for any bytes.

    >>> print(explain(bytes.fromhex("6838000000000068110433333433EB16")).render().splitlines()[-2])
    !  14  EB                 checksum    EB, should be EA
    """
    parts: list[Part] = []
    receiver = Receiver()
    at = 0
    for good, group in groupby(receiver.feed(raw) + receiver.flush(), _is_frame):
        # Good frames stand alone; what lies between two of them is looked at as a whole.
        for size in [len(item.raw) for item in group] if good else [_total(group)]:
            parts += _segment(raw[at : at + size], at)
            at += size
    return Explanation(raw, tuple(parts))


def _is_frame(item: Received | Discarded) -> bool:
    return isinstance(item, Received)


def _total(group: Iterable[Received | Discarded]) -> int:
    return sum(len(item.raw) for item in group)


def _segment(raw: bytes, offset: int) -> Iterator[Part]:
    """One good frame, or bytes in which no good frame is."""
    at = head = 0
    while at < len(raw):
        if head <= at:
            head = _head(raw, at)
        start = _headless(raw, at, head)
        yield from _before(raw, at, start, offset)
        part = None
        for part in _frame(raw[start : start + _FRAME_BYTES_SHOWN], offset + start):
            yield part
        at = start if part is None else part.stop - offset


def _head(raw: bytes, at: int) -> int:
    """The next 68 with its second 68; the end when there is none."""
    place = raw.find(START, at)
    while place >= 0 and raw[place + 7 : place + 8] != _START:
        place = raw.find(START, place + 1)
    return place if place >= 0 else len(raw)


def _headless(raw: bytes, at: int, head: int) -> int:
    """A 68 before the next head where a frame with a damaged second 68 seems to stand; else the head."""
    place = raw.find(START, at, head)
    while 0 <= place < head - _HEAD_BYTES:
        stop = place + OVERHEAD_BYTES + raw[place + 9]
        if stop <= head and raw[stop - 1] == END:
            return place
        place = raw.find(START, place + 1, head)
    return head


def _before(raw: bytes, at: int, start: int, offset: int) -> Iterator[Part]:
    """Noise, then the wake-up bytes."""
    noise_end = at + len(raw[at:start].rstrip(bytes([PREAMBLE])))
    if at < noise_end:
        words = _noise_words(raw[at:noise_end], offset + at)
        yield Part(offset + at, offset + noise_end, "noise", "无效字节", *words, ok=False)
    if noise_end < start:
        count = start - noise_end
        words = f"{count} wake-up bytes", f"{count} 个唤醒字节"
        yield Part(offset + noise_end, offset + start, "preamble", "前导字节", *words)


def _noise_words(noise: bytes, offset: int) -> tuple[str, str]:
    place = noise.find(START)
    if place < 0:
        return "no start byte 68", "没有起始符68"
    if len(noise) - place < 8:
        return "the beginning of a frame, cut off", "帧头不完整"
    wrong, at = f"{noise[place + 7]:02X}", offset + place
    return (
        f"68 at {at}, but {wrong} instead of the second 68 seven bytes later",
        f"第 {at} 字节为68，但其后第7字节是 {wrong} 而不是68",
    )


def _frame(rest: bytes, start: int) -> Iterator[Part]:
    """One frame from its first 68, as far as it came; ``start`` is where it stands in the whole."""
    if not rest:
        return
    yield Part(start, start + 1, "start", "帧起始符", "68", "68")
    address = contents.address(rest[1:7])
    words = address.english, address.chinese
    yield Part(start + 1, start + 7, "address", "地址域", *words, ok=not address.problem)
    second = rest[7]
    good = second == START
    words = ("68", "68") if good else (f"{second:02X}, should be 68", f"{second:02X}，应为68")
    yield Part(start + 7, start + 8, "start", "帧起始符", *words, ok=good)
    if len(rest) > 8:
        yield _control(rest, start + 8)
    if len(rest) > 9:
        yield from _from_length(rest, start)
    else:
        yield _cut(start + len(rest), OVERHEAD_BYTES - len(rest))


def _cut(at: int, missing: int) -> Part:
    words = f"{missing} bytes or more are missing", f"缺少 {missing} 个或更多字节"
    return Part(at, at, "cut off", "帧不完整", *words, ok=False)


def _control(rest: bytes, at: int) -> Part:
    """The control byte, bit by bit."""
    control = rest[8]
    row = function_of(control)
    edition = edition_of(control).value[-4:]
    function = f"{control & FUNCTION:02X}"
    bits = [("answer", "应答") if control & ANSWER else ("request", "请求")]
    if control & ABNORMAL:
        bits.append(("abnormal", "异常应答"))
    elif control & ANSWER:
        bits.append(("normal", "正常应答"))
    bits.append(
        ("more frames follow", "有后续帧") if control & MORE else ("last frame", "无后续帧")
    )
    if row is None:
        bits.append((f"function {function} unknown", f"功能码 {function} 未知"))
    else:
        bits.append(
            (f"{function} {row.name} ({edition})", f"{function} {row.name_zh}（{edition}）")
        )
    return Part(
        at,
        at + 1,
        "control",
        "控制码",
        ", ".join(bit[0] for bit in bits),
        "，".join(bit[1] for bit in bits),
        ok=row is not None and row.lengths(control) is not None,
    )


def _from_length(rest: bytes, start: int) -> Iterator[Part]:
    """Length, data, checksum and end."""
    length = rest[9]
    count, part = _length(rest, start + 9)
    yield part
    if length > DATA_BYTES_MAX and count == length:
        if len(rest) > _HEAD_BYTES:
            words = "cannot be told apart", "无法划分"
            stop = start + len(rest)
            yield Part(start + _HEAD_BYTES, stop, "rest", "其余字节", *words, ok=False)
        return
    data = rest[_HEAD_BYTES : _HEAD_BYTES + count]
    frame = Frame645(address_text(rest[1:7]), rest[8], sub33(data))
    for piece in pieces(frame):
        begin, stop = (start + _HEAD_BYTES + place for place in (piece.start, piece.stop))
        words = piece.meaning, piece.meaning_zh
        yield Part(begin, stop, piece.name, piece.name_zh, *words, ok=not piece.problem)
    total = OVERHEAD_BYTES + count
    if len(rest) > total - 2:
        yield _checksum(rest, total, start)
    if len(rest) >= total:
        yield _end(rest[total - 1], start + total - 1)
    else:
        yield _cut(start + len(rest), total - len(rest))


def _length(rest: bytes, at: int) -> tuple[int, Part]:
    """Number of data bytes to go on with, and the length byte in words."""
    length = rest[9]
    if _is_miscounted(rest):
        count = len(rest) - OVERHEAD_BYTES
        words = (
            f"{length}, but {count} data bytes stand in the frame",
            f"{length}，但帧内有 {count} 个数据字节",
        )
        return count, Part(at, at + 1, "length", "数据长度", *words, ok=False)
    words, good = _length_words(rest[8], length)
    return length, Part(at, at + 1, "length", "数据长度", *words, ok=good)


def _length_words(control: int, length: int) -> tuple[tuple[str, str], bool]:
    """A length in words, and whether the function can have it."""
    if length > DATA_BYTES_MAX:
        english = f"{length}, more than the {DATA_BYTES_MAX} that are allowed"
        return (english, f"{length}，超过上限 {DATA_BYTES_MAX}"), False
    row = function_of(control)
    bounds = None if row is None else row.lengths(control)
    if bounds is None or bounds[0] <= length <= bounds[1]:
        return (f"{length} data bytes", f"{length} 个数据字节"), True
    wanted = f"{bounds[0]}" if bounds[0] == bounds[1] else f"{bounds[0]} to {bounds[1]}"
    english = f"{length}; this function has {wanted} data bytes"
    return (english, f"{length}；该功能应为 {wanted} 个数据字节"), False


def _is_miscounted(rest: bytes) -> bool:
    """Whether everything fits but the length byte."""
    try:
        parse(rest)
    except DecodeError as error:
        return error.kind == "length_mismatch"
    return False


def _checksum(rest: bytes, total: int, start: int) -> Part:
    """The checksum against the bytes that came, and against those that should have come."""
    found, expected = rest[total - 2], sum(rest[: total - 2]) & 0xFF
    repaired = (expected + START - rest[7] + total - OVERHEAD_BYTES - rest[9]) & 0xFF
    good = found in (expected, repaired)
    if found == expected:
        words = f"{found:02X}, right", f"{found:02X}，正确"
    elif good:
        words = f"{found:02X}, right for the repaired head", f"{found:02X}，与更正后的帧头相符"
    else:
        words = f"{found:02X}, should be {expected:02X}", f"{found:02X}，应为 {expected:02X}"
    at = start + total - 2
    return Part(at, at + 1, "checksum", "校验码", *words, ok=good)


def _end(found: int, at: int) -> Part:
    good = found == END
    words = ("16", "16") if good else (f"{found:02X}, should be 16", f"{found:02X}，应为16")
    return Part(at, at + 1, "end", "结束符", *words, ok=good)
