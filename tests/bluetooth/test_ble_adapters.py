"""Adapters that the kernel drives: in order, none lost, and told when they are gone."""

import asyncio
import re
import socket
from contextlib import suppress

import pytest
from bumble.transport.common import TransportLostError
from tests.bluetooth.stations import METER, on_air

from kwhub.bluetooth.hci_socket import TROUBLES, HciSocket
from kwhub.bluetooth.stack import Adapter, make_device, open_adapter
from kwhub.bluetooth.words import in_chinese
from kwhub.domain.errors import ConfigError, LinkDown

PACKETS = 5_000


class Host:
    """Keeps what came, and how often it was told that the adapter is gone."""

    def __init__(self):
        self.packets = []
        self.lost = 0

    def on_packet(self, packet):
        self.packets.append(packet)

    def on_transport_lost(self):
        self.lost += 1


def doors():
    """The kernel's end and ours; like the real one they keep packets apart."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    ours.setblocking(False)
    return theirs, ours


def on_door(main):
    async def run():
        theirs, ours = doors()
        made, host = HciSocket(ours), Host()
        made.set_packet_sink(host)
        try:
            async with asyncio.timeout(10):
                return await main(theirs, made, host)
        finally:
            theirs.close()
            await made.aclose()

    return asyncio.run(run())


def test_no_packet_is_lost_while_the_kernel_takes_no_more():
    async def main(theirs, made, _host):
        sent = [number.to_bytes(2, "big") * 100 for number in range(PACKETS)]
        for each in sent:
            made.on_packet(each)
        loop = asyncio.get_running_loop()
        return sent == [await loop.sock_recv(theirs, 1_000) for _ in sent]

    assert on_door(main)


def test_each_packet_comes_whole():
    async def main(theirs, made, host):
        sent = [bytes([4, number]) for number in range(100)]
        for each in sent:
            theirs.send(each)
        theirs.close()
        await made.terminated
        return host.packets == sent

    assert on_door(main)


def test_who_reads_is_told_that_it_was_pulled_out():
    async def main(theirs, made, host):
        theirs.close()
        await made.terminated
        made.on_packet(b"into the void")
        return host.lost

    assert on_door(main) == 1


def test_who_writes_is_told_that_it_was_pulled_out():
    """The kernel tells it once only, to whoever comes first."""

    async def main(theirs, made, host):
        theirs.close()
        made.on_packet(b"\x01")
        return made.terminated.done(), host.lost

    assert on_door(main) == (True, 1)


class PulledOut:
    """What is left of a USB dongle: the stack stops at the first part that is not there."""

    def __init__(self):
        self.closed = []
        self.device = self.context = self

    async def give_back(self):
        raise OSError("no device")

    def close(self):
        self.closed.append("closed")


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_dongle_that_was_pulled_out_is_given_back_without_its_help(is_gone):
    async def main():
        left = PulledOut()
        gone = asyncio.get_running_loop().create_future()
        if is_gone:
            gone.set_result(None)
        made = Adapter(None, None, left.give_back, gone, left)
        with suppress(OSError):
            await made.aclose()
            return left.closed
        return "it is there, and that is trouble"

    expected = ["closed", "closed"] if is_gone else "it is there, and that is trouble"
    assert asyncio.run(main()) == expected


def test_a_host_hears_only_once_that_its_adapter_is_gone():
    """Each transfer of a USB dongle says so, and one is enough for the command that waits."""

    async def main(_clock, air):
        device = make_device("host", METER, bytes(16), await open_adapter(air))
        flushed = []
        device.on(device.EVENT_FLUSH, lambda: flushed.append("all links"))
        asking = asyncio.ensure_future(device.host.reset())
        await asyncio.sleep(0)
        for _ in range(3):
            device.host.on_transport_lost()
        with pytest.raises(TransportLostError):
            await asking
        return flushed

    assert on_air(main) == ["all links"]


@pytest.mark.parametrize("text", ["hci-socket:x", "hci-socket:-1", "hci-socket:65535"])
def test_a_number_that_is_none_is_told(text):
    with pytest.raises(ConfigError, match="hci-socket:0"):
        asyncio.run(open_adapter(text))


def test_an_adapter_that_is_not_there_is_told_in_both_languages():
    with pytest.raises(LinkDown, match="adapter hci-socket:60000: ") as told:
        asyncio.run(open_adapter("hci-socket:60000"))
    assert re.search("[一-鿿]", in_chinese(str(told.value)).partition("：")[2])


@pytest.mark.parametrize("words", sorted(set(TROUBLES.values())))
def test_every_refusal_of_the_kernel_has_chinese_words(words):
    said = in_chinese(f"adapter hci-socket:1: {words.format(number=1)}")
    left = re.sub(r"hci-socket:1|hciconfig hci1 down|bluetoothd|CAP_NET_ADMIN", "", said)
    left = re.sub(r"modprobe bluetooth|rfkill unblock bluetooth", "", left)
    assert not re.search("[A-Za-z]", left), said
