"""AFN 01 cut short by a power cut: the archive comes back from the settings, and all is read anew."""

import asyncio
from datetime import timedelta

import pytest
from tests.concentrator.alike import Seen
from tests.concentrator.power import PowerCut, Supply
from tests.concentrator.test_served import P0
from tests.concentrator.world import START, play

from kwhub.concentrator.served_rights import Rights
from kwhub.protocols.gdw1376.units import Unit


async def reset_in_the_dark(world, function, at, supply):
    """Let the power fail at a write of a reset by the head-end."""
    running = world.start(supply.opener)
    await world.until(minutes=50)
    desk = world.concentrator.uplink.desk
    desk.rights = desk._controls._rights = Rights(password=bytes(16))
    supply.left = at
    asked = asyncio.ensure_future(world.station.ask(1, Unit(P0, (function,))))
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert supply.out
    asked.cancel()
    await asyncio.wait({running})
    assert running.exception().split(PowerCut)[1] is None
    world.concentrator.close()
    await world.station.hang_up()


@pytest.mark.slow
@pytest.mark.parametrize("function", [3, 4])
def test_a_reset_that_is_cut_by_the_power_leaves_a_whole_archive(tmp_path, function):
    seen, worlds = set(), Seen()
    for at in range(10, 41, 4):
        supply = Supply(1_000_000, after=at % 3 == 0, copy=tmp_path / f"copy-{at}.sqlite")

        async def story(world, at=at, supply=supply):
            await reset_in_the_dark(world, function, at, supply)
            if not worlds.is_new(supply.copy, world):
                return
            world.move_store(supply.copy)
            world.start()
            assert len(world.concentrator.archive.records()) == 3
            await world.until(hours=1, minutes=30)
            await world.stop()
            assert world.delivered() == world.planned(START + timedelta(hours=1))

        play(story, tmp_path / f"{at}.sqlite", meters=3, hourly=False, tariffs=0)
        seen.add(supply.last)
    assert (
        len(worlds) == 3
    )  # nothing done, all forgotten, and the archive of the settings there again
    assert any("archive" in statement for statement in seen)
