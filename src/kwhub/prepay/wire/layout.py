"""Items of fixed and open length in a row, each low byte first: the one rule of all layouts.

Source: DL/T 645-2007 with the State Grid filings on security: items of several bytes travel low byte
first, each by itself (two public firmwares).
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, dataclass_transform

from kwhub.domain.errors import DecodeError, LocalError

__all__ = ["Layout", "Nothing", "bcd", "number", "raw", "rest"]

_OPEN = -1


def number(size: int) -> Any:
    """A field that holds an unsigned number of so many bytes."""
    return field(metadata={"size": size, "form": "number"})


def bcd(size: int) -> Any:
    """A field that holds a number as decimal digits, two in a byte."""
    return field(metadata={"size": size, "form": "bcd"})


def raw(size: int) -> Any:
    """A field that holds so many bytes."""
    return field(metadata={"size": size, "form": "raw"})


def rest() -> Any:
    """A field that takes whatever the others leave; one in a layout at most."""
    return field(metadata={"size": _OPEN, "form": "raw"})


@dataclass_transform(frozen_default=True, field_specifiers=(number, bcd, raw, rest))
@dataclass(frozen=True)
class Layout:
    """A row of items; the fields of a subclass are made by ``number``, ``bcd``, ``raw`` and ``rest``.

    Every subclass becomes a frozen dataclass by itself: ``class Purchase(Layout, identifier=0x0701_02FF)``. One without an
    identifier of its own has that of the layout that it extends.
    """

    IDENTIFIER: ClassVar[int] = 0

    def __init_subclass__(cls, identifier: int | None = None) -> None:
        """Make the subclass a dataclass, and give it its identifier."""
        if identifier is not None:
            cls.IDENTIFIER = identifier
        dataclass(frozen=True)(cls)

    def payload(self) -> bytes:
        """The bytes of the wire. Raises LocalError when a value does not fit."""
        return b"".join(
            _written(each.name, getattr(self, each.name), each.metadata) for each in fields(self)
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """From the bytes of the wire. Raises DecodeError: ``value_length_mismatch``, ``not_bcd``."""
        items = fields(cls)
        known = sum(each.metadata["size"] for each in items if each.metadata["size"] != _OPEN)
        left = len(payload) - known
        if left < 0 or (left and all(each.metadata["size"] != _OPEN for each in items)):
            raise DecodeError(
                "value_length_mismatch", f"{cls.__name__} has {known} bytes, not {len(payload)}"
            )
        values: dict[str, Any] = {}
        place = 0
        for each in items:
            size = left if each.metadata["size"] == _OPEN else each.metadata["size"]
            item = payload[place : place + size][::-1]
            values[each.name] = _read(each.name, item, each.metadata["form"])
            place += size
        return cls(**values)


class Nothing(Layout):
    """No data at all."""


def _read(name: str, item: bytes, form: str) -> int | bytes:
    if form == "number":
        return int.from_bytes(item)
    if form == "bcd":
        if not item.hex().isdecimal():
            raise DecodeError("not_bcd", f"{item.hex()} is not decimal", field=name)
        return int(item.hex())
    return item


def _written(name: str, value: Any, metadata: Any) -> bytes:
    size, form = metadata["size"], metadata["form"]
    item: bytes
    try:
        if form == "number":
            item = value.to_bytes(size)
        elif form == "bcd":
            item = bytes.fromhex(f"{value:0{2 * size}d}")
        else:
            item = bytes(value)
    except (OverflowError, ValueError):
        raise LocalError(f"{name} {value} does not fit into {size} bytes") from None
    if size not in (_OPEN, len(item)):
        raise LocalError(f"{name} has {size} bytes, not {len(item)}")
    return item[::-1]
