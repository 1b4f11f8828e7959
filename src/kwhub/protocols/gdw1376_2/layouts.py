"""Words for the data of a function: fields, repeats and blobs, laid out over bytes.

Source: Q/GDW 1376.2-2013, clause 5 (tables of the data units), read in the text of Q/GDW 10376.2-2019.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwhub.domain.errors import DecodeError
from kwhub.wire.codecs import U8, U16LE, Codec, bcd_text, raw_bytes

__all__ = [
    "ADDRESS",
    "PROTOCOL",
    "PROTOCOLS",
    "REST",
    "Blob",
    "Cell",
    "Count",
    "Field",
    "Layout",
    "Repeat",
    "Row",
    "Text",
    "Words",
    "address",
    "byte",
    "cells",
    "digits",
    "measure",
    "opaque",
    "text",
    "unread",
    "word",
]

Words: TypeAlias = tuple[str, str]
"""English and Chinese."""

ADDRESS = bcd_text(6)
"""Six bytes, low byte first; hexadecimal digits occur in the field and are kept."""

PROTOCOLS: Mapping[int, Words] = {
    0: ("transparent", "透明传输"),
    1: ("DL/T 645-1997", "DL/T 645-1997"),
    2: ("DL/T 645-2007", "DL/T 645-2007"),
    3: ("DL/T 698.45", "DL/T 698.45"),
}
"""Protocol type code, the same everywhere; 3 is spelled out in 2019 only."""


class Text:
    """ASCII, high byte first as people read it or reversed; anything else is shown as a dot."""

    def __init__(self, size: int, *, reverse: bool = False) -> None:
        self.size = size
        self._step = -1 if reverse else 1

    def decode(self, raw: bytes) -> str:
        """The letters."""
        letters = raw[:: self._step].rstrip(b"\x00 ")
        return "".join(chr(one) if 0x20 < one < 0x7F else "." for one in letters)


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its names in both languages."""

    name: str
    name_zh: str
    codec: Codec[Any] | Text
    unit: str = ""
    key: str = ""  #: name under which a later element finds this number
    words: Mapping[int, Words] | None = None  #: what a number means


Count: TypeAlias = str | int | Callable[[Mapping[str, int]], int]
"""Key of the field that holds the count, the count, or a rule over the fields read so far.

The key ``left`` holds the number of bytes that are left."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Elements that come several times."""

    count: Count
    body: "Layout"


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes whose number stands in an earlier field."""

    name: str
    name_zh: str
    count: Count


Layout: TypeAlias = tuple[Field | Repeat | Blob, ...]

REST: Layout = (Blob("content", "内容", "left"),)
"""Everything that is left, kept as it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One function of an AFN: what goes down and what comes up.

    A layout of None says that the table does not know what belongs there: the bytes stay as they are.
    """

    function: int
    name: str
    name_zh: str
    down: Layout | None = ()
    up: Layout | None = ()
    edition: str = "2013"  #: ``2013``, ``2019`` (an addition of it) or ``vendor``
    confirmed: bool = False  #: the concentrator's order is answered by 00-F1, not by data


@dataclass(frozen=True, slots=True)
class Cell:
    """One field found in the data."""

    start: int  #: index of the first byte in the data
    stop: int
    name: str
    name_zh: str
    value: Any  #: int, str or bytes
    unit: str = ""
    told: Words | None = None  #: value in words


def byte(
    name: str, name_zh: str, unit: str = "", key: str = "", words: Mapping[int, Words] | None = None
) -> Field:
    """One unsigned byte."""
    return Field(name, name_zh, U8, unit, key, words)


def word(name: str, name_zh: str, unit: str = "", key: str = "") -> Field:
    """Two unsigned bytes, low byte first."""
    return Field(name, name_zh, U16LE, unit, key)


def address(name: str = "address", name_zh: str = "地址") -> Field:
    """An address of six bytes."""
    return Field(name, name_zh, ADDRESS)


def digits(name: str, name_zh: str, size: int) -> Field:
    """BCD, low byte first."""
    return Field(name, name_zh, bcd_text(size))


def text(name: str, name_zh: str, size: int, *, reverse: bool = False) -> Field:
    """ASCII."""
    return Field(name, name_zh, Text(size, reverse=reverse))


def opaque(name: str, name_zh: str, size: int) -> Field:
    """Bytes that stay bytes."""
    return Field(name, name_zh, raw_bytes(size))


PROTOCOL = byte("protocol", "通信协议类型", words=PROTOCOLS)


def measure(layout: Layout, data: bytes) -> int:
    """Number of bytes of ``data`` that the layout takes.

    Raises:
        DecodeError: ``truncated``, when the data ends before the layout does.
    """
    at = 0
    for _element, start, stop, _index in _spans(layout, data, 0, {}, ""):
        if stop > len(data):
            detail = f"{len(data)} bytes of data, {stop} belong there"
            raise DecodeError("truncated", detail, offset=start)
        at = stop
    return at


def cells(layout: Layout, data: bytes) -> list[Cell]:
    """Every field of the data in wire order; stops where the data stops. Never raises."""
    found: list[Cell] = []
    for element, start, stop, index in _spans(layout, data, 0, {}, ""):
        if stop > len(data):
            break
        if start < stop:
            found.append(_cell(element, data, start, stop, index))
    return found


def unread(layout: Layout | None, data: bytes) -> int:
    """Where the part of the data begins that the layout does not explain."""
    found = cells(layout or (), data)
    return found[-1].stop if found else 0


def _cell(element: Field | Blob, data: bytes, start: int, stop: int, index: str) -> Cell:
    raw = data[start:stop]
    name, name_zh = element.name + index, element.name_zh + index
    if isinstance(element, Blob):
        return Cell(start, stop, name, name_zh, raw)
    value = element.codec.decode(raw)
    told = element.words.get(value) if element.words and isinstance(value, int) else None
    return Cell(start, stop, name, name_zh, value, element.unit, told)


_Span: TypeAlias = tuple[Field | Blob, int, int, str]


def _spans(
    layout: Layout, data: bytes, at: int, seen: dict[str, int], index: str
) -> Iterator[_Span]:
    """Lay the elements over the data; the first span that goes beyond its end is the last one."""
    for element in layout:
        seen["left"] = max(0, len(data) - at)
        if isinstance(element, Repeat):
            for number in range(1, _counted(element.count, seen) + 1):
                for span in _spans(element.body, data, at, seen, f"{index} [{number}]"):
                    yield span
                    at = span[2]
                    if at > len(data):
                        return
            continue
        size = element.codec.size if isinstance(element, Field) else _counted(element.count, seen)
        start, at = at, at + size
        if isinstance(element, Field) and element.key:
            seen[element.key] = int.from_bytes(data[start:at], "little")
        yield element, start, at, index
        if at > len(data):
            return


def _counted(count: Count, seen: Mapping[str, int]) -> int:
    if isinstance(count, int):
        return count
    return max(0, seen.get(count, 0) if isinstance(count, str) else count(seen))
