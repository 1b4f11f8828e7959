"""Packets that make no sense, from a stranger near by: a node goes on, and its log is not filled."""

import asyncio
from contextlib import suppress

import pytest
from bumble.core import BaseBumbleError
from bumble.hci import Address
from structlog.testing import capture_logs
from tests.bluetooth.nodes import meters, node, read, slave
from tests.bluetooth.stations import METER, OTHER, READER, comparing, on_air, station

from kwhub.bluetooth.stack import make_device, open_adapter
from kwhub.runtime.chance import seeded

CHANNELS = {0x0004: range(0xE0), 0x0005: range(1, 0x1B), 0x0006: range(1, 16), 0x0040: range(4)}
"""Of L2CAP, with the codes that packets begin with there: attributes, signalling, pairing, a free one."""

LINKS, PACKETS = 12, 40


async def babble(air, clock, chance):
    adapter = await open_adapter(air)
    device = make_device("stranger", OTHER, bytes(16), adapter)
    await device.power_on()
    for _ in range(LINKS):
        with suppress(BaseBumbleError, TimeoutError):
            connection = await device.connect_le(Address(METER), timeout=5)
            for _ in range(PACKETS):
                if connection.handle not in device.connections:
                    break
                channel = chance.choice(tuple(CHANNELS))
                code = chance.choice(CHANNELS[channel])
                rest = chance.randbytes(chance.choice((0, 1, 2, 4, 6, 16, 64, 200)))
                connection.send_l2cap_pdu(channel, bytes([code]) + rest)
                await clock.sleep(0.01)
        await clock.sleep(6)  # by now it has been sent away
    await adapter.aclose()
    await clock.sleep(3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_node_goes_on_whatever_a_stranger_says(seed):
    async def main(clock, air):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: told.append(what))
        (meter,) = meters(clock, 1)
        made = node(clock, air, METER, slave(), behind=[meter], pairing=comparing([]))
        with capture_logs() as logs:
            async with made, station(clock, air, READER, comparing([])) as reader:
                await babble(air, clock, seeded(seed, "stranger"))
                await reader.pair(METER)
                link = await reader.connect(METER)
                reading = await read(link, clock, meter.address)
        senseless = [each for each in logs if "makes no sense" in each["event"]]
        return bool(all(reading)), told, 0 < len(senseless) < 15

    assert on_air(main) == (True, [], True)
