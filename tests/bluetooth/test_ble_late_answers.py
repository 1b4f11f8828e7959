"""An answer that comes late is listened for; whoever asks, or is dismissed, meanwhile is not disturbed by it."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER, on_air

from kwhub.bluetooth.plain import PLAIN
from kwhub.bluetooth.port import Port
from kwhub.exchange.passing import DLT645
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.wire.passing import Passing


async def nobody(_found, _port):
    """Nobody wants it."""


def test_two_that_ask_at_once_while_a_late_answer_is_listened_for_both_have_theirs():
    async def main(clock, _air):
        near, far = pair()
        port = Port("bus", near, clock, answer_s=0.05)

        async def echo():
            while True:
                await far.write(b"A" + await far.read())

        echoing = asyncio.ensure_future(echo())
        await port.ask(Passing(b"1"), "a", PLAIN, nobody)
        await clock.sleep(0.05)
        asking = [
            port.ask(Passing(each), name, PLAIN, nobody)
            for each, name in ((b"2", "b"), (b"3", "c"))
        ]
        answers = await asyncio.gather(*asking)
        echoing.cancel()
        await port.end()
        return [each.found and each.found.raw for each in answers]

    assert on_air(main) == [b"A2", b"A3"]


def test_a_slave_is_dismissed_while_another_is_listened_to():
    async def main(clock, air):
        behind = meters(clock, 3)
        slaves = {address(5, i): [meter.address] for i, meter in enumerate(behind)}
        made = collector(slaves, heartbeat_s=3_600.0, silent_s=7_300.0)
        async with AsyncExitStack() as stack:
            for own, meter in zip(slaves, behind, strict=True):
                await stack.enter_async_context(node(clock, air, own, slave(), behind=[meter]))
            middle = await stack.enter_async_context(node(clock, air, METER, made))
            await clock.sleep(8)
            last = middle.ports[-1]
            request = next(iter(DLT645.framer().feed(Frame645("1" * 12, 0x13).to_bytes())))
            await last.ask(request, "software", DLT645, nobody)
            left = middle.settings.slaves[1:]
            await middle.apply(msgspec.structs.replace(middle.settings, slaves=left))
            await clock.sleep(1)
            return [port.name for port in middle.ports]

    assert on_air(main) == [address(5, 1), address(5, 2)]
