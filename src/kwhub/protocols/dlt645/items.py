"""Data identifiers: what a number such as 00010000 stands for, and how its value bytes read.

Source: DL/T 645-2007, annex A; DL/T 645-1997, annex A. The rows are in ``tables``; this module only
looks up. A block (FF in a byte) becomes single values, each under its own identifier.

>>> [(value.value, value.unit) for value in decode(0x00010000, bytes.fromhex("38000000"))]
[(Decimal('0.38'), 'kWh')]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.families import Family, Kind, compile_pattern
from kwhub.protocols.dlt645.layouts import Layout, Value
from kwhub.protocols.dlt645.notation import Plain
from kwhub.protocols.dlt645.planning import Plan, make_label, register_of
from kwhub.protocols.dlt645.tables import chapter, every_family
from kwhub.protocols.dlt645.tables.variables import SOUTHERN_GRID

__all__ = [
    "Item",
    "Value",
    "block_of",
    "decode",
    "encode",
    "find",
    "find_southern",
    "identifier_text",
    "register_identifiers",
]

_BLOCK_PLACES = frozenset({"tariff", "phase", "total_phase"})
"""Places whose block is worth one request instead of several."""


@dataclass(frozen=True, slots=True)
class Item:
    """One identifier of one edition.

    Attributes:
        size: number of value bytes; None when it varies.
        register: OBIS code of the (first) value; None when no register is known, and for blocks.
        single_source: only one public source describes it; see ``source``.
        signed: the top bit of its numbers is a sign.
        transfer: of code 03: bytes of the request -> bytes of the answer.
    """

    identifier: int
    edition: Edition
    format: str
    size: int | None
    unit: str
    name_en: str
    name_zh: str
    access: str
    register: Register | None
    source: str
    single_source: bool
    signed: bool
    kind: Kind
    transfer: str
    layout: Layout

    def decode(self, payload: bytes) -> list[Value]:
        """The values of the bytes that follow the identifier. Raises DecodeError."""
        try:
            return self.layout.decode(payload)
        except DecodeError as error:
            text = identifier_text(self.identifier, self.edition)
            raise DecodeError(
                error.kind, f"{text}: {error.detail}", field=text, offset=error.offset
            ) from None

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of the values, in the order that ``decode`` gives them. Raises LocalError."""
        try:
            return self.layout.encode(values)
        except LocalError as error:
            raise LocalError(f"{identifier_text(self.identifier, self.edition)}: {error}") from None


def identifier_text(identifier: int, edition: Edition = Edition.E2007) -> str:
    """An identifier as people write it, high byte first: ``00010000``, ``9010``."""
    return f"{identifier:0{2 * edition.identifier_bytes}X}"


_E2007 = Edition.E2007
_FOUND_2007: dict[int, Item] = {}
_FOUND_1997: dict[int, Item] = {}
"""Items that were looked up before; bounded by the tables, since only hits are kept.

Two of them, because the hash of an enumeration member costs as much as all the rest of a look-up.
"""


def find(identifier: int, edition: Edition = Edition.E2007) -> Item | None:
    """The item of an identifier, or None when no table of the edition has it."""
    found = _FOUND_2007 if edition is _E2007 else _FOUND_1997
    item = found.get(identifier)
    if item is None:
        family = _family(identifier, edition)
        if family is not None:
            item = found[identifier] = _build(family, identifier, edition)
    return item


def find_southern(identifier: int) -> Item | None:
    """The item as meters of China Southern Grid mean it; the few that differ, then all others."""
    for family in SOUTHERN_GRID:
        if compile_pattern(family.pattern).match(identifier) is not None:
            return _build(family, identifier, Edition.E2007)
    return find(identifier)


def decode(identifier: int, payload: bytes, edition: Edition = Edition.E2007) -> list[Value]:
    """Value bytes of an answer (offset removed, identifier left out) to single values.

    A value whose bytes are all FF is None: the meter has no such phase, or did not record it.

    Raises:
        DecodeError: ``unknown_identifier``, ``value_length_mismatch``, ``not_bcd``, ``not_ascii``,
            and what ``load_record`` raises.
    """
    item = (_FOUND_2007 if edition is _E2007 else _FOUND_1997).get(identifier)
    item = item or find(identifier, edition)
    if item is None:
        text = identifier_text(identifier, edition)
        raise DecodeError("unknown_identifier", f"{text} is in no table of {edition.value}")
    try:
        return item.layout.decode(payload)
    except DecodeError:
        return item.decode(payload)  # once more, for an error that names the identifier


def encode(identifier: int, values: Sequence[Plain], edition: Edition = Edition.E2007) -> bytes:
    """The reverse of ``decode``: plain values, in its order, to value bytes.

    A block takes the values of all its members. Raises LocalError.
    """
    item = find(identifier, edition)
    if item is None:
        raise LocalError(f"{identifier_text(identifier, edition)} is in no table")
    return item.encode(values)


@lru_cache(maxsize=1024)
def block_of(identifier: int, edition: Edition = Edition.E2007) -> int | None:
    """The block that holds the other phases, or tariffs, of an identifier; None when there is none.

    >>> f"{block_of(0x02010100):08X} {block_of(0x00010400):08X}"
    '0201FF00 0001FF00'
    """
    family = _family(identifier, edition)
    if family is None:
        return None
    for hole in compile_pattern(family.pattern).holes:
        if hole.name in _BLOCK_PLACES and hole.block is not None:
            return identifier & ~(hole.mask << hole.shift) | hole.block << hole.shift
    return None


@cache
def register_identifiers(edition: Edition) -> Mapping[Register, int]:
    """Every register that meters of an edition keep, and the identifier of what it shows now."""
    found: dict[Register, int] = {}
    for family in every_family(edition):
        if family.kind is not Kind.PLAIN or not family.register:
            continue
        pattern = compile_pattern(family.pattern)
        for identifier in pattern.present():
            numbers = pattern.match(identifier)
            register = None if numbers is None else register_of(family, numbers)
            if register is not None:
                found.setdefault(Register(register), identifier)
    return MappingProxyType(found)


@cache
def _index(edition: Edition, first_byte: int) -> Mapping[int, tuple[Family, ...]]:
    """Rows of a chapter by the leading half of the identifier: DI3 DI2, or DI1 in 1997."""
    index: dict[int, list[Family]] = {}
    for family in chapter(edition, first_byte):
        for leading in compile_pattern(family.pattern).leading():
            index.setdefault(leading, []).append(family)
    return MappingProxyType({leading: tuple(rows) for leading, rows in index.items()})


def _family(identifier: int, edition: Edition) -> Family | None:
    """The first row whose pattern takes the identifier."""
    if not 0 <= identifier < 256**edition.identifier_bytes:
        return None
    bits = 8 * edition.identifier_bytes
    index = _index(edition, identifier >> bits - 8)
    for family in index.get(identifier >> bits // 2, ()):
        if compile_pattern(family.pattern).match(identifier) is not None:
            return family
    return None


def _build(family: Family, identifier: int, edition: Edition) -> Item:
    numbers = compile_pattern(family.pattern).match(identifier) or {}
    label = make_label(family, identifier_text(identifier, edition), numbers)
    plan = Plan(
        family,
        identifier,
        label,
        closed=edition is Edition.E1997,
        member=lambda other: _member(other, edition).layout,
    )
    layout = plan.layout()
    varies = layout.shape.round_size or family.members_optional
    return Item(
        identifier=identifier,
        edition=edition,
        format=family.format,
        size=None if varies else layout.shape.size,
        unit=family.unit,
        name_en=label.name_en,
        name_zh=label.name_zh,
        access=family.access,
        register=Register(label.register) if label.register else None,
        source=family.source,
        single_source=family.single_source,
        signed=family.signed,
        kind=family.kind,
        transfer=family.transfer,
        layout=layout,
    )


def _member(identifier: int, edition: Edition) -> Item:
    item = find(identifier, edition)
    if item is None:
        text = identifier_text(identifier, edition)
        raise LocalError(f"{text} belongs to a block but is in no table")
    return item
