"""The head-end is told each missing value with its cause (0D-F239)."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.concentrator.test_served import online
from tests.concentrator.world import START, play

from kwhub.concentrator.ledger_causes import Cause
from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376.formats import A20
from kwhub.protocols.gdw1376.messages import Answered, Denied
from kwhub.protocols.gdw1376.missing_values import (
    CAUSES,
    FUNCTION,
    VALUES_PER_UNIT,
    MissingUnit,
    MissingValue,
)
from kwhub.protocols.gdw1376.typed import read_unit
from kwhub.protocols.gdw1376.units import Unit

TODAY = START.date()


def test_every_cause_of_the_ledger_has_its_code():
    assert set(CAUSES.values()) == {cause.value for cause in Cause}


async def ask(world, point, day=TODAY):
    event = await world.station.ask(0x0D, Unit((point,), (FUNCTION,), A20.encode(day)))
    if not isinstance(event, Answered):
        assert isinstance(event, Denied)
        return None
    found: list[Any] = [each for unit in event.units for each in read_unit(0x0D, unit, up=True)]
    assert all(isinstance(each, MissingUnit) and each.day == day for each in found)
    return [value for each in found for value in each.values]


def test_what_is_missing_is_told_with_its_cause_and_nothing_else(tmp_path):
    async def story(world):
        await online(world, hours=1, minutes=10)
        assert await ask(world, 1) == []
        world.be_deaf(True)
        await world.until(hours=4, minutes=20)
        told = await ask(world, 1)
        begin = START.replace(tzinfo=None) + timedelta(hours=1)
        quarters = [begin + timedelta(minutes=15 * n) for n in range(1, 14)]
        assert [each.time for each in told] == quarters
        assert {(each.register, each.interval_s) for each in told} == {("1-0:1.8.0", 900)}
        assert {(each.state, each.cause) for each in told} == {("open", "silent")}
        assert await ask(world, 9) is None
        assert await ask(world, 1, date(2026, 3, 3)) == []
        broken = await world.station.ask(0x0D, Unit((1,), (FUNCTION,), b"\xff" * 3))
        assert isinstance(broken, Denied)
        world.be_deaf(False)
        await world.until(hours=6, minutes=10)
        assert await ask(world, 1) == []
        await world.stop()

    play(story, tmp_path / "store.sqlite", hourly=False)


@pytest.mark.slow
def test_a_day_with_many_of_them_is_told_in_several_frames(tmp_path):
    async def story(world):
        await online(world, minutes=10)
        world.be_deaf(True)
        await world.until(hours=10)
        told = await ask(world, 1)
        assert len(told) > 2 * VALUES_PER_UNIT
        assert len({(each.register, each.time) for each in told}) == len(told)
        await world.stop()

    play(story, tmp_path / "store.sqlite")


values = st.builds(
    MissingValue,
    st.builds("1-0:{}.{}.{}".format, *[st.integers(0, 255)] * 3),
    st.integers(1, 1_440).map(lambda minutes: minutes * 60),
    st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)).map(
        lambda time: time.replace(second=0, microsecond=0)
    ),
    st.sampled_from(["open", "lost"]),
    st.sampled_from(sorted(CAUSES.values())),
    st.integers(0, 255),
)


@settings(max_examples=30)
@given(st.lists(values, max_size=130))
def test_units_come_back_as_they_were(found):
    units = [each.to_unit() for each in MissingUnit.of(7, TODAY, found)]
    read = [MissingUnit.from_data(7, unit.data) for unit in units]
    assert [value for each in read for value in each.values] == found
    assert len(units) == max(1, -(-len(found) // VALUES_PER_UNIT))


@pytest.mark.parametrize(
    "raw", ["", "0203", "020326", "02032601", "02032601" + "00" * 14, "eeeeee00"]
)
def test_broken_units_are_told(raw):
    with pytest.raises(DecodeError):
        MissingUnit.from_data(1, bytes.fromhex(raw))
