"""T-H9: memory and disk of a real handheld process, after it has carried an order over TCP, searched for keys."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.identity.field import METER, Headend
from tests.identity.metered import Line
from tests.sim.prepay_site import KEYS

from kwhub.headend.identity.records import Description
from kwhub.links.tcp_listen import serve
from kwhub.prepay.keys import Purpose, factor_of
from kwhub.runtime.clock import SystemClock

ROOT = Path(__file__).parent.parent.parent
ANY_PORT = "tcp-listen:127.0.0.1:0"


def memory_of(pid):
    """Everything that a process has written into its memory."""
    dump = []
    process = Path(f"/proc/{pid}")
    with (process / "maps").open() as maps, (process / "mem").open("rb", 0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            begin, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(begin)
                dump.append(memory.read(end - begin))
    return b"".join(dump)


def port(address):
    return address.removeprefix("tcp-listen:")


class Field:
    """A head-end and a meter, both on TCP."""

    def __init__(self, place):
        self.place, self.meter, self.clock = place, Line(), SystemClock()

    async def __aenter__(self):
        make = self.meter.make()
        self.headend = Headend(self.place, self.clock, None, make)
        await self.headend.listener.open(ANY_PORT, ANY_PORT)
        self.at_meter = await serve(ANY_PORT, self.talk, self.clock)
        return self

    async def __aexit__(self, *_):
        await self.headend.listener.aclose()
        await self.at_meter.aclose()
        self.headend.database.close()

    async def talk(self, link):
        while True:
            await link.write(await self.meter.exchange(await link.read()))

    def code(self, allocation):
        code, listener = self.headend.code(allocation).text, self.headend.listener
        code = code.replace("h:1", port(listener.address))
        return code.replace("h:2", port(listener.enrol_address))


async def carried(place, folder):
    """Have a handheld carry a trip; returns the meter, and the handheld's memory just after it."""
    async with Field(place) as field:
        allocation = field.headend.registry.allocate(Description(), "admin")
        words = (str(folder), field.code(allocation), port(field.at_meter.address))
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.identity.child", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            assert (await child.stdout.readline()).strip() == b"enrolled"
            trip = (METER, "relay-trip", "")
            number = field.headend.ordered(allocation.device, trip)
            child.stdin.write(f"{number}\n".encode())
            assert (await child.stdout.readline()).strip() == b"True"
            dump = await asyncio.to_thread(memory_of, child.pid)
        finally:
            child.kill()
            await child.communicate()
        return field.meter, dump


@pytest.mark.slow
def test_h9_memory_and_disk_of_the_device_hold_no_key_or_password_of_a_meter(place):
    folder = place / "device"
    folder.mkdir()
    meter, dump = asyncio.run(carried(place, folder))
    disk = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not meter.closed
    assert b"device-000001" in dump  # it is the right process
    assert b"tests.identity.child" in dump
    factor = factor_of(METER)
    secrets = [KEYS.child(purpose, factor, version) for purpose in Purpose for version in (1, 2)]
    assert len(set(secrets)) == len(secrets)
    for secret in secrets:
        for shown in (secret, secret[::-1], secret.hex().encode()):
            assert shown not in disk
            assert shown not in dump


def test_a_dump_shows_what_is_in_memory():
    """Otherwise the search above would find nothing anywhere."""
    marker = os.urandom(32)
    assert marker in memory_of(os.getpid())
