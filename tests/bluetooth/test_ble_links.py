"""GATT as a wire: the link contract, chunks, and a meter read with the ordinary exchange."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from bumble.hci import Address, OwnAddressType
from tests.bluetooth.stations import (
    METER,
    OTHER,
    READER,
    echo,
    free,
    idle,
    on_air,
    station,
    told_of,
)

from kwhub.bluetooth.advertising import advertisement
from kwhub.bluetooth.gatt_links import SlaveLink, SlaveSocket
from kwhub.bluetooth.profiles import PROFILES, chunks
from kwhub.bluetooth.stack import INCOMING, as_link_errors, make_device, open_adapter
from kwhub.domain.errors import ConfigError, LinkBusy, LinkDown
from kwhub.exchange.read import read_items
from kwhub.links import base
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.protocols.dlt645 import Role, Session
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.testing.check_link import check_link


def test_a_chunk_is_never_longer_than_an_attribute():
    assert [len(part) for part in chunks(bytes(1_100), 517)] == [512, 512, 76]
    assert [len(part) for part in chunks(bytes(45), 23)] == [20, 20, 5]
    assert b"".join(chunks(bytes(range(256)), 23)) == bytes(range(256))


@asynccontextmanager
async def joined(clock, air, profile="nus"):
    """A slave's end and a master's end of one connection."""
    came = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def attend(link):
        came.set_result(link)
        await leave.wait()

    async with (
        station(clock, air, METER, free()) as slave,
        station(clock, air, READER, free()) as master,
    ):
        slave.listen(attend, profile=profile, masters_max=2)
        link = await master.connect(METER)
        yield link, await came
        leave.set()


@pytest.mark.slow
@pytest.mark.parametrize("profile", list(PROFILES))
def test_both_ends_hold_the_contract_of_links(profile):
    async def main(clock, air):
        await check_link(lambda: joined(clock, air, profile), large_bytes=30_000)

    on_air(main)


def test_a_meter_is_read_with_the_ordinary_exchange():
    async def main(clock, air):
        area = TransformerArea(1, start=clock.now(), meters=3, concentrators=1, buses=1)
        meter = area.places[0].meter

        async def attend(link):
            await serve_meters(link, [meter], clock)

        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free()) as master,
        ):
            slave.listen(attend, profile="fff0", masters_max=2)
            link = await master.connect(METER)
            driver = Driver(link, Session(Role.MASTER), clock)
            answers = await driver.run(read_items(meter.address, [0x00010000, 0x02010100]))
            return [answer.raw for answer in answers], driver.retries

    found, retries = on_air(main)
    assert len(found) == 2
    assert all(found)
    assert retries == 0


def test_who_is_not_there_is_given_up_and_leaves_nothing_behind():
    async def main(clock, air):
        async with station(clock, air, READER, free(), connect_s=2.0) as master:
            for _ in range(2):  # a connection that was not called off would forbid the next
                began = clock.monotonic()
                with pytest.raises(LinkDown, match=OTHER):
                    await master.connect(OTHER)
                assert clock.monotonic() - began == pytest.approx(2.0, abs=0.1)
            async with station(clock, air, METER, free()) as slave:
                slave.listen(idle, profile="nus", masters_max=1)
                await master.connect(METER)
                assert master.slaves == (METER,)

    on_air(main)


def test_two_masters_that_answer_one_advertisement_make_no_ghost():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free(), connect_s=1.0) as one,
            station(clock, air, OTHER, free(), connect_s=1.0) as two,
        ):
            slave.listen(idle, profile="nus", masters_max=1)
            results = await asyncio.gather(
                one.connect(METER), two.connect(METER), return_exceptions=True
            )
            await clock.sleep(1)
            return results, slave.reception.masters, one.slaves + two.slaves

    results, masters, slaves = on_air(main)
    assert sum(isinstance(result, LinkDown) for result in results) == 1
    assert len(masters) == 1
    assert slaves == (METER,)


def test_a_link_out_is_not_confused_with_links_that_come_in():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as meter,
            station(clock, air, OTHER, free(), advertising_ms=20) as collector,
            station(clock, air, READER, free()) as reader,
        ):
            meter.listen(idle, profile="nus", masters_max=1)
            collector.listen(idle, profile="nus", masters_max=2)
            out, into = await asyncio.gather(collector.connect(METER), reader.connect(OTHER))
            assert (out.peer, into.peer) == (METER, OTHER)
            assert collector.slaves == (METER,)
            assert collector.reception.masters == (READER,)
            with pytest.raises(LinkBusy):
                await collector.connect(METER)

    on_air(main)


def test_no_more_masters_than_allowed_and_room_again_after_one_has_left():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free(), connect_s=1.0) as one,
            station(clock, air, OTHER, free(), connect_s=1.0) as two,
        ):
            slave.listen(idle, profile="ffe0", masters_max=1)
            link = await one.connect(METER)
            with pytest.raises(LinkDown):
                await two.connect(METER)
            await link.aclose()
            await two.connect(METER)
            return slave.reception.masters, told_of(slave)

    masters, happened = on_air(main)
    assert masters == (OTHER,)
    assert happened == ["connected", "ended", "connected"]


def test_a_device_without_any_of_the_profiles_is_named():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free()) as one,
        ):
            slave.listen(idle, profile="ffe0", masters_max=1)
            with pytest.raises(LinkDown, match="none of the profiles nus"):
                await one.connect(METER, profile="nus")
            assert one.slaves == ()

    on_air(main)


def test_writing_to_who_does_not_read_waits(monkeypatch):
    room, much = 1 << 14, 5 << 12
    monkeypatch.setattr(base, "INBOX_BYTES_MAX", room)

    async def main(clock, air):
        async with joined(clock, air) as (master, slave):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10):
                    await master.write(bytes(2 * much))
            got = 0
            while got < room:
                got += len(await slave.read())
            return got

    assert room <= on_air(main) < 2 * much


def test_ble_addresses_open_links_that_share_an_adapter():
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            for slave in (one, two):
                slave.listen(echo, profile="nus", masters_max=2)
            opened = [
                await open_link(f"ble:{each}?adapter={air}&security=none", clock=clock)
                for each in (METER, OTHER)
            ]
            assert one.reception.masters == two.reception.masters  # one adapter, one address
            for link in opened:
                await link.write(b"hello")
                assert await link.read() == b"hello"
                assert link.facts.address in (f"ble:{METER}", f"ble:{OTHER}")
                await link.aclose()
                await link.aclose()
            again = await open_link(f"ble:{METER}?adapter={air}&security=none", clock=clock)
            await again.aclose()
            await clock.sleep(1)
            assert one.reception.masters == ()

    on_air(main)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ble:F0:00:00:00:00:01", "needs an adapter"),
        ("ble:F0:00:00:00:00:01?adapter=usb:0", "keys=FILE"),
        ("ble:F0:00:00:00:00?adapter=air:x&security=none", "six bytes"),
        ("ble:F0:00:00:00:00:01?adapter=air:x&security=maybe", "paired, none"),
        ("ble:F0:00:00:00:00:01?adapter=x&security=none", "no Bluetooth adapter"),
        ("ble:F0:00:00:00:00:01?adapter=air:x&security=none&profile=x", "nus, ffe0, fff0"),
    ],
)
def test_wrong_addresses_are_told(text, told):
    async def main(clock, air):
        with pytest.raises(ConfigError, match=told):
            await open_link(text, clock=clock)

    on_air(main)


def test_a_module_with_a_public_address_is_found_and_talked_to():
    async def main(clock, air):
        adapter = await open_adapter(air)
        adapter.source.public_address = Address("C8:00:00:00:00:01", Address.PUBLIC_DEVICE_ADDRESS)
        module = make_device("module", METER, bytes(16), adapter)
        await module.power_on()
        socket = SlaveSocket(module, PROFILES["ffe0"])
        came: asyncio.Future[SlaveLink] = asyncio.get_running_loop().create_future()
        module.on(INCOMING, lambda connection: came.set_result(socket.attach(connection)))
        data, _ = advertisement("module", PROFILES["ffe0"])
        await module.start_advertising(
            own_address_type=OwnAddressType.PUBLIC, advertising_data=data
        )
        async with station(clock, air, READER, free(), connect_s=2.0) as master:
            (seen,) = await master.scan(1.0)
            assert seen.address == "C8:00:00:00:00:01/P"
            with pytest.raises(LinkDown):  # without /P it would be a random address
                await master.connect("c8:00:00:00:00:01")
            link = await master.connect(seen.address)
            await link.write(b"there")
            inside = await came
            assert await inside.read() == b"there"
            await inside.write(b"back")
            assert await link.read() == b"back"
            assert master.slaves == (seen.address,)
        await module.power_off()
        await adapter.aclose()

    on_air(main)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_link_that_has_written_ends_at_once_and_who_reads_the_slave_is_answered(profile):
    async def main(clock, air):
        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free()) as master,
        ):
            slave.listen(echo, profile=profile, masters_max=1)
            link = await master.connect(METER)
            await link.write(b"?")
            assert await link.read() == b"?"
            began = clock.monotonic()
            assert await link.answers(1.0)
            await link.aclose()
            return clock.monotonic() - began

    assert on_air(main) < 0.5


def test_a_long_name_is_shortened_to_what_an_advertisement_holds():
    for profile in PROFILES.values():
        data, response = advertisement("电表-" * 8, profile)
        assert len(data) <= 31
        assert len(response) <= 31
        assert b"\xe7\x94\xb5"[:3] in data  # whole characters only
        for each in (data, response):
            each[each.rindex("电".encode()) :].decode()


def test_who_is_cancelled_in_the_moment_of_an_answer_ends_all_the_same():
    """The stack's own way of waiting forgets it, and a node could then not be ended."""

    async def main(_clock, _air):
        answer = asyncio.get_running_loop().create_future()

        async def ask():
            with as_link_errors("asking"):
                await asyncio.wait_for(answer, 30)
            return "went on"

        asking = asyncio.ensure_future(ask())
        await asyncio.sleep(0)
        answer.set_result(b"")
        asking.cancel()
        await asyncio.wait([asking])
        return asking.cancelled()

    assert on_air(main)


@pytest.mark.parametrize("by_slave", [True, False], ids=["slave", "master"])
def test_what_two_writers_give_at_once_is_not_mixed(by_slave):
    pieces = [bytes([letter]) * 20_000 for letter in b"abc"]

    async def give(link):
        await asyncio.gather(*(link.write(piece) for piece in pieces))

    async def take(link):
        heard = b""
        while len(heard) < 60_000:
            heard += await link.read()
        return heard

    async def main(clock, air):
        heard = []

        async def attend(link):
            if by_slave:
                await clock.sleep(1)
                await give(link)
                await idle(link)
            heard.append(await take(link))

        async with (
            station(clock, air, METER, free()) as slave,
            station(clock, air, READER, free()) as master,
        ):
            slave.listen(attend, profile="nus", masters_max=1)
            link = await master.connect(METER)
            if by_slave:
                heard.append(await take(link))
            else:
                await give(link)
                await clock.sleep(5)
        return heard

    assert on_air(main) == [b"".join(pieces)]
