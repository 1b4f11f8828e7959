"""The serial face: data where its frames say, AT commands that change a node and are kept."""

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tests.bluetooth.nodes import address, collector, meters, node, read, slave
from tests.bluetooth.stations import METER, on_air, station

from kwhub.bluetooth.commands import LINES, answer_command
from kwhub.bluetooth.inspection import InspectionMode
from kwhub.bluetooth.node_settings import NodeSettings, Role, Transmission
from kwhub.bluetooth.serial_face import SerialFace
from kwhub.bluetooth.states import NodeState
from kwhub.links.base import INBOX_BYTES_MAX, LinkFacts
from kwhub.links.memory import pair
from kwhub.links.pty import PtyLink
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.runtime.clock import SystemClock

READ_ENERGY = bytes.fromhex("00000100")


@asynccontextmanager
async def face_of(made):
    """What foreign software holds."""
    inside, outside = pair()
    face = SerialFace(inside, made, made._station)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(face.run())
        yield outside, face
        running.cancel()


async def say(port, text):
    await port.write(f"{text}\r\n".encode())
    heard = b""
    while not heard.rpartition(b"\r\n")[0].rpartition(b"\r\n")[2].startswith(b"+"):
        heard += await port.read()
    return heard.decode().split("\r\n")[:-1]


async def within(port, seconds=3.0):
    heard = b""
    try:
        async with asyncio.timeout(seconds):
            while True:
                heard += await port.read()
    except TimeoutError:
        return heard


def world(play, **settings):
    """A collector with two slaves, each with a meter, and its serial face."""

    async def main(clock, air):
        behind = meters(clock, 2)
        slaves = {address(5, i): [meter.address] for i, meter in enumerate(behind)}
        (first, second), made = slaves, collector(slaves, **settings)
        async with (
            node(clock, air, first, slave(), behind=behind[:1]),
            node(clock, air, second, slave(), behind=behind[1:]),
            node(clock, air, METER, made) as middle,
            face_of(middle) as (port, face),
        ):
            await clock.sleep(5)
            return await play(clock, middle, port, face, behind)

    return on_air(main)


def test_foreign_software_reads_each_meter_by_its_address():
    async def play(clock, _node, port, _face, behind):
        return [await read(port, clock, meter.address) for meter in behind]

    found = world(play)
    assert all(all(each) for each in found)


def test_addressed_transmission_names_the_slave_by_its_number():
    async def play(_clock, middle, port, face, behind):
        ask = [Frame645(meter.address, 0x11, READ_ENERGY).to_bytes() for meter in behind]
        for number, request in enumerate(ask):
            await port.write(bytes([number]) + request)
            heard = await within(port)
            assert heard[0] == number
            assert parse(heard[1:]).address == behind[number].address
        await port.write(b"\xff" + ask[1])  # all are asked, the one who has it answers
        heard = await within(port, 6)
        assert heard[0] == 1
        await port.write(b"\x07" + ask[1])
        assert await within(port) == b""
        assert face.dropped == 1
        assert middle.settings.transmission is Transmission.ADDRESSED

    world(play, transmission=Transmission.ADDRESSED)


def test_a_slave_keeps_its_number_while_its_link_is_down():
    """What is meant for one that is away must not reach the next."""

    async def main(clock, air):
        behind = meters(clock, 2)
        slaves = {address(5, i): [meter.address] for i, meter in enumerate(behind)}
        (first, second), made = slaves, collector(slaves, transmission=Transmission.ADDRESSED)
        async with (
            AsyncExitStack() as away,
            node(clock, air, second, slave(), behind=behind[1:]) as other,
            node(clock, air, METER, made) as middle,
            face_of(middle) as (port, face),
        ):
            await away.enter_async_context(node(clock, air, first, slave(), behind=behind[:1]))
            await clock.sleep(5)
            await away.aclose()
            await clock.sleep(5)
            before = other.ports[0].asked
            await port.write(b"\x00" + Frame645("A" * 12, 0x13).to_bytes())
            assert await within(port) == b""
            assert (other.ports[0].asked - before, face.dropped) == (0, 1)
            assert (await say(port, "AT+LINKNUM?"))[1:] == [f"DOWN,1,{second}", "+OK=2"]
            await port.write(b"\x01" + Frame645("A" * 12, 0x13).to_bytes())
            heard = await within(port)
            return heard[0], parse(heard[1:]).address == behind[1].address

    assert on_air(main) == (1, True)


def test_commands_show_and_change_what_a_node_is():
    async def play(_clock, middle, port, _face, behind):
        del behind
        assert await say(port, "AT") == ["+OK"]
        assert await say(port, "at+role?") == ["+OK=both"]
        assert await say(port, "AT+MAC?") == [f"+OK={METER}"]
        assert await say(port, "AT+NAME=Kwh 表") == ["+OK"]
        assert await say(port, "AT+NAME?") == ["+OK=Kwh 表"]
        assert await say(port, "AT+INSPECT=report") == ["+OK"]
        assert await say(port, "AT+TRANMD=0") == ["+OK"]
        assert middle.settings.transmission is Transmission.ADDRESSED
        assert await say(port, "AT+LINKNUM?") == [
            "UP,serial",
            f"DOWN,0,{address(5, 0)}",
            f"DOWN,1,{address(5, 1)}",
            "+OK=3",
        ]
        state = await say(port, "AT+STATE?")
        assert state[0] == f"{address(5, 0)},online,-50,0"
        assert await say(port, f"AT+DISCON={address(5, 1)}") == ["+OK"]
        assert (await say(port, "AT+LINKNUM?"))[-1] == "+OK=2"
        assert await say(port, f"AT+CONN={address(5, 1)}") == ["+OK"]
        await within(port, 5)
        assert (await say(port, "AT+LINKNUM?"))[-1] == "+OK=3"
        seen = await say(port, "AT+SCAN=1")
        assert seen[-1].startswith("+OK=")
        assert middle.registry[address(5, 1)].state is NodeState.ONLINE

    world(play)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("AT+NOTHING?", "+ERR=1"),
        ("AT+ROLE", "+ERR=1"),
        ("ATZ", "+ERR=1"),
        ("AT+ROLE=king", "+ERR=2"),
        ("AT+MAXUP=0", "+ERR=2"),
        ("AT+MAXDOWN=1", "+ERR=2"),
        ("AT+CONN=F0:00", "+ERR=2"),
        ("AT+CONN=F0:00:00:00:05:00", "+ERR=2"),
        ("AT+DISCON=F0:00:00:00:00:77", "+ERR=2"),
        ("AT+SCAN=1000", "+ERR=2"),
    ],
)
def test_wrong_commands_change_nothing(line, answer):
    async def play(_clock, middle, port, _face, _behind):
        before = middle.settings
        assert await say(port, line) == [answer]
        assert middle.settings == before

    world(play)


def test_changes_are_kept_and_every_command_is_listed(tmp_path):
    kept = tmp_path / "node.json"

    async def main(clock, air):
        async with (
            node(clock, air, METER, NodeSettings(), kept=kept) as made,
            face_of(made) as (port, _),
        ):
            for name in ("ROLE=beacon", "TRANMD=0", "INSPECT=off", "MAXUP=5"):
                await port.write(b"A")  # in pieces, as people type
                await clock.sleep(1)
                assert await say(port, f"T+{name}") == ["+OK"]
            for line in LINES:
                if line.endswith("?"):
                    assert (await say(port, line))[-1].startswith("+OK")
        async with node(clock, air, METER, NodeSettings(), kept=kept) as again:
            return again.settings

    settings = on_air(main)
    assert settings.role is Role.BEACON
    assert settings.masters_max == 5


def test_a_node_that_cannot_keep_a_change_says_so(tmp_path):
    (tmp_path / "file").write_text("")

    async def main(clock, air):
        async with (
            node(clock, air, METER, NodeSettings(), kept=tmp_path / "file" / "node.json") as made,
            face_of(made) as (port, _),
            station(clock, air, address(9, 9)),
        ):
            assert await say(port, "AT+ROLE=master") == ["+ERR=3"]
            assert made.settings.role is Role.SLAVE

    on_air(main)


@asynccontextmanager
async def heard_face(clock, air, **settings):
    """A face, and what its node reads of the data as soon as ``go`` is set."""
    async with node(clock, air, METER, NodeSettings(**settings)) as made:
        go, heard = asyncio.Event(), bytearray()

        async def attend(link, _name=""):
            await go.wait()
            while True:
                heard.extend(await link.read())

        made.attend = attend
        async with face_of(made) as (port, face):
            yield port, face, go, heard


@pytest.mark.parametrize("command", ["AT+SCAN=", "AT+MAXUP=", "AT+MAXDOWN="])
def test_a_number_without_end_does_no_harm(command):
    async def main(clock, air):
        async with node(clock, air, METER, NodeSettings()) as made, face_of(made) as (port, _):
            await port.write(command.encode() + b"9" * 5_000 + b"\r\n")
            await clock.sleep(1)
            long = await answer_command(command + "9" * 5_000, made, made._station)
            return long, await say(port, command + "9" * 100), await say(port, "AT")

    assert on_air(main) == (["+ERR=2"], ["+ERR=2"], ["+OK"])


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_bytes_behind_a_command_stay_as_they_were(end):
    data = b"\x68\r\x0d\n\r\r\n\x16"

    async def main(clock, air):
        async with heard_face(clock, air) as (port, _face, go, heard):
            go.set()
            await port.write(b"AT" + end + data)
            await clock.sleep(1)
            for piece in (b"AT" + end[:1], end[1:] + data):  # its end may come in two pieces
                await port.write(piece)
                await clock.sleep(1)
            return bytes(heard), await within(port)

    assert on_air(main) == (data * 2, b"+OK\r\n" * 2)


def test_a_transparent_node_holds_back_no_beginning_of_a_command():
    async def main(clock, air):
        held = []
        for mode in (InspectionMode.OFF, InspectionMode.REPORT):
            async with heard_face(clock, air, inspection=mode) as (port, _face, go, heard):
                go.set()
                await port.write(b"A")
                await clock.sleep(0.1)
                held.append(bytes(heard))
        return held

    assert on_air(main) == [b"A", b""]


def test_a_writer_waits_while_the_node_does_not_read():
    async def main(clock, air):
        async with heard_face(clock, air) as (port, face, go, heard):
            pieces = [bytes([number]) * 60_000 for number in range(100, 200)]

            async def write():
                for piece in pieces:
                    await port.write(piece)

            writing = asyncio.ensure_future(write())
            await clock.sleep(10)
            assert not writing.done()
            assert face._data.inbox.size < 2 * INBOX_BYTES_MAX
            go.set()
            await writing
            await clock.sleep(1)
            assert bytes(heard) == b"".join(pieces)

    on_air(main)


@pytest.mark.slow
def test_a_program_that_knows_only_serial_ports_reads_a_meter():
    def program(path, request):
        """Not ours: opens a device file, writes, reads."""
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(port, request)
            heard = b""
            while heard[-1:] != b"\x16":
                heard += os.read(port, 64)
        finally:
            os.close(port)
        return heard

    async def main():
        clock = SystemClock()
        (meter,) = meters(clock, 1)
        slaves = {address(5, 1): [meter.address]}
        async with (
            node(clock, "air:pty", address(5, 1), slave(), behind=[meter]),
            node(clock, "air:pty", METER, collector(slaves)) as middle,
            asyncio.TaskGroup() as tasks,
        ):
            port = PtyLink(LinkFacts("pty:"))
            face = tasks.create_task(SerialFace(port, middle, middle._station).run())
            async with asyncio.timeout(10):
                while not middle.ports:
                    await clock.sleep(0.05)
                request = Frame645(meter.address, 0x11, READ_ENERGY).to_bytes()
                heard = await asyncio.to_thread(program, port.path, request)
            face.cancel()
            await port.aclose()
        return parse(heard), meter.address

    answer, number = asyncio.run(main())
    assert answer.address == number
    assert answer.control == 0x91
