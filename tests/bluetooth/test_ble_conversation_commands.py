"""Commands that take a link, over ``ble:`` and a node that inspects, against what the devices behind it hold."""

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]
from tests.bluetooth.bridge import bridge, with_meters
from tests.bluetooth.nodes import address, collector, meters, node, slave
from tests.bluetooth.stations import METER as NODE
from tests.cli.counter import counter_in
from tests.cli.live_meters import meter
from tests.sim.prepay_site import CUSTOMER, METER, Site

from kwhub.bluetooth.serial_face import SerialFace
from kwhub.cli.app import run
from kwhub.links.base import LinkFacts
from kwhub.links.pty import PtyLink
from kwhub.protocols.dlt645 import Edition
from kwhub.protocols.dlt645.frames import Frame645, parse
from kwhub.protocols.mbus.identity import Identity
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock
from kwhub.sim.mbus import MbusMeter, serve_mbus
from kwhub.terminal import config as terminal_config
from kwhub.terminal.app import Terminal
from kwhub.wire.passing import Kind

pytestmark = pytest.mark.slow
NUMBER, NEW, TERMINAL = "000000000038", "000000000123", "000020260700"
WATER = Identity.parse("12345678-KAM-01-07")
EXAMPLE = Path(__file__).parent.parent.parent / "deploy" / "examples" / "terminal.toml"


@pytest.fixture
def kwhub(capfd, monkeypatch):
    """Runs a command; gives its exit code and what it has printed."""
    monkeypatch.setenv("KWHUB_LANGUAGE", "en")
    monkeypatch.setenv("KWHUB_METER_PASSWORD", "000000")
    monkeypatch.setenv("KWHUB_NEW_METER_PASSWORD", "123456")

    def call(*words):
        capfd.readouterr()
        return run(words), capfd.readouterr().out

    return call


def pressed(*made):
    """A meter whose programming key somebody has pressed."""
    one = meter(*made)
    one.press_programming_key(int(time.time()), for_s=3_600)
    return one


def test_a_meter_is_read_with_everything_that_it_has(kwhub):
    one = meter(NUMBER, phases=3)
    with bridge(with_meters(one)) as (middle, link):
        code, out = kwhub("read", link, "--register", "1-0:1.8.0", "--json")
        assert code == 0
        (energy,) = json.loads(out)["registers"]
        assert Decimal(energy["value"]) >= Decimal(10)
        code, out = kwhub("read", link, "--chapter", "parameters", "--chapter", "load", "--json")
        assert (code, len(json.loads(out)["registers"]) > 50) == (0, True)
        code, out = kwhub("scan", link, "--protocol", "dlt645-2007", "--json")
        assert (code, NUMBER in out) == (0, True)
        assert kwhub("events", link)[0] == 0
        assert middle.inspection.counts == {}


def test_orders_to_a_meter_are_done(kwhub):
    one = pressed(NUMBER)
    with bridge(with_meters(one)) as (middle, link):
        memory = one.body.memory
        for words in (
            ("clock", link, "set"),
            ("write", link, "04000802", "3"),
            ("relay", link, "trip"),
            ("freeze", link),
            ("password", link, "--level", "2"),
            ("clear", link, "demand"),
            ("address", link, NEW, "--meter", NUMBER),
        ):
            code, out = kwhub(*words, "--yes", *(() if "--meter" in words else ("--meter", NUMBER)))
            assert (code, "done" in out) == (0, True), (words, out)
        assert memory.relay.is_open
        assert memory.passwords[2] == "123456"
        assert len(memory.demand_cleared_s) == 1
        assert one.address == NEW
        assert kwhub("clock", link, "adjust", "--broadcast", "--yes")[0] == 0
        assert middle.inspection.counts == {}


def test_orders_that_the_node_forbids_are_refused_with_exit_code_1(kwhub):
    one = meter(NUMBER)
    with bridge(with_meters(one), allow=(Kind.READ,)) as (_, link):
        for words in (("relay", link, "trip"), ("write", link, "04000802", "3")):
            code, out = kwhub(*words, "--meter", NUMBER, "--yes")
            assert (code, "refused: password wrong or not authorised" in out) == (1, True)
        assert not one.body.memory.relay.is_open


def test_a_meter_of_1997_is_read_and_written(kwhub):
    one = pressed(NUMBER, Edition.E1997)
    with bridge(with_meters(one)) as (middle, link):
        old = ("--meter", NUMBER, "--protocol", "dlt645-1997")
        code, out = kwhub("read", link, *old, "--register", "1-0:1.8.0", "--json")
        assert (code, Decimal(json.loads(out)["registers"][0]["value"]) >= 10) == (0, True)
        code, out = kwhub("write", link, "C113", "9", "--meter", NUMBER, "--yes")
        assert (code, "done" in out) == (0, True), out
        assert middle.inspection.counts == {}


def test_an_m_bus_meter_is_read_by_both_addresses(kwhub):
    async def attend(link, clock):
        await serve_mbus(link, [MbusMeter(WATER, 6, parts=2)], clock, delay_s=0.002)

    with bridge(attend, protocol="mbus") as (middle, link):
        for words in (("--address", "6"), ("--secondary", str(WATER))):
            code, out = kwhub("mbus", "read", link, *words, "--json")
            assert (code, json.loads(out)["secondary"]) == (0, str(WATER))
            assert json.loads(out)["telegrams"] == 2
        assert middle.inspection.counts == {}


def test_a_collecting_terminal_is_watched_and_read(kwhub, tmp_path):
    file = tmp_path / "terminal.toml"
    file.write_text(EXAMPLE.read_text().replace(":6470", ":0"))

    async def attend(link, clock):
        terminal = Terminal(terminal_config.load(file), clock, chance=seeded(1))
        running = asyncio.ensure_future(terminal.run())
        try:
            await terminal.attend(link)
        finally:
            running.cancel()
            await asyncio.wait([running])

    with bridge(attend) as (middle, link):
        words = ("terminal", "watch", link, TERMINAL, "--count", "1", "--json")
        code, out = kwhub(*words)
        assert (code, [json.loads(line)["channel"] for line in out.splitlines()]) == (0, [1, 2])
        code, out = kwhub("read", link, "--meter", "000020260701", "--register", "1-0:1.8.0")
        assert (code, "1234.56" in out) == (0, True)
        assert middle.inspection.counts == {}


def test_a_purchase_is_brought_into_a_meter_and_confirmed(kwhub, tmp_path, monkeypatch):
    counter_in(tmp_path, monkeypatch)
    site = Site()
    kwhub("vend", "customer", CUSTOMER.hex(), METER, "Wang")
    kwhub("vend", "issue", METER, "--medium", "m")
    kwhub("vend", "sell", "50", "--payment", "R-1", "--medium", "m", "--operator", "ann")
    with bridge(with_meters(site.meter), allow=(Kind.READ,)) as (_, link):
        code, out = kwhub("medium", "visit", link, "--medium", "m")
        assert (code, "refused" in out) == (1, True), out
    assert site.element.wallet == (0, 0)
    with bridge(with_meters(site.meter)) as (middle, link):
        assert kwhub("medium", "visit", link, "--medium", "m")[0] == 0
        assert middle.inspection.counts == {}
    assert site.element.wallet == (5_000, 1)
    assert "confirmed" in kwhub("vend", "collect", "--medium", "m")[1]


def test_a_program_with_even_parity_opens_the_serial_face_again_and_again():
    """DL/T 645 wants even parity, which no pseudo terminal has."""

    def program(path, request):
        with serial.Serial(path, 2400, parity=serial.PARITY_EVEN, timeout=10) as port:
            port.write(b"\xfe\xfe\xfe\xfe" + request)
            return port.read_until(b"\x16", size=len(request) + 8)

    async def main():
        clock = SystemClock()
        (one,) = meters(clock, 1)
        request = Frame645(one.address, 0x11, bytes.fromhex("01040004")).to_bytes()
        async with (
            node(clock, "air:parity", address(5, 1), slave(), behind=[one]),
            node(clock, "air:parity", NODE, collector({address(5, 1): []})) as middle,
            asyncio.TaskGroup() as tasks,
        ):
            port = PtyLink(LinkFacts("pty:"))
            face = tasks.create_task(SerialFace(port, middle, middle._station).run())
            async with asyncio.timeout(10):
                while not middle.ports:
                    await clock.sleep(0.05)
            heard = [await asyncio.to_thread(program, port.path, request) for _ in range(3)]
            face.cancel()
            await port.aclose()
        return [parse(each).data[4:][::-1].hex() for each in heard], one.address

    told, number = asyncio.run(main())
    assert told == [number] * 3
