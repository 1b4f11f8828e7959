"""The tables against the identifier list of the corpus, row by row and identifier by identifier."""

import csv
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.protocols.dlt645.corpus645 import SHARED

from kwhub.protocols.dlt645 import Edition
from kwhub.protocols.dlt645.families import Family, Kind, compile_pattern
from kwhub.protocols.dlt645.items import Item, find, find_southern, identifier_text
from kwhub.protocols.dlt645.tables import CHAPTERS, chapter, every_family

LIST = SHARED.parent / "spec" / "dlt645_identifiers.csv"

SAME_AS = {
    "as 03100000": lambda identifier: 0x03100000,
    "as 10PPFFNN": lambda identifier: 0x10 << 24 | identifier & 0xFFFFFF,
    "as 1400FFNN": lambda identifier: 0x14 << 24 | identifier & 0xFFFFFF,
    "as 1600FFNN": lambda identifier: 0x16 << 24 | identifier & 0xFFFFFF,
    "as 18PPFFNN": lambda identifier: 0x18 << 24 | identifier & 0xFFFFFF,
    "as 1BPPFFNN": lambda identifier: 0x1B << 24 | identifier & 0xFFFFFF,
}
"""Formats of the list that point to another identifier."""

WRITTEN_OUT = {
    "NN..NN": "NNNNNNNNNNNNNNNN",
    "request NN; answer see facts.md": "load record",
    "request NN+mm hh DD MM YY": "load record",
    "request 01; answer see facts.md": "load record",
    "see facts.md": "vendor block",
}
"""Formats of the list that are prose."""

UNIT_DECIDED = {"06100901": "kWh"}
"""The list leaves the unit of this energy curve out."""

SIGNED_BY_KIND = ("combined reactive", "current", "power", "present")
"""Names of quantities that the sign rule of the standard makes signed where it lists them alone.

The list marks only those rows. In snapshots, freezes and curves the same registers keep their sign;
a decoder that took them for unsigned would call a negative value "not BCD".
"""

LENGTHS_UNKNOWN = {"4n", "8n", "10+4n", "12+n", "varies", "mixed", "?", "14 (18)"}


def rows() -> list[dict[str, str]]:
    if not LIST.exists():
        message = f"{LIST} is absent: set KWHUB_VECTORS to the folder beside it"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with LIST.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def identifiers(row: dict[str, str]) -> Iterator[int]:
    return compile_pattern(row["pattern"] or row["di"]).identifiers()


def edition(row: dict[str, str]) -> Edition:
    return Edition(f"dlt645-{row['protocol']}")


def look_up(identifier: int, row: dict[str, str]) -> Item | None:
    if row["group"] == "variable-regional":
        return find_southern(identifier)
    return find(identifier, edition(row))


def expected_bytes(row: dict[str, str]) -> int | None:
    text = row["bytes"]
    return None if text in LENGTHS_UNKNOWN else sum(int(part) for part in text.split("+"))


def disagreements(item: Item, row: dict[str, str]) -> Iterator[str]:
    signed = row["format"].endswith(" signed")
    wanted = row["format"].removesuffix(" signed")
    units = {UNIT_DECIDED.get(row["di"], row["unit"])}
    if item.kind is Kind.CURVE:  # one row for several channels
        units.update(row["unit"].split(","))
    if item.format != WRITTEN_OUT.get(wanted, wanted):
        yield f"format {item.format}"
    if item.unit not in units:
        yield f"unit {item.unit}"
    if item.access != row["access"]:
        yield f"access {item.access}"
    if item.single_source != (row["confirmed"] == "single source"):
        yield f"single source {item.single_source}"
    by_kind = any(name in item.name_en for name in SIGNED_BY_KIND)
    if item.signed != signed and not (item.signed and by_kind):
        yield f"signed {item.signed}"


@pytest.mark.slow
def test_every_row_is_in_the_tables():
    wrong: list[str] = []
    for row in rows():
        for identifier in identifiers(row):
            text = identifier_text(identifier, edition(row))
            item = look_up(identifier, row)
            if item is None:
                wrong.append(f"{text} is missing")
            elif row["format"] in SAME_AS:
                twin = find(SAME_AS[row["format"]](identifier))
                # FF in the place of the record is listed only for the events that point elsewhere.
                if twin is not None and (item.format, item.size) != (twin.format, twin.size):
                    wrong.append(f"{text} is unlike {twin.identifier:08X}")
            else:
                wrong += [f"{text}: {why}, row {row}" for why in disagreements(item, row)]
    assert not wrong[:5]


def test_lengths_agree():
    wrong: list[str] = []
    for row in rows():
        item = look_up(int(row["di"], 16), row)
        if item is None or row["format"] in SAME_AS or item.kind in (Kind.LOAD_RECORD, Kind.CURVE):
            continue
        if item.access == "C=03" or item.transfer:
            continue
        if item.format == "-" or item.size == expected_bytes(row):
            continue
        wrong.append(f"{row['di']}: {item.size} bytes, listed {row['bytes']}")
    assert not wrong


def test_security_items_name_what_is_transferred():
    for row in rows():
        if row["group"] == "security":
            item = find(int(row["di"], 16))
            assert item is not None
            assert item.transfer == row["bytes"]


def test_the_tables_hold_nothing_else():
    listed: dict[Edition, set[int]] = {each: set() for each in Edition}
    for row in rows():
        listed[edition(row)].update(identifiers(row))
    extra = {
        identifier_text(identifier, each)
        for each in Edition
        for family in every_family(each)
        for identifier in compile_pattern(family.pattern).identifiers()
        if identifier not in listed[each]
    }
    # One 1997 meter answers 9000 with its total; it stands in the vectors, not in the list.
    assert extra == {"9000"}


def _clashes(each: Edition) -> list[str]:
    count = Counter(
        identifier
        for family in every_family(each)
        for identifier in compile_pattern(family.pattern).identifiers()
    )
    return [identifier_text(identifier, each) for identifier, times in count.items() if times > 1]


def test_only_the_grid_companies_disagree_on_an_identifier():
    assert _clashes(Edition.E1997) == []
    assert _clashes(Edition.E2007) == ["0280000B"]


def test_chapters_name_the_first_bytes_of_their_rows():
    for each, modules in CHAPTERS.items():
        for family in every_family(each):
            shift = 8 * each.identifier_bytes - 8
            for first in {
                identifier >> shift for identifier in compile_pattern(family.pattern).identifiers()
            }:
                assert family in chapter(each, first)
        assert modules


@pytest.mark.parametrize("each", Edition, ids=lambda each: each.value)
def test_every_row_names_its_source(each):
    families: list[Family] = list(every_family(each))
    assert all(family.source for family in families)
    assert len(families) > 20
