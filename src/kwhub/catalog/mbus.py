"""Registers of M-Bus records: which OBIS code a volume, an energy or a voltage is.

Source: IEC 62056-61, value group A (6 heat, 7 gas, 8 cold water, 9 hot water, 5 cooling, 4 heat cost
allocator, 1 electricity); value groups B and E carry subunit and tariff. Storage stands in the reading's
source, not in its register.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kwhub.domain.readings import Register
from kwhub.protocols.mbus.records import Record

__all__ = ["MEDIUM_GROUPS", "REGISTER_STEMS", "register_of"]

MEDIUM_GROUPS: Mapping[int, int] = MappingProxyType(
    {
        0x02: 1,
        0x03: 7,
        0x04: 6,
        0x06: 9,
        0x07: 8,
        0x08: 4,
        0x0A: 5,
        0x0B: 5,
        0x0C: 6,
        0x0D: 6,
        0x15: 9,
        0x16: 8,
    }
)
"""Value group A of a medium."""

REGISTER_STEMS: Mapping[tuple[int, str, str], str] = MappingProxyType(
    {
        (1, "Energy", "Wh"): "1.8",
        (1, "Reactive energy", "varh"): "3.8",
        (1, "Apparent energy", "VAh"): "9.8",
        (1, "Power", "W"): "1.7",
        (1, "Reactive power", "var"): "3.7",
        (1, "Apparent power", "VA"): "9.7",
        (1, "Voltage", "V"): "12.7",
        (1, "Current", "A"): "11.7",
        (1, "Frequency", "Hz"): "14.7",
        (4, "H.C.A.", ""): "1.0",
        (5, "Energy", "Wh"): "1.0",
        (5, "Energy", "J"): "1.0",
        (5, "Volume", "m^3"): "2.0",
        (6, "Energy", "Wh"): "1.0",
        (6, "Energy", "J"): "1.0",
        (6, "Volume", "m^3"): "2.0",
        (6, "Power", "W"): "8.0",
        (6, "Volume flow", "m^3/h"): "9.0",
        (6, "Flow temperature", "°C"): "10.0",
        (6, "Return temperature", "°C"): "11.0",
        (6, "Temperature difference", "K"): "12.0",
        (7, "Volume", "m^3"): "3.0",
        (8, "Volume", "m^3"): "1.0",
        (8, "Volume flow", "m^3/h"): "2.0",
        (9, "Volume", "m^3"): "1.0",
        (9, "Volume flow", "m^3/h"): "2.0",
    }
)
"""Value groups C and D of (value group A, quantity, unit)."""

_ONLY_POSITIVE, _ONLY_NEGATIVE = "3b", "3c"
_EXPORTED = {"1.8": "2.8", "3.8": "4.8", "9.8": "10.8", "1.7": "2.7"}


def register_of(medium: int | None, record: Record) -> Register | None:
    """The register of a record; None when it is none, or is qualified by what OBIS does not know.

    Only instantaneous values are registers: a maximum or a value during an error is something else.
    """
    group = MEDIUM_GROUPS.get(medium if medium is not None else -1)
    if group is None or record.function != "instantaneous" or record.kind != "number":
        return None
    stem = REGISTER_STEMS.get((group, record.unit.quantity, record.unit.unit))
    if stem is None:
        return None
    if record.marks == (_ONLY_NEGATIVE,) and stem in _EXPORTED:
        stem = _EXPORTED[stem]
    elif record.marks not in ((), (_ONLY_POSITIVE,)):
        return None
    tariff = f".{record.tariff}"
    return Register(f"{group}-{record.subunit}:{stem}{tariff}")
