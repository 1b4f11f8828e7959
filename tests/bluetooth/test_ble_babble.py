"""A slave that never stops speaking is found out, and holds up nobody for long."""

from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER, READER, free, on_air, station
from tests.bluetooth.test_ble_silence import ask

from kwhub.bluetooth.states import NodeState

BELOW = address(5, 1)
MIDDLE = address(2, 1)
ZEROES = bytes(20)


def babbling(clock, what=ZEROES):
    async def babble(link):
        await link.read()
        while True:
            await link.write(what)
            await clock.sleep(0.2)

    return babble


def test_a_slave_that_never_stops_is_told_and_its_link_made_again():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = collector({METER: [meter.address]}, heartbeat_s=5.0, silent_s=60.0)
        async with station(clock, air, METER, free()) as bad:
            bad.listen(babbling(clock), profile="nus", masters_max=2, name="bad")
            async with node(clock, air, MIDDLE, settings) as made:
                changes = []
                made.registry.told = lambda change: changes.append(change.after)
                await clock.sleep(600)
                (view,) = made.registry
                return view.requests > 10, view.violations > 10, NodeState.ONLINE in changes[3:]

    assert on_air(main) == (True, True, False)


def test_who_asks_for_it_is_free_again_for_the_others():
    async def main(clock, air):
        first, second = meters(clock, 2)
        settings = collector({METER: [first.address], BELOW: [second.address]})
        async with (
            station(clock, air, METER, free()) as bad,
            node(clock, air, BELOW, slave(), behind=[second]),
            node(clock, air, MIDDLE, settings),
            station(clock, air, READER, free()) as reader,
        ):
            bad.listen(babbling(clock), profile="nus", masters_max=2, name="bad")
            await clock.sleep(5)
            link = await reader.connect(MIDDLE)
            assert await ask(link, first.address, 20.0) == b""
            return bool(await ask(link, second.address, 20.0))

    assert on_air(main)


def test_a_long_frame_of_a_slow_line_is_still_waited_for():
    """200 bytes at 1,200 baud, a byte at a time, take longer than the patience for its beginning."""

    async def main(clock, air):
        (meter,) = meters(clock, 1)

        async def slowly(link):
            while True:
                request = await link.read()
                data = request[10:14] + bytes([0x33] * 196)
                head = request[:8] + bytes([0x91, len(data)]) + data
                frame = head + bytes([sum(head) % 256, 0x16])
                for byte in frame:
                    await link.write(bytes([byte]))
                    await clock.sleep(11 / 1_200)

        async with (
            station(clock, air, METER, free()) as slow,
            node(clock, air, MIDDLE, collector({METER: [meter.address]}, answer_s=1.0)),
            station(clock, air, READER, free()) as reader,
        ):
            slow.listen(slowly, profile="nus", masters_max=2, name="slow")
            await clock.sleep(5)
            link = await reader.connect(MIDDLE)
            return len(await ask(link, meter.address, 20.0))

    assert on_air(main) == 212
