"""A meter was replaced: confirmed, paired afresh, the old one retired; or everything stays."""

import asyncio

import pytest
from tests.bluetooth.stations import (
    METER,
    OTHER,
    READER,
    carried,
    comparing,
    echo,
    on_air,
    station,
)

from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.replacement import replace_device
from kwhub.bluetooth.stack import BondLost, NotPaired
from kwhub.domain.errors import LinkDown, Refusal, RemoteError

NUMBER = b"000000000038"


async def number(link):
    await link.write(NUMBER)
    return (await link.read()).decode()


def world(play):
    """A reader that was paired with a meter; then what ``play`` does with a new one."""

    async def main(clock, air):
        shown: list[int] = []
        async with station(clock, air, READER, comparing(shown)) as reader:
            async with station(clock, air, METER, comparing(shown)) as old:
                old.listen(echo, profile="nus", masters_max=1)
                await reader.pair(METER)
            await play(clock, air, reader, comparing(shown))

    on_air(main)


@pytest.mark.parametrize("new", [METER, OTHER])
def test_the_new_device_takes_the_place_of_the_old(new):
    async def play(clock, air, reader, policy):
        async with station(clock, air, new, policy) as fresh:
            fresh.listen(echo, profile="nus", masters_max=1)
            with pytest.raises(BondLost if new == METER else LinkDown):
                await reader.connect(METER)
            await replace_device(reader, METER, new, NUMBER.decode(), number)
            assert reader.keys.peer(new).meter == NUMBER.decode()
            await (await reader.connect(new)).aclose()
            if new != METER:
                assert reader.keys.peer(METER).successor == new
                assert not reader.keys.is_bonded(METER)
                with pytest.raises(NotPaired):
                    await reader.connect(METER)

    world(play)


def test_another_number_than_the_confirmed_one_changes_nothing():
    async def play(clock, air, reader, policy):
        async with station(clock, air, OTHER, policy) as fresh:
            fresh.listen(echo, profile="nus", masters_max=1)
            with pytest.raises(Refusal, match="is 000000000038, not 000000000039"):
                await replace_device(reader, METER, OTHER, "000000000039", number)
            assert reader.keys.is_bonded(METER)
            assert reader.keys.peer(OTHER) is None

    world(play)


def test_a_stranger_who_is_not_paired_changes_nothing():
    async def play(clock, air, reader, policy):
        del policy
        async with station(clock, air, METER, carried()[0]) as stranger:
            stranger.listen(echo, profile="nus", masters_max=1)
            before = reader.keys.peer(METER)
            with pytest.raises(LinkDown):
                await replace_device(reader, METER, METER, NUMBER.decode(), number)
            assert reader.keys.peer(METER) == before
            assert Pairing().is_open is False

    world(play)


@pytest.mark.parametrize("new", [METER, OTHER])
@pytest.mark.parametrize("failure", ["cancelled", "remote", "unforeseen"])
def test_no_end_but_success_leaves_a_trace_in_the_key_file(tmp_path, new, failure):
    file = tmp_path / "reader.keys"

    async def main(clock, air):
        shown: list[int] = []

        async def fails(_link):
            assert file.read_bytes() == before  # a crash now would change nothing
            if failure == "cancelled":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(1)
            raise RemoteError("no such data") if failure == "remote" else ValueError(failure)

        async with station(clock, air, READER, comparing(shown), keys=file) as reader:
            async with station(clock, air, METER, comparing(shown)) as old:
                old.listen(echo, profile="nus", masters_max=1)
                await reader.pair(METER)
            before, known = file.read_bytes(), reader.keys.peer(METER)
            async with station(clock, air, new, comparing(shown)) as fresh:
                fresh.listen(echo, profile="nus", masters_max=1)
                work = asyncio.ensure_future(
                    replace_device(reader, METER, new, NUMBER.decode(), fails)
                )
                with pytest.raises((asyncio.CancelledError, RemoteError, ValueError)):
                    await work
                assert file.read_bytes() == before
                assert reader.keys.peer(METER) == known
                assert new == METER or reader.keys.peer(new) is None

    on_air(main)


def test_a_device_that_was_reset_is_paired_again_only_as_a_replacement():
    async def play(clock, air, reader, policy):
        async with station(clock, air, METER, policy) as fresh:
            fresh.listen(echo, profile="nus", masters_max=1)
            before = reader.keys.peer(METER)
            with pytest.raises(BondLost, match="--replace"):
                await reader.pair(METER)
            assert reader.keys.peer(METER) == before

    world(play)
