"""Whoever stands near with a radio: floods, impossible words, names that are more than names."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from bumble.att import ATT_Exchange_MTU_Response
from bumble.core import BaseBumbleError
from bumble.hci import Address
from tests.bluetooth.nodes import ENERGY, address, collector, meters, node, read, slave
from tests.bluetooth.stations import (
    METER,
    OTHER,
    READER,
    comparing,
    echo,
    free,
    idle,
    on_air,
    station,
    told_of,
)
from tests.bluetooth.test_ble_other_protocols import MODULE, down, only

from kwhub.bluetooth.profiles import MTU_LEAST, PROFILES, chunks
from kwhub.bluetooth.stack import make_device, open_adapter
from kwhub.domain.errors import LinkDown
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.gdw1376_2 import afn_02
from kwhub.wire.passing import Kind

BEHIND = "000000700001"


def _set(gone, _reason):
    gone.set()


@asynccontextmanager
async def stranger(air, own):
    """A plain device of the stack that comes again whenever it is sent away."""
    adapter = await open_adapter(air)
    device = make_device("stranger", own, bytes(16), adapter)
    await device.power_on()

    async def come():
        while True:
            try:
                connection = await device.connect_le(Address(METER), timeout=5)
            except (BaseBumbleError, TimeoutError):
                await asyncio.sleep(0.05)
                continue
            gone = asyncio.Event()
            connection.on(connection.EVENT_DISCONNECTION, partial(_set, gone))
            await gone.wait()

    coming = asyncio.ensure_future(come())
    try:
        yield device
    finally:
        coming.cancel()
        await device.power_off()
        await adapter.aclose()


@asynccontextmanager
async def bonded(clock, air):
    """A slave that nobody may pair with any more, and a master that has."""
    policy = comparing([])
    async with (
        station(clock, air, METER, policy) as of_slave,
        station(clock, air, READER, comparing([])) as of_master,
    ):
        of_slave.listen(idle, profile="nus", masters_max=2)
        await of_master.pair(METER)
        policy.is_open = False
        yield of_slave, of_master


def test_strangers_that_come_again_and_again_keep_no_master_out():
    async def main(clock, air):
        async with (
            bonded(clock, air) as (of_slave, master),
            stranger(air, "F0:00:00:00:66:01"),
            stranger(air, "F0:00:00:00:66:02"),
            stranger(air, "F0:00:00:00:66:03"),
            stranger(air, "F0:00:00:00:66:04"),
        ):
            for _ in range(5):
                await clock.sleep(3)
                async with asyncio.timeout(3):
                    link = await master.connect(METER)
                assert len(of_slave.reception.masters) <= 3
                await link.aclose()

    on_air(main)


def test_the_address_of_a_bonded_master_alone_holds_its_place_for_seconds():
    async def main(clock, air):
        async with bonded(clock, air) as (of_slave, master):
            await master.aclose()
            await clock.sleep(1)
            async with stranger(air, READER):
                await clock.sleep(6.5)
                return told_of(of_slave).count("turned_away")

    assert on_air(main) == 1


def test_no_stranger_who_pairs_comes_in_beyond_the_limit():
    async def main(clock, air):
        made = [station(clock, air, f"F0:00:00:00:0A:{n:02X}", comparing([])) for n in range(3)]
        async with station(clock, air, METER, comparing([])) as of_slave:
            of_slave.listen(idle, profile="nus", masters_max=2)
            async with made[0] as one, made[1] as two, made[2] as three:
                for each in (one, two, three):
                    await each.pair(METER)
                links = [await each.connect(METER) for each in (one, two)]
                with pytest.raises(LinkDown):
                    await three.connect(METER)
                assert all(link.is_up for link in links)

    on_air(main)


@pytest.mark.parametrize("mtu", [0, 2, 3, 22])
def test_a_module_that_says_an_impossible_mtu_is_talked_to_as_without_a_word(mtu):
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as module,
            station(clock, air, READER, free()) as master,
        ):
            server = module._device.gatt_server
            server.on_att_exchange_mtu_request = lambda bearer, _request: server.send_response(
                bearer, ATT_Exchange_MTU_Response(server_rx_mtu=mtu)
            )
            module.listen(echo, profile="nus", masters_max=1)
            link = await master.connect(METER)
            await link.write(bytes(range(50)))
            heard = b""
            async with asyncio.timeout(5):
                while len(heard) < 50:
                    heard += await link.read()
            return heard

    assert on_air(main) == bytes(range(50))
    assert [len(each) for each in chunks(bytes(45), mtu)] == [20, 20, 5]
    assert [len(each) for each in chunks(bytes(45), MTU_LEAST)] == [20, 20, 5]


@pytest.mark.parametrize("before", list(PROFILES))
@pytest.mark.parametrize("after", list(PROFILES))
def test_a_node_is_read_by_new_masters_after_its_profile_was_changed(before, after):
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(profile=before), behind=[meter]) as made,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            answers = [await read(await one.connect(METER), clock, meter.address, (ENERGY,))]
            await made.apply(msgspec.structs.replace(made.settings, profile=after))
            await clock.sleep(1)
            for profile in (None, after):
                link = await two.connect(METER, profile=profile)
                answers.append(await read(link, clock, meter.address, (ENERGY,)))
                await link.aclose()
                await clock.sleep(1)
            return answers

    answers = on_air(main)
    assert all(len(each[0]) == 1 for each in answers)


def test_a_name_that_is_heard_writes_into_no_terminal_and_no_answer():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as near,
            station(clock, air, READER, free()) as master,
        ):
            near.listen(idle, profile="ffe0", masters_max=1, name="m\x1b[2J\r\n+OK=0电")
            (seen,) = await master.scan(1)
            return seen.name

    name = on_air(main)
    assert name.isprintable()
    assert name.replace("\ufffd", "?") == "m?[2J??+OK=0电"


@pytest.mark.parametrize(
    ("carried", "kind", "trouble"),
    [
        ((0x11, 0x1C), Kind.CONTROL, ""),
        ((0x1C, 0x11), Kind.CONTROL, ""),
        ((0x11, 0x11), Kind.READ, ""),
    ],
)
def test_nothing_hides_behind_a_question_that_a_module_forwards(carried, kind, trouble):
    """Over an air that anybody may use, a question and a trip are one frame."""
    frames = [Frame645(BEHIND, each, bytes(16 if each == 0x1C else 4)) for each in carried]
    noise = b"\xfe" * 4
    for between in (b"", noise):
        found = only(MODULE, down(afn_02.Forward(between.join(map(bytes_of, frames))), BEHIND))
        assert (found.kind, found.trouble) == (kind, trouble)


def test_a_frame_that_is_carried_to_one_meter_and_means_another_is_told():
    reading = Frame645("000000700002", 0x11, bytes(4)).to_bytes()
    assert only(MODULE, down(afn_02.Forward(reading), BEHIND)).trouble == "carried_to_another"


def bytes_of(frame):
    return frame.to_bytes()


@pytest.mark.slow
def test_many_slaves_that_are_away_do_not_hold_up_one_that_is_back():
    """Only one link is made at a time."""

    async def main(clock, air):
        away: dict[str, list[str]] = {address(3, number): [] for number in range(15)}
        settings = collector(away | {METER: []})
        waits_s = []
        async with node(clock, air, READER, settings) as made:
            for _ in range(3):
                async with node(clock, air, METER, slave(), behind=meters(clock, 1)):
                    began_s = clock.monotonic()
                    while not made.registry[METER].is_connected:
                        await clock.sleep(0.5)
                    waits_s.append(clock.monotonic() - began_s)
                    await clock.sleep(100)
                await clock.sleep(5)
        return max(waits_s)

    assert on_air(main) < 60  # it was 150
