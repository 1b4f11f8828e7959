"""Records: DIF, DIFE, VIF, VIFE, data.

Source: EN 13757-3, data information block, value information block and data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from kwhub.domain.errors import DecodeError
from kwhub.protocols.mbus.units import (
    EXTENSION_FB,
    EXTENSION_FD,
    PRIMARY,
    RESERVED,
    VIFE_WORDS,
    Unit,
    scale_of,
)
from kwhub.protocols.mbus.values import LENGTHS, VARIABLE, Value, read_value, variable_bytes

__all__ = [
    "FUNCTIONS",
    "MANUFACTURER_DATA",
    "MORE_FOLLOW",
    "VENDOR_MARK",
    "Record",
    "encode",
    "read_records",
]

FUNCTIONS = ("instantaneous", "maximum", "minimum", "during_error")
MANUFACTURER_DATA, MORE_FOLLOW = "manufacturer_data", "manufacturer_data_more_follow"
_DIF_REST, _DIF_MORE, _DIF_FILLER, _DIF_ALL = 0x0F, 0x1F, 0x2F, 0x7F
_SPECIAL = 0x0F
_EXTENSION = 0x80
_EXTENSIONS_MAX = 10
_TEXT_VIF, _VENDOR_VIF, _FB, _FD = 0x7C, 0x7F, 0xFB, 0xFD
_TEXT_BYTES_MAX = 0xC0
VENDOR_MARK = "mfr-vife"
"""Stands for the rest of a VIB, whose meaning is the manufacturer's."""
_SELECTION = 0x08


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        value: scaled number, text, ISO date, hexadecimal bytes; None when there is no value.
        factor: what the number on the wire was multiplied with.
        marks: VIFE that are no part of the scale, as two digits, ``mfr-vife`` for the vendor's.
        at: place of the record in the data that was read.
    """

    function: str
    storage: int
    tariff: int
    subunit: int
    unit: Unit
    kind: str
    value: Decimal | str | None
    block: bytes  #: DIF to the last VIFE
    data: bytes
    at: int
    marks: tuple[str, ...] = ()
    qualifiers: tuple[int, ...] = ()
    detail: Value | None = None

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        variable = self.block[0] & 0x0F == VARIABLE
        return len(self.block) + len(self.data) + variable


class _Cursor:
    """Bytes taken one by one; what is missing is an error with a place."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self, field: str, kind: str, detail: str) -> int:
        if self.at >= len(self.data):
            raise DecodeError(kind, detail, field=field, offset=self.at)
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            detail = f"{len(self.data) - self.at} bytes where the record announces {size}"
            raise DecodeError("data_short", detail, field="data", offset=self.at)
        self.at += size
        return self.data[self.at - size : self.at]


def read_records(data: bytes) -> Iterator[Record]:
    """Every record of the data, in order.

    Raises:
        DecodeError: ``dif_cut``, ``vif_missing``, ``vif_cut``, ``too_many_dife``, ``too_many_vife``,
            ``data_short``, ``dif_reserved``, ``text_unit``, ``lvar_reserved``; its offset counts in
            ``data``.
    """
    cursor = _Cursor(data)
    while cursor.at < len(data):
        dif = data[cursor.at]
        if dif == _DIF_FILLER:
            cursor.at += 1
        elif dif in (_DIF_REST, _DIF_MORE):
            yield _vendor_rest(data, cursor.at)
            return
        else:
            yield _record(cursor)


def _vendor_rest(data: bytes, at: int) -> Record:
    function = MORE_FOLLOW if data[at] == _DIF_MORE else MANUFACTURER_DATA
    rest = data[at + 1 :]
    unit = Unit("", "")
    return Record(
        function, 0, 0, 0, unit, MANUFACTURER_DATA, rest.hex(), data[at : at + 1], rest, at
    )


def _record(cursor: _Cursor) -> Record:
    start = cursor.at
    dif, storage, tariff, subunit = _dib(cursor)
    coding = dif & 0x0F
    function = FUNCTIONS[dif >> 4 & 3]
    if coding == _SPECIAL:  # a readout request: nothing follows
        if dif != _DIF_ALL:
            detail = f"DIF {dif:02X} is reserved"
            raise DecodeError("dif_reserved", detail, field="DIF", offset=start)
        block = cursor.data[start : cursor.at]
        unit = Unit("Global readout request", "全部抄读请求")
        return Record(function, 0, 0, 0, unit, "none", None, block, b"", start)
    unit, vife = _vib(cursor)
    block = cursor.data[start : cursor.at]
    data = _data(cursor, coding)
    found = read_value(coding, data, unit.form)
    scaled, marks, qualifiers, added = _qualified(unit, vife)
    value: Decimal | str | None = found.text
    if found.number is not None:
        value = found.number * scaled.factor + added
    shown = data[1:] if coding == VARIABLE else data
    numbers = (storage, tariff, subunit)
    return Record(
        function, *numbers, scaled, found.kind, value, block, shown, start, marks, qualifiers, found
    )


def _dib(cursor: _Cursor) -> tuple[int, int, int, int]:
    start = cursor.at
    dif = byte = cursor.byte("DIF", "dif_cut", "no DIF")
    storage, tariff, subunit, count = dif >> 6 & 1, 0, 0, 0
    while byte & _EXTENSION:
        if count == _EXTENSIONS_MAX:
            detail = f"more than {_EXTENSIONS_MAX} DIFE"
            raise DecodeError("too_many_dife", detail, field="DIFE", offset=start)
        byte = cursor.byte("DIFE", "dif_cut", "the DIF announces an extension, the data end")
        storage |= (byte & 0x0F) << 1 + 4 * count
        tariff |= (byte >> 4 & 3) << 2 * count
        subunit |= (byte >> 6 & 1) << count
        count += 1
    return dif & 0x7F, storage, tariff, subunit


def _vib(cursor: _Cursor) -> tuple[Unit, tuple[int, ...]]:
    vif = cursor.byte("VIF", "vif_missing", "no VIF behind the DIF")
    text = None
    if vif & 0x7F == _TEXT_VIF:
        text = _text(cursor)
    byte = vif
    vife: list[int] = []
    while byte & _EXTENSION:
        if len(vife) == _EXTENSIONS_MAX:
            detail = f"more than {_EXTENSIONS_MAX} VIFE"
            raise DecodeError("too_many_vife", detail, field="VIFE", offset=cursor.at)
        byte = cursor.byte("VIFE", "vif_cut", "the VIF announces an extension, the data end")
        vife.append(byte & 0x7F)
    if vif & 0x7F == _TEXT_VIF:
        if text is None:
            text = _text(cursor)
        if text is None:
            detail = "the length of the unit's text makes no sense"
            raise DecodeError("text_unit", detail, field="VIF", offset=cursor.at)
        return Unit(text, text), tuple(vife)
    if vif in (_FB, _FD):
        table = EXTENSION_FB if vif == _FB else EXTENSION_FD
        return table.get(vife[0], Unit(*RESERVED)), tuple(vife[1:])
    return PRIMARY.get(vif & 0x7F, Unit(*RESERVED)), tuple(vife)


def _text(cursor: _Cursor) -> str | None:
    """The unit's text at the place, last character first; None when it cannot stand there."""
    if cursor.at >= len(cursor.data):
        return None
    size = cursor.data[cursor.at]
    raw = cursor.data[cursor.at + 1 : cursor.at + 1 + size]
    if not 0 < size < _TEXT_BYTES_MAX or len(raw) < size or min(raw) < 0x20:
        return None
    cursor.at += 1 + size
    return raw[::-1].decode("latin-1")


def _data(cursor: _Cursor, coding: int) -> bytes:
    size = LENGTHS[coding]
    if size is not None:
        return cursor.take(size)
    first = cursor.take(1)
    return first + cursor.take(variable_bytes(first[0]))


def _qualified(
    unit: Unit, vife: tuple[int, ...]
) -> tuple[Unit, tuple[str, ...], tuple[int, ...], Decimal]:
    """The unit with the scale of its VIFE; the VIFE that stay; what is to be added."""
    marks: list[str] = []
    qualifiers: list[int] = []
    factor, added = unit.factor, Decimal(0)
    if unit.quantity == PRIMARY[_VENDOR_VIF].quantity:
        return unit, (), (), added
    for code in vife:
        if code == _VENDOR_VIF:
            marks.append(VENDOR_MARK)
            break
        scale = scale_of(code)
        if scale is None:
            marks.append(f"{code:02x}")
            if code in VIFE_WORDS:
                qualifiers.append(code)
        else:
            factor *= scale[0]
            added += scale[1] * unit.factor
    return replace(unit, factor=factor), tuple(marks), tuple(qualifiers), added


def encode(
    dif: int, vif: bytes, data: bytes, *, storage: int = 0, tariff: int = 0, subunit: int = 0
) -> bytes:
    """A record for the wire.

    Args:
        dif: coding and function bits; storage and extension bits are set here.
        vif: VIF and VIFE as they are sent.
        data: as the coding says, LVAR included.
        storage: number of the storage.
        tariff: number of the tariff.
        subunit: number of the subunit.
    """
    first = dif & 0x3F | (storage & 1) << 6
    rest, extensions = storage >> 1, []
    while rest or tariff or subunit:
        extensions.append(rest & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        rest, tariff, subunit = rest >> 4, tariff >> 2, subunit >> 1
    head = [first, *extensions]
    head[:-1] = [byte | _EXTENSION for byte in head[:-1]]
    return bytes(head) + vif + data
