"""The identifier tables, one module a chapter of the standard; a chapter is loaded when it is needed.

Source: DL/T 645-2007, annex A with the filings of State Grid (up to 2018); DL/T 645-1997, annex A.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.families import Family

__all__ = ["CHAPTERS", "PROFILES", "chapter", "every_family", "families_of"]

CHAPTERS: Mapping[Edition, Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        Edition.E2007: {
            "energy": (0x00,),
            "energy_phase": (0x00,),
            "demand": (0x01,),
            "variables": (0x02,),
            "events": (0x03,),
            "event_programming": (0x03,),
            "purchases": (0x03,),
            "parameters": (0x04,),
            "parameters_control": (0x04,),
            "thresholds": (0x04,),
            "freezes": (0x05,),
            "load": (0x06,),
            "security": (0x07,),
            "event_fields": tuple(range(0x10, 0x22)),
            "extensions": (0x02, 0x03, 0x06, 0x07, 0x08),
        },
        Edition.E1997: {
            "energy_1997": (*range(0x90, 0x9C),),
            "demand_1997": (*range(0xA0, 0xAA), *range(0xB0, 0xBA)),
            "variables_1997": (0xB2, 0xB3, 0xB6),
            "parameters_1997": (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5),
        },
    }
)
"""Module of each chapter and the first bytes of the identifiers in it (DI3, or DI1 in 1997)."""

PROFILES: Mapping[int, str] = MappingProxyType({0x0F: "terminal"})
"""Modules with identifiers of devices that are no meters, by their first byte: nobody asks a meter for them."""


@cache
def chapter(edition: Edition, first_byte: int) -> tuple[Family, ...]:
    """All rows whose identifiers may start with this byte; the first row that matches counts."""
    if edition is Edition.E2007 and first_byte in PROFILES:
        return families_of(PROFILES[first_byte])
    return tuple(
        family
        for name, first_bytes in CHAPTERS[edition].items()
        if first_byte in first_bytes
        for family in families_of(name)
    )


def every_family(edition: Edition) -> Iterator[Family]:
    """Every row of an edition, in the order of the tables."""
    for name in CHAPTERS[edition]:
        yield from families_of(name)


def families_of(name: str) -> tuple[Family, ...]:
    """The rows of one chapter, by the name of its module."""
    rows: tuple[Family, ...] = import_module(f"{__name__}.{name}").FAMILIES
    return rows
