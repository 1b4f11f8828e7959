"""The handheld's link over Bluetooth: paired devices, each meter at an address of its own."""

import asyncio

import pytest
from tests.bluetooth.nodes import address, node, slave
from tests.bluetooth.stations import showing, station, typing
from tests.handheld.conftest import fresh, place
from tests.handheld.test_ways import through
from tests.handheld.world import made, outing

from kwhub.exchange.device_messages import WorkMeter

__all__ = ["fresh", "place"]

OWN = "F0:00:00:00:0A:0A"


@pytest.mark.slow
def test_a_round_reads_paired_meters_and_tells_which_was_not_there(place, tmp_path):
    async def main(stage):
        behind = [made(number) for number in (1, 2, 3)]
        own = [address(8, number) for number in (1, 2, 3)]
        air, keys = "air:handheld-round", tmp_path / "handheld.keys"
        shown: list[int] = []
        await stage.working()
        rows = zip(behind, own, strict=True)
        stage.order(meters=tuple(WorkMeter(each.address, terminal=at) for each, at in rows))
        tasks = stage.tasks()
        await tasks.delivery.synchronise()
        async with (
            node(stage.clock, air, own[0], slave(), behind=behind[:1], pairing=showing(shown)),
            node(stage.clock, air, own[1], slave(), behind=behind[1:2], pairing=showing(shown)),
        ):
            async with station(stage.clock, air, OWN, typing(shown), keys=keys) as person:
                for each in own[:2]:
                    await person.pair(each)
            tasks = through(stage, f"ble:{{terminal}}?adapter={air}&keys={keys}&own={OWN}")
            seen = {visit.place.meter: visit async for visit in tasks.collect(tasks.places())}
            await tasks.visiting.ways.aclose()
            await asyncio.sleep(0)
        return seen, [each.address for each in behind]

    found = {}

    async def kept(stage):
        found["seen"], found["meters"] = await main(stage)

    outing(place, kept)
    visits = [found["seen"][meter] for meter in found["meters"]]
    assert [visit.failure is None for visit in visits] == [True, True, False]
    assert all(visit.values for visit in visits[:2])
    assert visits[2].failure.kind == "NotPaired"
