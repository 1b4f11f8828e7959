"""Registers of M-Bus records: which OBIS code a volume, an energy or a voltage is.

Source: IEC 62056-61, value group A (6 heat, 7 gas, 8 cold water, 9 hot water, 5 cooling, 4 heat cost
allocator, 1 electricity); value groups B and E carry subunit and tariff. Storage stands in the reading's
source, not in its register. EN 13757-3: VIFE 00 (no error), 3B, 3C (only positive, only negative), FC 01
to 03 (phases). Manufacturers' VIFE FF 00 to 03 as total and phases: real telegrams, single source.
"""

from collections.abc import Mapping
from decimal import Context, Decimal
from types import MappingProxyType

from kwhub.domain.readings import Register
from kwhub.protocols.mbus.identity import manufacturer_code
from kwhub.protocols.mbus.records import VENDOR_MARK, Record

__all__ = [
    "DIGITS_MAX",
    "MEDIUM_GROUPS",
    "REGISTER_STEMS",
    "UNITS",
    "in_register_unit",
    "register_of",
]

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

REGISTER_STEMS: Mapping[tuple[int, str], str] = MappingProxyType(
    {
        (1, "Energy"): "1.8",
        (1, "Reactive energy"): "3.8",
        (1, "Apparent energy"): "9.8",
        (1, "Power"): "16.7",
        (1, "Reactive power"): "131.7",
        (1, "Apparent power"): "9.7",
        (1, "Voltage"): "12.7",
        (1, "Current"): "11.7",
        (1, "Frequency"): "14.7",
        (4, "H.C.A."): "1.0",
        (5, "Energy"): "1.0",
        (5, "Volume"): "2.0",
        (5, "Power"): "8.0",
        (5, "Volume flow"): "9.0",
        (5, "Flow temperature"): "10.0",
        (5, "Return temperature"): "11.0",
        (5, "Temperature difference"): "12.0",
        (6, "Energy"): "1.0",
        (6, "Volume"): "2.0",
        (6, "Power"): "8.0",
        (6, "Volume flow"): "9.0",
        (6, "Flow temperature"): "10.0",
        (6, "Return temperature"): "11.0",
        (6, "Temperature difference"): "12.0",
        (7, "Volume"): "3.0",
        (7, "Volume flow"): "43.0",
        (8, "Volume"): "1.0",
        (8, "Volume flow"): "2.0",
        (9, "Volume"): "1.0",
        (9, "Volume flow"): "2.0",
    }
)
"""Value groups C and D of (value group A, quantity)."""

UNITS: Mapping[str, tuple[str, int, int]] = MappingProxyType(
    {
        "Wh": ("kWh", 1, 1_000),
        "J": ("kWh", 1, 3_600_000),
        "W": ("kW", 1, 1_000),
        "J/h": ("kW", 1, 3_600_000),
        "varh": ("kvarh", 1, 1_000),
        "VAh": ("kVAh", 1, 1_000),
        "var": ("kvar", 1, 1_000),
        "VA": ("kVA", 1, 1_000),
        "m^3": ("m3", 1, 1),
        "m^3/h": ("m3/h", 1, 1),
        "m^3/min": ("m3/h", 60, 1),
        "m^3/s": ("m3/h", 3_600, 1),
        "°C": ("degC", 1, 1),
        "K": ("K", 1, 1),
        "V": ("V", 1, 1),
        "A": ("A", 1, 1),
        "Hz": ("Hz", 1, 1),
        "": ("", 1, 1),
    }
)
"""Unit of a record: the register's unit, and the ratio of the two as a fraction."""

DIGITS_MAX = 15
"""Digits before the point of the largest value that a meter is believed."""

PLACES_AND_DIGITS_MAX = 18
"""Digits in all of a value: whole numbers of 63 bits hold them."""

_CALM = Context(prec=60, Emin=-9_999, Emax=9_999, traps=[])
"""Arithmetic that never raises: whatever a meter sends, at worst the result is no number."""

_ROUNDED = Decimal("0.000001")
"""Step of a converted value that no decimal number states exactly; joules to kWh is the only case."""

_ONLY_POSITIVE, _ONLY_NEGATIVE = "3b", "3c"
_IMPORTED = {"16.7": "1.7"}
_EXPORTED = {"1.8": "2.8", "3.8": "4.8", "9.8": "10.8", "16.7": "2.7"}
_MAXIMA = {"16.7": "1.6", "1.7": "1.6", "2.7": "2.6"}
_GOOD = "00"  # VIFE: the record has no error
_PHASE_MAKERS = frozenset(manufacturer_code(letters) for letters in ("SBC", "FIN", "EMU"))
# The last VIFE behind FF of these: total, phases
_VENDOR_PHASES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {0: (), 1: ("7c", "01"), 2: ("7c", "02"), 3: ("7c", "03")}
)
# VIFE FC 01, 02, 03
_PHASES = {("7c", "01"): 0, ("7c", "02"): 1, ("7c", "03"): 2}
_BY_PHASE = {
    "1.8": ("21.8", "41.8", "61.8"),
    "2.8": ("22.8", "42.8", "62.8"),
    "3.8": ("23.8", "43.8", "63.8"),
    "16.7": ("36.7", "56.7", "76.7"),
    "131.7": ("151.7", "171.7", "191.7"),
    "9.7": ("29.7", "49.7", "69.7"),
    "12.7": ("32.7", "52.7", "72.7"),
    "11.7": ("31.7", "51.7", "71.7"),
}
_HISTORIC = " (historic)"  # second counter of the fixed structure
_COOLED = {6: 5}


def register_of(medium: int | None, record: Record, maker: int | None = None) -> Register | None:
    """The register of a record; None when it is none, or is qualified by what OBIS does not know.

    Only instantaneous values are registers, and the maximum of an electrical power (a demand). What a
    heat meter counts of negative differences is cooling.

    Args:
        medium: of the telegram.
        record: of that telegram.
        maker: code of the manufacturer, some of which mark phases in their own way.
    """
    group = MEDIUM_GROUPS.get(medium if medium is not None else -1)
    quantity = record.unit.quantity.removesuffix(_HISTORIC)
    stem = None if group is None else REGISTER_STEMS.get((group, quantity))
    marks = _marks_of(record, maker)
    if group is None or stem is None or marks is None or record.unit.unit not in UNITS:
        return None
    if record.kind not in ("number", "invalid_bcd", "invalid_real"):
        return None
    if marks == (_ONLY_NEGATIVE,) and group in _COOLED:
        group = _COOLED[group]
    elif marks:
        stem = _marked(stem, marks)
    if stem is not None and record.function == "maximum" and group == 1:
        stem = _MAXIMA.get(stem)
    elif record.function != "instantaneous":
        stem = None
    return None if stem is None else Register(f"{group}-{record.subunit}:{stem}.{record.tariff}")


def _marks_of(record: Record, maker: int | None) -> tuple[str, ...] | None:
    """The VIFE that say more than the unit; None when they are the maker's and not known."""
    marks = tuple(mark for mark in record.marks if mark != _GOOD)
    if VENDOR_MARK not in marks:
        return marks
    # Another subunit of theirs is another quantity (reactive power under the unit of active power).
    if maker not in _PHASE_MAKERS or marks != (VENDOR_MARK,) or record.subunit:
        return None
    return _VENDOR_PHASES.get(record.block[-1])


def _marked(stem: str, marks: tuple[str, ...]) -> str | None:
    if marks in _PHASES and stem in _BY_PHASE:
        return _BY_PHASE[stem][_PHASES[marks]]
    if marks == (_ONLY_POSITIVE,):
        return _IMPORTED.get(stem, stem)
    return _EXPORTED.get(stem) if marks == (_ONLY_NEGATIVE,) else None


def in_register_unit(value: Decimal, unit: str) -> tuple[Decimal | None, str]:
    """A record's value in its register's unit, and that unit.

    Exact, but joules: kWh to six digits after the point, from which the joules can be had again. What has
    more than ``DIGITS_MAX`` digits no meter counts; places after the point are rounded until it fits.

    Returns:
        None for the value when it is no number, or one that no meter can mean.

    >>> in_register_unit(Decimal(2_850_427), "Wh")
    (Decimal('2850.427'), 'kWh')
    >>> in_register_unit(Decimal(1_000_000), "J")
    (Decimal('0.277778'), 'kWh')
    >>> in_register_unit(Decimal("3.4E+38"), "J")
    (None, 'kWh')
    """
    name, times, divided = UNITS[unit]
    if divided == 1:
        found = _CALM.multiply(value, Decimal(times))
    elif divided == 1_000:
        found = _CALM.scaleb(value, Decimal(-3))
    else:
        found = _CALM.quantize(_CALM.divide(value, Decimal(divided)), _ROUNDED)
    return _believed(found), name


def _believed(value: Decimal) -> Decimal | None:
    """The value with no more digits than a meter has; None when that is no number."""
    if not value.is_finite() or value.adjusted() >= DIGITS_MAX:
        return None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        return None
    places = PLACES_AND_DIGITS_MAX - max(0, value.adjusted() + 1)
    if -exponent <= places:
        return value
    return _CALM.quantize(value, Decimal((0, (1,), -places)))
