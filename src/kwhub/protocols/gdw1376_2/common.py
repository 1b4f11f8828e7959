"""Layouts that several AFNs share, and the carried frame with its length.

Source: Q/GDW 1376.2-2013, clause 5, read in the text of Q/GDW 10376.2-2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376_2.layouts import (
    ADDRESS,
    PROTOCOL,
    Blob,
    Layout,
    Repeat,
    address,
    byte,
    text,
)

__all__ = [
    "CARRIED",
    "FRAME",
    "NODES",
    "VENDOR",
    "Unit",
    "addresses_in",
    "join_addresses",
    "need",
    "sized",
    "unsized",
]

FRAME: Layout = (byte("length", "报文长度L", "byte", key="L"), Blob("frame", "报文内容", "L"))
CARRIED: Layout = (PROTOCOL, *FRAME)
NODES: Layout = (byte("nodes", "从节点数量n", key="n"), Repeat("n", (address(),)))
VENDOR: Layout = (
    text("vendor", "厂商代码", 2, reverse=True),
    text("chip", "芯片代码", 2, reverse=True),
    *(byte(*names) for names in (("day", "版本日"), ("month", "版本月"), ("year", "版本年"))),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Base of typed data: where it belongs, to bytes and back."""

    AFN: ClassVar[int] = 0
    FUNCTION: ClassVar[int] = 0

    def to_data(self) -> bytes:
        """The data behind DT. Raises LocalError."""
        return b""

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Read the data. Raises DecodeError."""
        if data:
            raise DecodeError("length", f"{len(data)} bytes where none belong")
        return cls()


def need(data: bytes, count: int) -> None:
    """Raises DecodeError ``truncated`` when there are fewer bytes."""
    if len(data) < count:
        raise DecodeError("truncated", f"{len(data)} bytes of data, {count} belong there")


def sized(content: bytes, width: int = 1) -> bytes:
    """Length and content. Raises LocalError when the length does not fit."""
    if len(content) >= 1 << 8 * width:
        hint = "; only F1-F1 carries more" if width == 1 else ""
        raise LocalError(f"{len(content)} bytes do not fit a length of {width} byte{hint}")
    return len(content).to_bytes(width, "little") + content


def unsized(data: bytes, at: int, width: int = 1) -> bytes:
    """The content whose length stands at ``at``. Raises DecodeError ``length``."""
    need(data, at + width)
    stated, start = int.from_bytes(data[at : at + width], "little"), at + width
    if len(data) - start < stated:
        detail = f"L is {stated}, {len(data) - start} bytes follow"
        raise DecodeError("length", detail, offset=at)
    return data[start : start + stated]


def join_addresses(addresses: Sequence[str]) -> bytes:
    """Addresses one after the other, counted in front. Raises LocalError."""
    if len(addresses) > 0xFF:
        raise LocalError(f"{len(addresses)} addresses, at most 255")
    return bytes([len(addresses)]) + b"".join(map(ADDRESS.encode, addresses))


def addresses_in(data: bytes, at: int) -> tuple[str, ...]:
    """Counted addresses from ``at``. Raises DecodeError."""
    need(data, at + 1)
    count = data[at]
    need(data, at + 1 + 6 * count)
    places = range(at + 1, at + 1 + 6 * count, 6)
    return tuple(ADDRESS.decode(data[one : one + 6]) for one in places)
