"""Without inspection bytes pass as they are: in any number of pieces, with any pauses, however late."""

import asyncio

import pytest
from tests.bluetooth.nodes import address, collector, node, slave
from tests.bluetooth.stations import METER, OTHER, READER, free, on_air, station

from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.registry import StateChange
from kwhub.bluetooth.states import NodeState
from kwhub.links.memory import pair

OFF = InspectionMode.OFF


async def heard(link, seconds):
    """All that comes in some seconds."""
    found = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while True:
                found += await link.read()
    except TimeoutError:
        return bytes(found)


async def pieces(bus, clock, *said):
    """Whatever is asked on a bus: some pieces, with a pause before each."""
    while True:
        asked = await bus.read()
        for pause_s, piece in said:
            await clock.sleep(pause_s)
            await bus.write(asked[:1] + piece)


@pytest.mark.parametrize("pause_s", [0.06, 0.3, 1.5])
def test_an_answer_with_pauses_comes_whole_through_a_slave_and_a_collector(pause_s):
    async def main(clock, air):
        near, bus = pair()
        talking = asyncio.ensure_future(
            pieces(near, clock, (0.1, b"one"), (pause_s, b"two"), (pause_s, b"three"))
        )
        below = address(5, 1)
        async with (
            node(clock, air, below, slave(inspection=OFF), bus=bus),
            node(clock, air, METER, collector({below: []}, inspection=OFF)),
            station(clock, air, READER, free()) as above,
            station(clock, air, OTHER, free()) as beside,
        ):
            await clock.sleep(5)
            links = [await each.connect(METER) for each in (above, beside)]
            await links[0].write(b"A?")
            found = await heard(links[0], 5)
            await links[1].write(b"B?")
            other = await heard(links[1], 5)
            talking.cancel()
            return found, other, await heard(links[0], 5)

    assert on_air(main) == (b"AoneAtwoAthree", b"BoneBtwoBthree", b"")


def test_the_next_question_does_not_wait_for_what_may_follow():
    async def main(clock, air):
        near, bus = pair()
        talking = asyncio.ensure_future(pieces(near, clock, (0.02, b"yes")))
        async with (
            node(clock, air, METER, slave(inspection=OFF), bus=bus),
            station(clock, air, READER, free()) as above,
        ):
            link = await above.connect(METER)
            began = clock.monotonic()
            for _ in range(10):
                await link.write(b"A?")
                assert await link.read() == b"Ayes"
            talking.cancel()
            return clock.monotonic() - began

    assert on_air(main) < 2


def test_a_slave_of_a_foreign_protocol_is_online_and_its_meters_are_asked_nothing():
    async def main(clock, air):
        near, bus = pair()
        said = asyncio.ensure_future(heard(near, 590))
        below = address(5, 1)
        changes: list[StateChange] = []
        async with node(clock, air, METER, collector({below: []}, inspection=OFF)) as middle:
            middle.registry.told = changes.append
            async with node(clock, air, below, slave(inspection=OFF), bus=bus):
                await clock.sleep(600)
                assert [each.after for each in changes] == [NodeState.ONLINE]
                asked = await said
            await clock.sleep(600)
            return asked, [each.after for each in changes]

    assert on_air(main) == (b"", [NodeState.ONLINE, NodeState.SILENT])
