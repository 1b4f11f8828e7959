"""Words for the layouts of data units: fields, repeats and blobs, laid out over bytes.

Source: Q/GDW 1376.1-2013, clause 5 (tables of the data units).

A layout is a tuple of elements. Its length follows from the layout and, where something repeats, from
counts inside the data, so that several units in one frame can be told apart.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.formats import Format

__all__ = [
    "Blob",
    "Cell",
    "Count",
    "Element",
    "Field",
    "Layout",
    "Plain",
    "Repeat",
    "Row",
    "cells",
    "measure",
    "plain",
    "tariff_label",
    "tariff_label_zh",
]


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its names in both languages."""

    name: str
    name_zh: str
    format: Format[Any]
    unit: str = ""
    key: str = ""  #: name under which a later element finds this number
    tell: Callable[[Any], tuple[str, str]] | None = None  #: value in words, English and Chinese


Count: TypeAlias = str | Callable[[dict[str, int]], int]
"""Key of the field that holds a count, or a rule over the fields read so far.

The key ``left`` always holds the number of bytes that are left."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Elements that come several times: the count and ``plus`` more."""

    count: Count
    body: "Layout"
    plus: int = 0
    tariffs: bool = False  #: the first is the total, the others are tariffs 1, 2 ...
    body_bytes: int | None = field(init=False, compare=False)  #: None: the body varies in length

    def __post_init__(self) -> None:
        fixed = all(isinstance(element, Field) and not element.key for element in self.body)
        sizes = (element.format.size for element in self.body if isinstance(element, Field))
        object.__setattr__(self, "body_bytes", sum(sizes) if fixed else None)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes whose number stands in an earlier field."""

    name: str
    name_zh: str
    count: Count


Element: TypeAlias = Field | Repeat | Blob
Layout: TypeAlias = tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One function of an AFN: what goes down and what comes up.

    A layout of None says that the table does not know what belongs there.
    """

    function: int
    name: str
    name_zh: str
    down: Layout | None = ()
    up: Layout | None = ()
    source: str = "Q/GDW 1376.1-2013, clause 5"
    single_source: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One field found in the data of a unit."""

    start: int  #: index of the first byte in the data
    stop: int
    name: str
    name_zh: str
    value: Any  #: as its format says; bytes for a blob; None when missing or wrong
    unit: str = ""
    problem: str = ""  #: why the bytes cannot be read, empty when they can
    told: tuple[str, str] | None = None  #: value in words, where the bare value says too little


def tariff_label(index: int) -> str:
    """Words for the n-th value of a list that starts with the total."""
    return "total" if index == 0 else f"tariff {index}"


def tariff_label_zh(index: int) -> str:
    """The same in Chinese."""
    return "总" if index == 0 else f"费率{index}"


def measure(layout: Layout, data: bytes, at: int = 0) -> int:
    """Number of bytes that the layout takes of ``data`` from ``at``.

    Raises:
        DecodeError: ``truncated``, when the data ends before the layout does.
    """
    end = _end(layout, data, at, {})
    if end > len(data):
        raise DecodeError("truncated", f"{len(data) - at} bytes where {end - at} belong", offset=at)
    return end - at


class Plain(NamedTuple):
    """A layout of fields, and perhaps at its end a body of fixed length as often as one of the fields says.

    Nearly all bytes that arrive are of such a layout, and their number needs no walk over the elements.
    """

    head_bytes: int  #: of the fields
    count_start: int  #: where the field lies that counts; an empty one counts nothing
    count_stop: int
    plus: int
    body_bytes: int

    def measure(self, data: bytes, at: int) -> int | None:
        """What ``measure`` gives for the layout; None when the data ends before it does."""
        start, stop = at + self.count_start, at + self.count_stop
        count = int.from_bytes(data[start:stop], "little") + self.plus
        size = self.head_bytes + count * self.body_bytes
        return size if at + size <= len(data) else None


def plain(layout: Layout) -> Plain | None:
    """The layout as a plain one, None when it is none."""
    keys: dict[str, tuple[int, int]] = {}
    at = 0
    for place, element in enumerate(layout):
        if isinstance(element, Field):
            stop = at + element.format.size
            if element.key:
                keys[element.key] = (at, stop)
            at = stop
            continue
        last = place == len(layout) - 1
        if isinstance(element, Blob) or not last or element.body_bytes is None:
            return None
        if not isinstance(element.count, str) or element.count not in keys:
            return None
        return Plain(at, *keys[element.count], element.plus, element.body_bytes)
    return Plain(at, 0, 0, 0, 0)


def _end(layout: Layout, data: bytes, at: int, seen: dict[str, int]) -> int:
    """Where the layout ends; somewhere beyond the data when that is too short."""
    for element in layout:
        if isinstance(element, Field):
            stop = at + element.format.size
            if element.key:
                seen[element.key] = int.from_bytes(data[at:stop], "little")
            at = stop
            continue
        seen["left"] = max(0, len(data) - at)
        count = max(0, _counted(element.count, seen))
        if isinstance(element, Blob):
            at += count
        elif element.body_bytes is not None:
            at += (count + element.plus) * element.body_bytes
        else:
            for _ in range(count + element.plus):
                at = _end(element.body, data, at, seen)
                if at > len(data):
                    return at
    return at


def cells(layout: Layout, data: bytes) -> list[Cell]:
    """Every field of the data in wire order; stops where the data stops. Never raises."""
    return [
        _cell(span, data)
        for span in _spans(layout, data, 0, {}, None)
        if span.start < span.stop <= len(data)
    ]


class _Span(NamedTuple):
    element: Field | Blob
    start: int
    stop: int
    within: tuple[Repeat, int] | None  #: the repeat that it stands in, and its index there


def _spans(
    layout: Layout, data: bytes, at: int, seen: dict[str, int], within: tuple[Repeat, int] | None
) -> Generator[_Span, None, int]:
    """Lay the elements over the data; the first span that goes beyond its end is the last one."""
    for element in layout:
        if isinstance(element, Repeat):
            seen["left"] = max(0, len(data) - at)
            for index in range(_counted(element.count, seen) + element.plus):
                at = yield from _spans(element.body, data, at, seen, (element, index))
                if at > len(data):
                    return at
            continue
        seen["left"] = max(0, len(data) - at)
        start, at = at, at + _size(element, seen)
        if isinstance(element, Field) and element.key:
            seen[element.key] = int.from_bytes(data[start:at], "little")
        yield _Span(element, start, at, within)
        if at > len(data):
            return at
    return at


def _size(element: Field | Blob, seen: dict[str, int]) -> int:
    if isinstance(element, Field):
        return element.format.size
    return max(0, _counted(element.count, seen))


def _counted(count: Count, seen: dict[str, int]) -> int:
    return seen[count] if isinstance(count, str) else count(seen)


def _cell(span: _Span, data: bytes) -> Cell:
    name, name_zh = _names(span)
    raw = data[span.start : span.stop]
    if isinstance(span.element, Blob):
        return Cell(span.start, span.stop, name, name_zh, raw)
    field = span.element
    try:
        value = field.format.decode(raw)
    except DecodeError as error:
        return Cell(span.start, span.stop, name, name_zh, None, field.unit, str(error))
    told = field.tell(value) if field.tell and value is not None else None
    return Cell(span.start, span.stop, name, name_zh, value, field.unit, "", told)


def _names(span: _Span) -> tuple[str, str]:
    name, name_zh = span.element.name, span.element.name_zh
    if span.within is None:
        return name, name_zh
    repeat, index = span.within
    if repeat.tariffs:
        return f"{name}, {tariff_label(index)}", f"{name_zh}（{tariff_label_zh(index)}）"
    return f"{name} [{index + 1}]", f"{name_zh}[{index + 1}]"
