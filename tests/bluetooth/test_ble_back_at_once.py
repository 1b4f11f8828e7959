"""Who dies and is back before the supervision time-out: the link that is made then is a true one."""

import asyncio

import pytest
from tests.bluetooth.stations import METER, READER, comparing, echo, free, on_air, station, told_of

from kwhub.bluetooth.pairing import Pairing
from kwhub.bluetooth.station import Station, StationSettings
from kwhub.domain.errors import LinkDown

SUPERVISION_S = 2.0


async def begun(clock, air, address, keys, pairing):
    """A station that will be killed, and not closed."""
    made = await Station.open(StationSettings(air, address, keys=keys), clock, pairing)
    if address == METER:
        made.listen(echo, profile="nus", masters_max=2)
    return made


def kill(made):
    """As a process goes: its controller is there no more, and it has said nothing to anybody."""
    made._adapter.source.unplug()


async def connected(master):
    async with asyncio.timeout(60):
        while True:
            try:
                return await master.connect(METER)
            except LinkDown:
                await asyncio.sleep(0.1)


async def is_answered(link):
    try:
        async with asyncio.timeout(1.0):
            await link.write(b"there?")
            return await link.read() == b"there?"
    except (TimeoutError, LinkDown):
        return False


def play(tmp_path, is_secured, main):
    async def prepared(clock, air):
        shown: list[int] = []
        policies = [comparing(shown) if is_secured else free() for _ in range(2)]
        keys = [tmp_path / "meter.keys", tmp_path / "reader.keys"] if is_secured else [None, None]
        if is_secured:
            async with (
                station(clock, air, METER, policies[0], keys=keys[0]) as slave,
                station(clock, air, READER, policies[1], keys=keys[1]) as master,
            ):
                slave.listen(echo, profile="nus", masters_max=2)
                await master.pair(METER)
            policies = [Pairing(), Pairing()]  # nobody may pair from now on
        return await main(
            clock,
            lambda: begun(clock, air, METER, keys[0], policies[0]),
            lambda: begun(clock, air, READER, keys[1], policies[1]),
        )

    return on_air(prepared)


@pytest.mark.parametrize("away_s", [0.0, 0.5, 1.9, 2.5])
@pytest.mark.parametrize("is_secured", [True, False], ids=["paired", "unpaired"])
def test_a_master_that_is_back_at_once_has_a_link_that_lives(tmp_path, is_secured, away_s):
    async def main(clock, slave_of, master_of):
        slave, master = await slave_of(), await master_of()
        assert await is_answered(await master.connect(METER))
        kill(master)
        await clock.sleep(away_s)
        again = await master_of()
        link = await connected(again)
        lives = []
        for _ in range(10):  # beyond the supervision time-out of the link before
            lives.append(await is_answered(link))
            await clock.sleep(0.5)
        return lives, link.is_up, slave.reception.masters, again.slaves

    assert play(tmp_path, is_secured, main) == ([True] * 10, True, (READER,), (METER,))


@pytest.mark.parametrize("is_secured", [True, False], ids=["paired", "unpaired"])
def test_a_slave_that_is_back_at_once_loses_the_old_link_and_gets_a_new_one(tmp_path, is_secured):
    async def main(clock, slave_of, master_of):
        slave, master = await slave_of(), await master_of()
        link = await master.connect(METER)
        kill(slave)
        began = clock.monotonic()
        again = await slave_of()
        await link.wait_down(60)
        noticed_s = clock.monotonic() - began
        fresh = await connected(master)
        await clock.sleep(5)
        return noticed_s, await is_answered(fresh), again.reception.masters, master.slaves

    noticed_s, *after = play(tmp_path, is_secured, main)
    assert noticed_s == pytest.approx(SUPERVISION_S, abs=0.1)
    assert after == [True, (READER,), (METER,)]


def test_both_are_killed_one_after_the_other_and_are_back_at_once(tmp_path):
    async def main(clock, slave_of, master_of):
        slave, master = await slave_of(), await master_of()
        await master.connect(METER)
        kill(slave)
        await clock.sleep(0.5)
        slave = await slave_of()
        kill(master)
        await clock.sleep(0.5)
        link = await connected(await master_of())
        await clock.sleep(5)
        return await is_answered(link), slave.reception.masters

    assert play(tmp_path, True, main) == (True, (READER,))


def test_what_was_on_its_way_does_not_reach_the_next_link(tmp_path):
    """Nor does the end of the link before, which both of them hear of."""

    async def main(clock, slave_of, master_of):
        slave, master = await slave_of(), await master_of()
        heard: list[bytes] = []

        async def take(link):
            while True:
                heard.append(await link.read())

        slave.listen(take, profile="nus", masters_max=1)
        link = await master.connect(METER)
        await link.write(b"of the first")
        await link.aclose()
        link = await connected(master)
        await link.write(b"of the second")
        await clock.sleep(5)
        return heard, link.is_up

    assert play(tmp_path, False, main) == ([b"of the first", b"of the second"], True)


def test_the_slave_tells_that_the_link_before_has_ended():
    async def main(clock, air):
        async with station(clock, air, METER, free()) as slave:
            slave.listen(echo, profile="nus", masters_max=2)
            master = await begun(clock, air, READER, None, free())
            await master.connect(METER)
            kill(master)
            await connected(await begun(clock, air, READER, None, free()))
            return told_of(slave)

    assert on_air(main) == ["connected", "ended", "connected"]
