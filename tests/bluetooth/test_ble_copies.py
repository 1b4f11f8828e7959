"""Copies of readings for subscribers: each once, for whoever asked, and nobody waits for a slow one."""

import asyncio

from tests.bluetooth.nodes import meters, node, slave
from tests.bluetooth.stations import METER, OTHER, READER, free, on_air, station
from tests.bluetooth.test_ble_serial_face import face_of, within
from tests.bluetooth.test_ble_silence import ask

from kwhub.bluetooth.askers import COPIES_MAX, Askers
from kwhub.bluetooth.node_settings import Transmission
from kwhub.exchange.passing import DLT645
from kwhub.links.base import INBOX_BYTES_MAX
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.wire.passing import Passing

SUBSCRIBER = "F0:00:00:00:00:09"
READ_ENERGY = bytes.fromhex("00000100")


def question(meter):
    return Frame645(meter.address, 0x11, READ_ENERGY).to_bytes()


def test_who_asks_the_same_at_once_makes_no_second_copy():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = slave(masters_max=3, subscribers=(SUBSCRIBER,))
        async with (
            node(clock, air, METER, settings, behind=[meter]) as made,
            station(clock, air, SUBSCRIBER, free()) as third,
            station(clock, air, READER, free()) as one,
            station(clock, air, OTHER, free()) as two,
        ):
            listening, *asking = [await each.connect(METER) for each in (third, one, two)]
            await asyncio.gather(*(link.write(question(meter)) for link in asking))
            heard = await within(listening)
            return made.ports[0].asked, parse(heard).address == meter.address, made.copies

    assert on_air(main) == (1, True, 1)


def test_a_reading_at_the_serial_face_is_copied_too():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        settings = slave(subscribers=(SUBSCRIBER,), transmission=Transmission.ADDRESSED)
        async with (
            node(clock, air, METER, settings, behind=[meter]) as made,
            face_of(made) as (port, _face),
            station(clock, air, SUBSCRIBER, free()) as third,
        ):
            listening = await third.connect(METER)
            await port.write(b"\x00" + question(meter))
            answer = (await within(port))[1:]
            return answer == await within(listening) != b""

    assert on_air(main)


def test_nobody_waits_for_a_slow_subscriber():
    async def main(clock, _air):
        near, _never_read = pair()
        askers = Askers(clock)
        askers.comes(SUBSCRIBER, near)
        for number in range(COPIES_MAX + 10):
            answer = Passing(bytes([number]) * INBOX_BYTES_MAX)
            askers.share(answer, "bus", READER, (SUBSCRIBER,))
        await clock.sleep(1)
        await askers.aclose()
        return askers.copies, askers.missed

    copies, missed = on_air(main)
    assert missed == 10
    assert copies < 3


def test_who_asked_the_same_is_answered_though_the_first_has_gone():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        async with (
            node(clock, air, METER, slave(), behind=[meter]) as made,
            station(clock, air, READER, free()) as one,
        ):
            link = await one.connect(METER)
            (bus,) = made.ports
            request = next(iter(DLT645.framer().feed(question(meter))))
            first = asyncio.ensure_future(bus.ask(request, "first", DLT645))
            await asyncio.sleep(0)
            second = asyncio.ensure_future(ask(link, meter.address, 5.0))
            await clock.sleep(0.05)
            first.cancel()
            return bool(await second)

    assert on_air(main)
