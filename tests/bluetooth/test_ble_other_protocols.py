"""Nodes that inspect another protocol than DL/T 645: M-Bus and the interface of local modules."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from tests.bluetooth.nodes import meters, node, slave
from tests.bluetooth.stations import METER, READER, free, on_air, station

from kwhub.cli.ble_file import read_node_file
from kwhub.domain.errors import ConfigError, NoAnswer
from kwhub.domain.readings import Register
from kwhub.exchange.mbus import read_meter, set_address
from kwhub.exchange.passing_others import DIALECTS
from kwhub.exchange.plc import Way, carry
from kwhub.exchange.plc_module import start_module, sync_archive
from kwhub.exchange.read import read_registers
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.gdw1376_2 import Role as ModuleRole
from kwhub.protocols.gdw1376_2 import Session as ModuleSession
from kwhub.protocols.gdw1376_2 import afn_02, order_of
from kwhub.protocols.gdw1376_2.frames import Addresses, Control, frame
from kwhub.protocols.gdw1376_2.routes import DownRoute
from kwhub.protocols.mbus.frames import ACK_FRAME, FrameMbus
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.session import Role, Session
from kwhub.sim.mbus import MbusMeter, serve_mbus
from kwhub.sim.plc import serve_module
from kwhub.sim.plc_network import PlcSettings
from kwhub.wire.passing import Kind, Passing

WATER = Identity.parse("12345678-KAM-01-07")
MBUS, MODULE = DIALECTS["mbus"], DIALECTS["gdw1376.2"]
PLC_MASTER = "000000009999"


def only(dialect, raw):
    (found,) = dialect.framer().feed(raw)
    assert isinstance(found, Passing)
    return found


@pytest.mark.parametrize(
    ("made", "kind", "address", "wants_answer"),
    [
        (FrameMbus.short(0x40, 5), Kind.READ, "5", True),
        (FrameMbus.short(0x7B, 254), Kind.READ, "254", True),
        (FrameMbus.short(0x40, 255), Kind.READ, "255", False),
        (FrameMbus.long(0x53, 5, 0x51, b"\x01\x7a\x08"), Kind.WRITE, "5", True),
        (FrameMbus.long(0x53, 5, 0xBB), Kind.WRITE, "5", True),
        (FrameMbus.long(0x53, 253, 0x52, bytes(8)), Kind.READ, "253", True),
        (FrameMbus.long(0x53, 5, 0x50), Kind.CONTROL, "5", True),
        (FrameMbus.long(0x53, 5, 0x99), Kind.OTHER, "5", True),
    ],
)
def test_what_a_frame_of_m_bus_is_for(made, kind, address, wants_answer):
    found = only(MBUS, made.to_bytes())
    assert (found.kind, found.address, found.wants_answer) == (kind, address, wants_answer)
    assert not found.is_answer
    assert only(MBUS, ACK_FRAME.to_bytes()).is_answer


def down(unit, slave_address=""):
    order = order_of(unit, slave_address)
    addresses = Addresses(PLC_MASTER, slave_address) if slave_address else None
    route = DownRoute(to_slave=bool(slave_address))
    content = (order.afn, order.function, order.data)
    return frame(Control(up=False, primary=True), route, content, addresses).to_bytes()


def test_what_a_module_forwards_is_of_the_kind_of_what_it_carries():
    meter = "000000700001"
    reading = Frame645(meter, 0x11, bytes(4)).to_bytes()
    relay = Frame645(meter, 0x1C, bytes(16)).to_bytes()
    wrong = Frame645(meter, 0x11, b"").to_bytes()
    found = [
        only(MODULE, down(afn_02.Forward(carried), meter))
        for carried in (reading, relay, wrong, b"\x68\x01")
    ]
    assert [each.kind for each in found] == [Kind.READ, Kind.CONTROL, Kind.READ, Kind.OTHER]
    assert [each.trouble for each in found] == ["", "", "bad_length", "carries_no_frame"]
    assert {each.address for each in found} == {meter}


@asynccontextmanager
async def between(clock, air, settings, dialect, serve):
    """A node with something behind it, and a master's link to it."""
    near, bus = pair()
    serving = asyncio.ensure_future(serve(near))
    async with (
        node(clock, air, METER, settings, bus=bus, dialect=dialect) as middle,
        station(clock, air, READER, free()) as above,
    ):
        yield middle, await above.connect(METER)
    serving.cancel()


def test_an_m_bus_meter_is_read_through_a_node_and_nobody_moves_it():
    async def main(clock, air):
        behind = [MbusMeter(WATER, 5, parts=2), MbusMeter(WATER, 6)]
        settings = slave(["5"], allow=(Kind.READ,))
        async with between(
            clock, air, settings, MBUS, lambda near: serve_mbus(near, behind, clock)
        ) as (middle, link):
            driver = Driver(link, Session(Role.MASTER), clock)
            telegrams = await driver.run(read_meter(5))
            assert {each.identity for each in telegrams} == {WATER}
            for forbidden in (set_address(5, 9), read_meter(6)):
                with pytest.raises(NoAnswer):
                    await driver.run(forbidden)
            await link.write(FrameMbus.short(0x5B, 5).to_bytes()[:-2] + b"\x00\x16")
            await clock.sleep(1)
            return len(telegrams), behind[0].address, dict(middle.inspection.counts)

    parts, address, counts = on_air(main)
    assert (parts, address) == (2, 5)
    assert counts.pop("not_allowed") > 0
    assert counts.pop("unknown_address") > 0
    assert counts == {"checksum_mismatch": 1}


def test_a_local_module_is_started_and_read_through_a_node_and_its_reports_are_no_wrong_words():
    async def main(clock, air):
        (meter,) = meters(clock, 1)
        quiet = PlcSettings(loss_permille=0)
        settings = slave(answer_s=60.0)
        async with between(
            clock,
            air,
            settings,
            MODULE,
            lambda near: serve_module(near, [meter], clock, settings=quiet),
        ) as (middle, link):
            session = ModuleSession(ModuleRole.CONCENTRATOR, master=PLC_MASTER)
            driver = Driver(link, session, clock)
            await driver.run(start_module(PLC_MASTER))
            await driver.run(sync_archive({meter.address: 2}))
            reading = read_registers(meter.address, [Register("1-0:1.8.0")])
            (found,) = await driver.run(carry(reading, Way(meter.address, 90.0)))
            assert isinstance(found.value, Decimal)
            assert found.value > 0
            return dict(middle.inspection.counts), middle.inspection.passed > 8

    assert on_air(main) == ({}, True)


def test_the_protocol_of_a_node_stands_in_its_file_and_a_wrong_one_is_told(tmp_path):
    file = tmp_path / "node.toml"
    file.write_text('adapter = "usb:0"\nprotocol = "mbus"\n[node]\nmeters = ["7"]\n')
    assert read_node_file(file).protocol == "mbus"
    file.write_text('adapter = "usb:0"\nprotocol = "modbus"\n')
    with pytest.raises(ConfigError, match=r"one of dlt645, gdw1376\.2, mbus"):
        read_node_file(file)
