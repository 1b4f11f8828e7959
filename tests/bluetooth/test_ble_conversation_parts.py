"""Answers in parts, which one master fetches to their end, and damaged ones, which pass where they are only reported."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.bluetooth.nodes import node, slave
from tests.bluetooth.stations import METER, OTHER, READER, free, on_air, station
from tests.bluetooth.test_ble_serial_face import within
from tests.sim.line import made

from kwhub.bluetooth.inspection import InspectionMode
from kwhub.exchange.transfer import transfer
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Edition, ReadData, Role, Session
from kwhub.protocols.dlt645.frames import Frame645

NUMBER, NEXT = "000000000038", "000000000039"
BLOCKS = {Edition.E1997: 0x901F, Edition.E2007: 0x0001_FF00}
ENERGY = 0x0001_0000


@asynccontextmanager
async def two_masters(clock, air, *meters):
    """Drivers of two masters above a node with meters, and the node."""
    async with (
        node(clock, air, METER, slave(), behind=meters) as middle,
        station(clock, air, READER, free()) as one,
        station(clock, air, OTHER, free()) as two,
    ):
        links = [await each.connect(METER) for each in (one, two)]
        drivers = [Driver(link, Session(Role.MASTER), clock, attempts=1) for link in links]
        yield (*drivers, middle)


@pytest.mark.parametrize("edition", Edition)
def test_two_masters_read_the_same_long_answer_at_once_and_both_have_all_of_it(edition):
    async def main(clock, air):
        meter = made(NUMBER, edition=edition, part_bytes=8)
        async with two_masters(clock, air, meter) as (one, two, _):
            read = [
                each.run(transfer(NUMBER, BLOCKS[edition], edition=edition)) for each in (one, two)
            ]
            done = await asyncio.gather(*read)
        return [(len(each.payload), len(each.raw)) for each in done]

    assert on_air(main) == [(20, 3), (20, 3)]


def test_who_does_not_fetch_the_rest_holds_up_others_no_longer_than_a_silent_meter():
    async def main(clock, air):
        meters = [made(NUMBER, part_bytes=8), made(NEXT)]
        async with two_masters(clock, air, *meters) as (one, two, middle):
            first = await one.ask(ReadData(NUMBER, BLOCKS[Edition.E2007]))
            assert first.more
            began = clock.monotonic()
            done = await two.run(transfer(NEXT, ENERGY))
            assert done.payload
            assert clock.monotonic() - began < middle.settings.patience_s + 0.5
            began = clock.monotonic()
            await two.run(transfer(NEXT, ENERGY))
            return clock.monotonic() - began < 0.5

    assert on_air(main)


@pytest.mark.parametrize(
    ("mode", "passes"), [(InspectionMode.REFUSE, False), (InspectionMode.REPORT, True)]
)
def test_a_damaged_answer_passes_where_it_is_only_reported(mode, passes):
    damaged = bytearray(Frame645(NUMBER, 0x91, bytes(8)).to_bytes())
    damaged[-2] ^= 1

    async def main(clock, air):
        near, bus = pair()

        async def noisy():
            await near.read()
            await near.write(bytes(damaged))

        async with (
            node(clock, air, METER, slave(inspection=mode), bus=bus) as middle,
            station(clock, air, READER, free()) as one,
        ):
            answering = asyncio.ensure_future(noisy())
            link = await one.connect(METER)
            await link.write(Frame645(NUMBER, 0x11, bytes(4)).to_bytes())
            heard = await within(link, 3)
            await answering
            return heard, dict(middle.inspection.counts)

    assert on_air(main) == (bytes(damaged) if passes else b"", {"checksum_mismatch": 1})
