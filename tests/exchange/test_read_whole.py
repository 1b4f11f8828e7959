"""Everything that a meter has comes, is what the meter itself says, and is asked for once."""

from typing import Any

import pytest
from tests.exchange.meter645 import Meter
from tests.sim.line import ADDRESS, Line, made

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.exchange.read_whole import CHAPTERS, chapter_of, read_whole, readable_families
from kwhub.protocols.dlt645 import Edition, ReadData
from kwhub.protocols.dlt645.families import Kind, compile_pattern
from kwhub.protocols.dlt645.items import decode, encode, find
from kwhub.protocols.dlt645.tables import every_family
from kwhub.sim.answers import Answers
from kwhub.sim.denial import Denied

E1997 = Edition.E1997


def served(line: Line, edition: Edition) -> dict[int, Any]:
    """What the meter has of every row, asked without a line: first of many, no blocks, no curves."""
    answers = Answers(line.meter.body)
    found: dict[int, Any] = {}
    for family in every_family(edition):
        if (
            family.kind not in (Kind.PLAIN, Kind.OPAQUE)
            or chapter_of(compile_pattern(family.pattern).base, edition) not in CHAPTERS
        ):
            continue
        pattern = compile_pattern(family.pattern)
        for identifier in pattern.identifiers():
            numbers = pattern.match(identifier) or {}
            if -1 in numbers.values() or numbers.get("last", 1) > 1:
                continue
            try:
                data = answers.read(ReadData(ADDRESS, identifier, edition=edition), line.at_s)
            except Denied:
                continue
            if not data.more:
                found[identifier] = decode(identifier, data.payload, edition)
    return found


def varies(identifier: int, edition: Edition) -> bool:
    """Instant values and the clock move on while a meter is read."""
    if edition is E1997:
        return identifier >> 8 == 0xB6 or identifier in (0xC010, 0xC011)
    moving = {0x0400_0101, 0x0400_0102, 0x0400_010C}
    return identifier >> 24 == 0x02 or identifier in moving or identifier >> 8 == 0x04_0005


@pytest.mark.slow
@pytest.mark.parametrize("edition", Edition)
@pytest.mark.parametrize("phases", [1, 3])
def test_all_that_the_simulated_meter_serves(edition, phases):
    line = Line(made(phases=phases, edition=edition))
    before = served(line, edition)
    whole = line.pair.run(read_whole(ADDRESS, edition))
    assert whole.silence is None
    assert not [item for item in whole.items if item.error]
    came = {
        (value.identifier, value.name_en): value.value
        for item in whole.items
        for value in item.values or ()
    }
    identifiers = {int(identifier, 16) for identifier, _ in came}
    fields_of_events = {
        identifier
        for identifier in before
        if edition is Edition.E2007 and identifier >> 24 in range(0x10, 0x22)
    }
    missing = set(before) - identifiers - fields_of_events
    assert not missing, [f"{identifier:08X}" for identifier in sorted(missing)]
    assert len(before) > (100 if edition is E1997 else 500)
    for identifier, values in before.items():
        if identifier in fields_of_events or varies(identifier, edition):
            continue
        for value in values:
            assert came[value.identifier, value.name_en] == value.value, value


def test_records_that_have_happened_come_whole():
    line = Line(made(phases=3))
    line.write(0x0400_0108, "2026-03-17 00:00")
    line.later(86_400)
    whole = line.pair.run(read_whole(ADDRESS, chapters=["events", "freezes"]))
    identifiers = {item.identifier for item in whole.items}
    assert 0x0330_0001 in identifiers  # the programming
    assert {0x0505_FF01, 0x0506_FF01, 0x0504_FF01} <= identifiers
    assert not identifiers & {0x0505_0001, 0x0506_0001}  # they came with their blocks
    assert {item.identifier for item in whole.absent} >= {0x0503_FF01, 0x0503_0001}
    assert 0x0503_0101 not in {item.identifier for item in whole.absent}  # not even asked


def test_heads_of_the_load_record():
    line = Line(made(phases=3))
    whole = line.pair.run(read_whole(ADDRESS, chapters=["load"]))
    heads = {item.identifier for item in whole.items}
    assert {0x0601_0000, 0x0601_0002, 0x0604_0000, 0x0604_0002} <= heads
    assert not any(identifier & 0xFF == 1 for identifier in heads)


def test_a_meter_that_refuses_blocks_is_read_one_by_one():
    meter = Meter({0x0001_0000: bytes(4), 0x0001_0100: bytes(4), 0x0001_0001: bytes(4)})
    whole = meter.talk(read_whole(ADDRESS, chapters=["energy"]))
    came = [item.identifier for item in whole.items]
    assert sorted(came) == [0x0001_0000, 0x0001_0001, 0x0001_0100]
    assert len(set(meter.identifiers)) == len(meter.identifiers)  # nothing is asked for twice
    assert all(isinstance(item.error, Refusal) for item in whole.absent)


def test_a_silent_meter_is_left_alone():
    first = readable_families(Edition.E2007)[0][1]
    silent = Meter({}, silent=set(compile_pattern(first.pattern).identifiers()))
    whole = silent.talk(read_whole(ADDRESS))
    assert isinstance(whole.silence, NoAnswer)
    assert len(silent.identifiers) == 1


def test_a_meter_that_falls_silent_is_left_alone_with_what_came():
    registers = {0x0001_0000: bytes(4)}
    meter = Meter({**registers}, silent={0x0001_FF01, 0x0001_FF02})
    whole = meter.talk(read_whole(ADDRESS, chapters=["energy"]))
    assert isinstance(whole.silence, NoAnswer)
    assert [item.identifier for item in whole.items] == [0x0001_0000, 0x0001_FF01]


def test_progress_ends_where_it_said():
    steps: list[tuple[int, int]] = []
    items: list[int] = []
    meter = Meter({0x0400_0101: encode(0x0400_0101, ["2026-03-01"])})
    whole = meter.talk(
        read_whole(
            ADDRESS,
            chapters=["parameters"],
            told=lambda done, total: steps.append((done, total)),
            heard=lambda item: items.append(item.identifier),
        )
    )
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert items == meter.identifiers
    assert len(whole.items) == 1


@pytest.mark.parametrize("edition", Edition)
def test_every_row_is_in_one_chapter_or_secret(edition):
    for family in every_family(edition):
        base = compile_pattern(family.pattern).base
        if chapter_of(base, edition) is None:
            assert edition is Edition.E2007
            assert base >> 24 == 0x07
    firsts = [first for group in CHAPTERS.values() for first in group]
    assert len(firsts) == len(set(firsts))


def test_what_is_not_read():
    rows = [family for _, family in readable_families(Edition.E2007)]
    assert not [row.pattern for row in rows if row.access in ("W", "C=03", "RW?")]
    assert not [row.pattern for row in rows if row.kind is Kind.CURVE]
    assert find(0x1001_0201) is not None
    assert not [row.pattern for row in rows if row.pattern.startswith("10{phase:01-03}02")]


def test_a_chapter_that_there_is_not():
    with pytest.raises(LocalError, match="energy"):
        next(read_whole(ADDRESS, chapters=["weather"]))
