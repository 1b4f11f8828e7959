"""What a register is called in each protocol.

Source: DL/T 645-2007 and -1997, annex A, by way of the register column of the item tables; Q/GDW
1376.1-2013, AFN 0D, functions F81 to F110 (curves) and F161 to F168 (day freeze).
"""

from collections.abc import Mapping
from types import MappingProxyType

from kwhub.catalog.registers import describe
from kwhub.domain.errors import KwhubError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import find, register_identifiers

__all__ = [
    "from_dlt645",
    "from_gdw_curve",
    "from_gdw_day_freeze",
    "to_dlt645",
    "to_gdw_curve",
    "to_gdw_day_freeze",
]

_GDW_CURVES: Mapping[int, Register] = MappingProxyType(
    {
        81: Register("1-0:16.7.0"),
        82: Register("1-0:36.7.0"),
        83: Register("1-0:56.7.0"),
        84: Register("1-0:76.7.0"),
        85: Register("1-0:131.7.0"),
        86: Register("1-0:151.7.0"),
        87: Register("1-0:171.7.0"),
        88: Register("1-0:191.7.0"),
        89: Register("1-0:32.7.0"),
        90: Register("1-0:52.7.0"),
        91: Register("1-0:72.7.0"),
        92: Register("1-0:31.7.0"),
        93: Register("1-0:51.7.0"),
        94: Register("1-0:71.7.0"),
        95: Register("1-0:91.7.0"),
        101: Register("1-0:1.8.0"),
        102: Register("1-0:3.8.0"),
        103: Register("1-0:2.8.0"),
        104: Register("1-0:4.8.0"),
        105: Register("1-0:13.7.0"),
        106: Register("1-0:33.7.0"),
        107: Register("1-0:53.7.0"),
        108: Register("1-0:73.7.0"),
        145: Register("1-0:5.8.0"),
        146: Register("1-0:8.8.0"),
        147: Register("1-0:6.8.0"),
        148: Register("1-0:7.8.0"),
    }
)
"""Functions of AFN 0D with one register each; the quadrants stand in the order 1, 4, 2, 3."""

_GDW_DAY_FREEZES: Mapping[int, str] = MappingProxyType(
    {
        161: "1-0:1.8",
        162: "1-0:3.8",
        163: "1-0:2.8",
        164: "1-0:4.8",
        165: "1-0:5.8",
        166: "1-0:6.8",
        167: "1-0:7.8",
        168: "1-0:8.8",
    }
)
"""Functions of AFN 0D that carry the total and each tariff: the register without its tariff."""

_TO_GDW_CURVES = MappingProxyType({register: number for number, register in _GDW_CURVES.items()})
_TO_GDW_DAY_FREEZES = MappingProxyType({stem: number for number, stem in _GDW_DAY_FREEZES.items()})


def to_dlt645(register: Register, edition: Edition = Edition.E2007) -> int:
    """The identifier under which a meter of this edition keeps a register now.

    Raises:
        KwhubError: the edition has no identifier for it.
    """
    identifier = register_identifiers(edition).get(register)
    if identifier is None:
        name = describe(register).alias
        raise KwhubError(f"{edition.value} has no identifier for {register} ({name})")
    return identifier


def from_dlt645(identifier: int, edition: Edition = Edition.E2007) -> Register | None:
    """The register of the (first) value of an identifier; None for blocks and for what was."""
    item = find(identifier, edition)
    return item.register if item else None


def to_gdw_curve(register: Register) -> int | None:
    """The function of AFN 0D that carries a register as a curve; None when there is none."""
    return _TO_GDW_CURVES.get(register)


def from_gdw_curve(function: int) -> Register | None:
    """The register that a curve function of AFN 0D carries; None when it is none of ours."""
    return _GDW_CURVES.get(function)


def to_gdw_day_freeze(register: Register) -> int | None:
    """The function of AFN 0D that carries a register, total or tariff, as frozen at the end of a day."""
    return _TO_GDW_DAY_FREEZES.get(register.rpartition(".")[0])


def from_gdw_day_freeze(function: int, count: int) -> tuple[Register, ...]:
    """The registers of the values of a day freeze function: the total, then the tariffs.

    Args:
        function: of AFN 0D.
        count: number of values in the unit.

    Returns:
        As many registers as there are values; nothing when the function is none of ours.
    """
    stem = _GDW_DAY_FREEZES.get(function)
    if stem is None:
        return ()
    return tuple(Register(f"{stem}.{tariff}") for tariff in range(count))
