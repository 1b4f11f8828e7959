"""Twenty slaves and five masters for a simulated hour: every reading comes once, no link is a ghost."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.bluetooth.nodes import ENERGY, address, meters, node, read, slave
from tests.bluetooth.stations import METER, READER, echo, free, on_air, station

from kwhub.bluetooth.air import Air, name_air
from kwhub.bluetooth.radio import Radio, Setting
from kwhub.domain.errors import LinkDown
from kwhub.runtime.chance import seeded

MASTERS, SLAVES = 5, 20
HOUR_S, PERIOD_S = 3_600, 900


@pytest.mark.slow
@pytest.mark.sim
def test_five_masters_read_twenty_slaves_for_an_hour_without_loss_or_ghost():
    async def main(clock, air):
        behind = meters(clock, SLAVES)
        async with AsyncExitStack() as stack:
            slaves, masters = [], []
            for number, meter in enumerate(behind):
                settings = slave([meter.address], masters_max=MASTERS)
                made = node(clock, air, address(1, number), settings, behind=[meter])
                slaves.append(await stack.enter_async_context(made))
            for number in range(MASTERS):
                made = station(clock, air, address(2, number), free())
                masters.append(await stack.enter_async_context(made))
            links = await asyncio.gather(*(_connect_all(master) for master in masters))
            readings = 0
            while clock.monotonic() < HOUR_S:
                rounds = [_read_all(each, clock, behind) for each in links]
                readings += sum(await asyncio.gather(*rounds))
                await clock.sleep(PERIOD_S)
            for number, each in enumerate(slaves):
                assert sorted(each.masters) == [address(2, master) for master in range(MASTERS)]
                assert not each.inspection.counts
                assert masters[0].slaves.count(address(1, number)) == 1
            assert all(len(master.slaves) == SLAVES for master in masters)
            return readings

    assert on_air(main) == MASTERS * SLAVES * HOUR_S // PERIOD_S


async def _connect_all(master):
    return [await master.connect(address(1, number)) for number in range(SLAVES)]


async def _read_all(links, clock, behind):
    """One round of one master; each meter at the first attempt."""
    done = 0
    for link, meter in zip(links, behind, strict=True):
        (raw,) = await read(link, clock, meter.address, [ENERGY], attempts=1)
        done += bool(raw)
    return done


def on_radio(play, **setting):
    """A slave that echoes and a master that is connected to it, on a radio of its own."""

    async def main(clock, air):
        radio = Radio(seeded(7, "radio"), Setting(**setting))
        name_air(air.removeprefix("air:"), Air(radio))
        async with (
            station(clock, air, METER, free()) as near,
            station(clock, air, READER, free()) as master,
        ):
            near.listen(echo, profile="nus", masters_max=1)
            return await play(clock, radio, near, master)

    return on_air(main)


def test_losses_cost_time_and_no_byte():
    async def play(clock, _radio, _near, master):
        link = await master.connect(METER)
        began = clock.monotonic()
        for number in range(50):
            await link.write(bytes([number]) * 300)
            got = b""
            while len(got) < 300:
                got += await link.read()
            assert got == bytes([number]) * 300
        return clock.monotonic() - began

    clean, lossy = (on_radio(play, packet_loss=loss) for loss in (0.0, 0.5))
    assert clean == pytest.approx(50 * 0.06, rel=0.5)  # two ways, an interval of 30 ms each
    assert lossy > 1.5 * clean


def test_distance_is_seen_in_the_signal():
    async def play(_clock, radio, _near, master):
        radio.places[METER] = (30.0, 40.0)
        (seen,) = await master.scan(1.0)
        link = await master.connect(METER)
        return seen.rssi_dbm, await master.rssi_dbm(link)

    assert on_radio(play) == (-84, -84)


def test_a_cut_radio_ends_the_link_after_the_supervision_time():
    async def play(clock, radio, near, master):
        link = await master.connect(METER)
        radio.cut.add((METER, READER))
        began = clock.monotonic()
        await link.write(b"?")
        with pytest.raises(LinkDown, match="TIMEOUT"):
            await link.read()
        took = clock.monotonic() - began
        assert near.reception.masters == ()
        assert await master.scan(1.0) == []
        return took

    assert on_radio(play, supervision_s=4.0) == pytest.approx(4.0, abs=0.1)
