"""The fixed data structure: two counters of old water and heat meters.

Source: EN 13757-3, fixed data structure (CI 73) and its unit table.
"""

from decimal import Decimal

from kwhub.protocols.mbus.records import Record
from kwhub.protocols.mbus.units import RESERVED, Unit
from kwhub.protocols.mbus.values import Value, bcd

__all__ = ["FIXED_BYTES", "fixed_unit", "read_fixed"]

FIXED_BYTES = 16
_BINARY, _STORED = 1, 2
_SAME_BUT_HISTORIC = 0x3E
# first code, last code, quantity, Chinese, unit, exponent of the first
_ROWS = (
    (0x02, 0x0A, "Energy", "能量", "Wh", 0),
    (0x0B, 0x13, "Energy", "能量", "J", 3),
    (0x14, 0x1C, "Power", "功率", "W", 0),
    (0x1D, 0x25, "Power", "功率", "J/h", 3),
    (0x26, 0x2E, "Volume", "体积", "m^3", -6),
    (0x2F, 0x37, "Volume flow", "体积流量", "m^3/h", -6),
    (0x38, 0x38, "Temperature", "温度", "°C", -3),
)
_OTHERS = {
    0x00: ("Time point (time)", "时间点（时间）"),
    0x01: ("Time point (date)", "时间点（日期）"),
    0x39: ("H.C.A.", "热分配单位"),
    0x3F: ("", ""),
}


def fixed_unit(code: int) -> Unit:
    """The unit of a six-bit code."""
    for first, last, name, name_zh, unit, exponent in _ROWS:
        if first <= code <= last:
            return Unit(name, name_zh, unit, Decimal(1).scaleb(exponent + code - first))
    return Unit(*_OTHERS.get(code, RESERVED))


def read_fixed(data: bytes) -> tuple[int, tuple[Record, ...]]:
    """Medium and the two counters of sixteen bytes."""
    status, first, second = data[5], data[6], data[7]
    medium = second >> 6 << 2 | first >> 6
    units = [fixed_unit(first & 0x3F), fixed_unit(second & 0x3F)]
    stored = int(bool(status & _STORED))
    storages = [stored, stored]
    if second & 0x3F == _SAME_BUT_HISTORIC:
        base = units[0]
        names = f"{base.quantity} (historic)", f"{base.quantity_zh}（历史）"
        units[1] = Unit(*names, base.unit, base.factor)
        storages[1] = 1
    records = []
    for number, unit in enumerate(units):
        at = 8 + 4 * number
        raw = data[at : at + 4]
        count = Decimal(int.from_bytes(raw, "little")) if status & _BINARY else bcd(raw)
        if count is None:
            detail = Value("invalid_bcd", digits=raw[::-1].hex().upper())
        else:
            detail = Value("number", count)
        value = None if count is None else count * unit.factor
        block = bytes([data[6 + number]])
        numbers = (storages[number], 0, 0)
        records.append(
            Record(
                "instantaneous", *numbers, unit, detail.kind, value, block, raw, at, detail=detail
            )
        )
    return medium, tuple(records)
