"""Rows of the identifier tables: one family of identifiers that differ only in a tariff, a phase, a day.

Source: DL/T 645-2007, annex A (identifier = DI3 DI2 DI1 DI0, FF in a byte means all its values);
DL/T 645-1997, annex A (DI1 DI0, F in the low digit means all).

A pattern is the identifier in hexadecimal with holes: ``{phase:01-03|FF}`` takes 01, 02, 03, and FF
for the block of all three. Names are templates with the same holes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from kwhub.domain.errors import LocalError

__all__ = [
    "BLOCK",
    "OPEN_HOLES",
    "TIME",
    "Family",
    "Hole",
    "Kind",
    "Part",
    "Pattern",
    "compile_pattern",
    "hole_words",
    "numbered",
    "rows",
]

BLOCK = -1
"""The number of a hole that is filled with FF: all values of that byte."""


class Kind(Enum):
    """How the value bytes of a family are laid out."""

    PLAIN = "plain"  #: as the format says
    BLOCK = "block"  #: the values of other identifiers, one after the other
    CURVE = "curve"  #: points, each with its time before its values
    LOAD_RECORD = "load record"  #: see ``load_record``
    OPAQUE = "opaque"  #: bytes whose layout the tables do not give


class Part(NamedTuple):
    """One value of a compound format."""

    name_en: str
    name_zh: str
    unit: str | None = ""  #: None: the unit of the family
    register: str = ""


def numbered(name_en: str, name_zh: str, count: int, unit: str | None = "") -> tuple[Part, ...]:
    """The same part several times, with its number."""
    return tuple(Part(f"{name_en} {n}", f"{name_zh}{n}", unit) for n in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class Family:
    """One row of a table."""

    pattern: str
    format: str
    unit: str  #: as the table says; ``mixed`` when each part has its own
    name_en: str
    name_zh: str
    register: str | tuple[str, ...] = ""  #: OBIS code, a template, or one for each phase
    size: int = 0  #: bytes of ASCII, bits and opaque values; 0: not fixed
    signed: bool = False
    access: str = "R"  #: R, W, RW, C=03 (only through the security code), ? where not stated
    parts: tuple[Part, ...] = ()  #: of a compound format, then of one round of what repeats
    repeats: str = (
        ""  #: hole name whose words tell the rounds of ``xn`` apart; else they are numbered
    )
    kind: Kind = Kind.PLAIN
    members: tuple[int, ...] = ()  #: values of the FF byte of a block that has a row of its own
    members_optional: tuple[int, ...] = ()  #: further ones that only some meters have
    transfer: str = ""  #: of code 03: bytes of the request -> bytes of the answer
    single_source: bool = False
    source: str = ""


TIME = Part("time", "时间")
"""The time that goes with a value."""


def rows(source: str, *families: Family, single_source: bool = False) -> tuple[Family, ...]:
    """Rows of one source."""
    return tuple(replace(family, source=source, single_source=single_source) for family in families)


class Hole(NamedTuple):
    """One place of a pattern."""

    name: str
    shift: int
    mask: int
    values: tuple[int, ...]
    block: int | None  #: the value that stands for all, if there is one
    first: int  #: ordinal of the first value

    def ordinal(self, value: int) -> int | None:
        """Ordinal of a value of this place, ``BLOCK`` for all of them, None when it does not belong."""
        if value == self.block:
            return BLOCK
        return self.first + self.values.index(value) if value in self.values else None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern ready for look-up."""

    base: int
    mask: int
    holes: tuple[Hole, ...]
    half: int  #: bits of half an identifier

    def match(self, identifier: int) -> dict[str, int] | None:
        """Ordinals of the holes by name, or None when the identifier does not belong."""
        if identifier & self.mask != self.base:
            return None
        found: dict[str, int] = {}
        for hole in self.holes:
            ordinal = hole.ordinal(identifier >> hole.shift & hole.mask)
            if ordinal is None:
                return None
            found[hole.name] = ordinal
        return found

    def identifiers(self) -> Iterator[int]:
        """Every identifier of the family, blocks included."""
        return _fill(self.base, self.holes)

    def present(self) -> Iterator[int]:
        """The identifiers that stand for now and for one value: no block, no record, no settlement."""
        if any(hole.name == "last" for hole in self.holes):
            return iter(())
        return _fill(
            self.base,
            tuple(
                hole._replace(
                    values=hole.values[:1] if hole.name in _PAST else hole.values, block=None
                )
                for hole in self.holes
            ),
        )

    def leading(self) -> set[int]:
        """Every value of the leading half of the identifier: DI3 DI2, or DI1 in 1997."""
        holes = tuple(hole for hole in self.holes if hole.shift >= self.half)
        return {identifier >> self.half for identifier in _fill(self.base, holes)}


def _fill(base: int, holes: tuple[Hole, ...]) -> Iterator[int]:
    choices = (hole.values if hole.block is None else (*hole.values, hole.block) for hole in holes)
    for values in product(*choices):
        yield base | sum(value << hole.shift for hole, value in zip(holes, values, strict=True))


_SHORTHAND = MappingProxyType(
    {
        "tariff": "00-3F|FF",
        "settlement": "00-0C|FF",
        "last": "01-0A",
    }
)

OPEN_HOLES = frozenset({"tariff", "price", "zone", "slot", "holiday"})
"""Places whose block holds as many values as the meter has in use, not all that could be."""

_FROM_ZERO = frozenset({"total_phase", "month", "level"})
"""Places whose listed values count from 0 (0 = total, or now); others that are listed from 1."""

_PAST = frozenset({"settlement", "month"})
"""Places whose first value is now and whose others are the past."""

_PLACE = re.compile(r"\{(?P<name>\w+)(?::(?P<spec>[^}]+))?\}|(?P<digit>[0-9A-F])")


@cache
def compile_pattern(pattern: str) -> Pattern:
    """Take a pattern apart. Raises LocalError for one that is not made of hexadecimal digits and holes."""
    holes: list[tuple[str, str, int]] = []
    digits = ""
    position = 0
    while position < len(pattern):
        match = _PLACE.match(pattern, position)
        if match is None:
            raise LocalError(f"{pattern!r} is no pattern of identifiers")
        position = match.end()
        if match["digit"]:
            digits += match["digit"]
            continue
        spec = match["spec"] or _SHORTHAND[match["name"]]
        width = len(re.split(r"[-|]", spec)[0])
        holes.append((match["name"], spec, len(digits)))
        digits += "?" * width
    mask = int("".join("0" if digit == "?" else "F" for digit in digits), 16)
    base = int(digits.replace("?", "0"), 16)
    made = tuple(_hole(name, spec, start, len(digits)) for name, spec, start in holes)
    return Pattern(base, mask, made, 2 * len(digits))


def _hole(name: str, spec: str, start: int, digits: int) -> Hole:
    choices = spec.split("|")
    width = len(choices[0].partition("-")[0])
    block = None
    if len(choices) > 1 and choices[-1] == "F" * width:
        block = int(choices.pop(), 16)
    if "-" in choices[0]:
        low, high = (int(end, 16) for end in choices[0].split("-"))
        values = tuple(range(low, high + 1))
        first = low
    else:
        values = tuple(int(choice, 16) for choice in choices)
        first = 0 if name in _FROM_ZERO else 1
    return Hole(name, 4 * (digits - start - width), 16**width - 1, values, block, first)


def _tariff(number: int) -> tuple[str, str]:
    return ("total", "总") if number == 0 else (f"tariff {number}", f"费率{number}")


def _phase(number: int) -> tuple[str, str]:
    return ("total", "总") if number == 0 else ("ABC"[number - 1], f"{'ABC'[number - 1]}相")


def _settlement(number: int) -> tuple[str, str]:
    if number == 0:
        return "", "当前"
    return f", {_last(number)[0]} settlement day", f"上{number}结算日"


def _month(number: int) -> tuple[str, str]:
    return (("", "当前"), (", last month", "上月"), (", month before last", "上上月"))[number]


def _last(number: int) -> tuple[str, str]:
    if number == 1:
        return "last", "上1次"
    teen = 10 <= number % 100 <= 20
    ending = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} last", f"上{number}次"


_WORDS: Mapping[str, Callable[[int], tuple[str, str]]] = MappingProxyType(
    {
        "tariff": _tariff,
        "phase": _phase,
        "total_phase": _phase,
        "settlement": _settlement,
        "month": _month,
        "last": _last,
    }
)

_BLOCK_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tariff": ("total and all tariffs", "总及各费率"),
        "settlement": (", now and all settlement days", "当前及各结算日"),
        "phase": ("all phases", "各相"),
        "total_phase": ("total and all phases", "总及各相"),
    }
)


def hole_words(name: str, number: int) -> tuple[str, str]:
    """The words for one filling of a place, English and Chinese."""
    if number == BLOCK:
        return _BLOCK_WORDS.get(name, ("all", "全部"))
    words = _WORDS.get(name)
    return words(number) if words else (str(number), str(number))
