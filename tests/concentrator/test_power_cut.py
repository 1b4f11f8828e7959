"""An end of the process at any write loses no reading, changes none, and the station keeps each once.

On the wire a report may come twice: when the mark of its confirmation was lost.
"""

import asyncio
from datetime import timedelta

import pytest
from tests.concentrator.alike import Seen
from tests.concentrator.power import PowerCut, Supply
from tests.concentrator.world import START, play

from kwhub.links.layers.faulty import FaultRates
from kwhub.runtime.chance import seeded

DARK_S = 30


async def start_on(world, supply):
    """Start the concentrator; the power may fail while it starts."""
    try:
        return world.start(supply.opener)
    except PowerCut:
        return None


async def run_until_dark(world, supply, end):
    """Run until the power fails or the end has come; whether it failed."""
    task = await start_on(world, supply)
    if task is not None:
        left = (end - world.clock.now()).total_seconds()
        done, _ = await asyncio.wait([task], timeout=left)
        if not done:
            await world.stop()
            return False
        error = task.exception()
        assert error.split(PowerCut)[1] is None  # nothing but the power
        world.concentrator.close()
    await world.station.hang_up()
    return True


async def cut_and_recover(world, at, *, after, folder, seen):
    """Whether the power failed, the last statement, and whether the world it left was a new one."""
    supply = Supply(at, after=after, copy=folder / f"copy-{at}-{after}.sqlite")
    end = START + timedelta(hours=1, minutes=5)
    dark = await run_until_dark(world, supply, end)
    is_new = not dark or seen.is_new(supply.copy, world)
    if dark and is_new:
        await world.clock.sleep(DARK_S)
        world.move_store(supply.copy)
        world.start()
        await world.until(hours=1, minutes=10)
        await world.stop()
    return dark, supply.last, is_new


@pytest.mark.slow
def test_a_value_that_is_missing_or_wrong_is_not_taken_for_delivered(tmp_path):
    """The judge of the cuts below is judged."""

    async def story(world):
        world.start()
        await world.until(hours=1, minutes=5)
        await world.stop()
        planned = world.planned(START + timedelta(hours=1))
        assert world.delivered() == planned
        assert world.invented() == []
        for slot in planned:
            true = world.station.values[slot]
            for false in (None, true + 1000):
                world.station.values[slot] = false
                assert world.invented() == [(slot, false)]
                is_energy = slot.register.startswith("1-0:1.8")
                assert (slot in world.delivered()) is (false is not None and not is_energy)
            world.station.values[slot] = true

    play(story, tmp_path / "store.sqlite", meters=3, tariffs=2)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_cut_at_any_write(tmp_path, after):
    """For every n: every planned reading is at the station, and what was known to be there came once.

    Where several n leave the same world behind, what comes then is played once.
    """
    cuts, seen = [], Seen()
    for at in range(1, 10_000):

        async def story(world, at=at):
            outcome = await cut_and_recover(world, at, after=after, folder=tmp_path, seen=seen)
            return world, *outcome

        path = tmp_path / f"store-{at}-{after}.sqlite"
        world, dark, statement, is_new = play(story, path, meters=3, tariffs=2)
        if not dark:
            break
        cuts.append(statement)
        if not is_new:
            continue
        assert world.delivered() == world.planned(START + timedelta(hours=1)), statement
        assert world.invented() == [], statement
        # A mark that the power took is not known any more; only then may its report come again.
        marking = statement.startswith(("BEGIN", "UPDATE reading", "COMMIT"))
        repeated = set(world.station.repeated)
        assert not repeated or marking, statement
        assert not repeated or not (after and statement == "COMMIT")
        assert any(repeated <= frame for frame in world.station.frames)  # of one report
        assert max(world.station.arrivals.values()) <= 2
    assert len(cuts) > 40
    assert len(seen) > 15
    assert {"CREATE", "BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA"} <= {
        statement.split()[0] for statement in cuts
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cuts_again_and_again_on_a_bad_line(tmp_path, seed):
    """Power that fails every few minutes, and a bus that damages one piece in twenty."""
    chance = seeded(seed, "power")

    async def story(world):
        cuts = 0
        while world.clock.now() < START + timedelta(hours=8):
            path = tmp_path / f"store-{cuts}.sqlite"
            supply = Supply(chance.randint(1, 40), after=chance.random() < 0.5, copy=path)
            cuts += await run_until_dark(world, supply, START + timedelta(hours=8))
            if supply.out:
                await world.clock.sleep(chance.randint(1, 900))
                world.move_store(path)
        world.rates = FaultRates()
        world.start()
        await world.until(hours=10, minutes=30)
        await world.stop()
        assert cuts > 5
        assert world.delivered() == world.planned(START + timedelta(hours=10))
        assert world.invented() == []

    play(story, tmp_path / "store.sqlite", seed=seed, meters=3, rates=FaultRates(cut=0.05))
