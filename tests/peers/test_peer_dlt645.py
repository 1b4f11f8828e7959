"""A peer that no one here wrote: the package ``dlt645`` (3.2.0), client and server, over real sockets.

Its client reads our simulated meter and our driver reads its server. Where the two agree is shown by values;
where they do not, the fault is the package's and expected as such, so that a release that mends it shows:

======================  ============================================================================
address order           addresses are given and shown in the order of the wire, low pair first
demand time             mm hh DD MM YY is read as YY MM DD hh mm: a wrong time, or none at all
blocks                  no identifier with FF is known
sign                    the top bit of any number is its sign: 900000.00 kWh is read as -100000.00
time for all            08 is sent year first
freeze                  16 is sent month first
clear demand            19 is sent with an identifier and without operator code
passwords               go high byte first; the identifier of 18 begins with 40 instead of 04
server, other address   refuses what is meant for another meter, where a meter is silent
server, wildcard        leaves AA..AA in its answer and does not know partial wildcards
======================  ============================================================================
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import dlt645
import pytest

from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.drive import Driver
from kwhub.links.tcp_listen import serve
from kwhub.protocols.dlt645 import Frame645
from kwhub.protocols.dlt645.diagnose import diagnose
from kwhub.protocols.dlt645.frames import ABNORMAL, ANSWER
from kwhub.protocols.dlt645.items import decode, encode
from kwhub.protocols.dlt645.messages import AddressFound, Data, ReadAddress, ReadData, Refused
from kwhub.protocols.dlt645.receiver import Received, Receiver
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import SystemClock
from kwhub.sim.climate import Climate, day_number
from kwhub.sim.device import serve_meters
from kwhub.sim.load import CustomerLoad
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.shapes import Kind

CLOCK = SystemClock()
LOCAL = "tcp-listen:127.0.0.1:0"
METER = "000000000038"
TURNED = "380000000000"  # the same as the package wants it
WILDCARD = "AAAAAAAAAAAA"
ENERGY = 0x00010000
VOLTAGE = 0x02010100
FREQUENCY = 0x02800002
CURRENT = 0x02020100
POWER = 0x02030000
DEMAND = 0x01010000
DATE = 0x04000101
ADDRESS = 0x04000401
CLIENT_TIMEOUT_S = 5.0

pytestmark = pytest.mark.slow  # a client or server of theirs takes half a second to make

dlt645.disable_logging()


@asynccontextmanager
async def client_of(handler: Callable[[Link], Any]) -> AsyncIterator[Any]:
    """Their client, connected to a server of ours with this handler."""
    server = await serve(LOCAL, handler, CLOCK)
    port = int(server.address.rpartition(":")[2])
    client = dlt645.MeterClientService.new_tcp_client("127.0.0.1", port, CLIENT_TIMEOUT_S)
    try:
        yield client
    finally:
        await asyncio.to_thread(client.disconnect)
        await server.aclose()


@asynccontextmanager
async def driver_of(prepare: Callable[[Any], None]) -> AsyncIterator[Driver]:
    """Our driver, connected to their server; ``prepare`` fills its registers."""
    service = dlt645.MeterServerService.new_tcp_server("127.0.0.1", 0, 1.0)
    service.set_address(TURNED)
    prepare(service)
    assert await asyncio.to_thread(service.start)
    link = await open_link(f"tcp:127.0.0.1:{service.server.port}", clock=CLOCK)
    try:
        yield Driver(link, Session(Role.MASTER, answer_timeout_s=2.0), CLOCK, attempts=1)
    finally:
        await link.aclose()
        assert await asyncio.to_thread(service.stop)


def simulated_meter() -> SimulatedMeter:
    first_day = day_number(CLOCK.now().date()) - 30
    load = CustomerLoad(Kind.HOUSEHOLD, 7, Climate(1, first_day), utc_offset_s=28_800)
    return SimulatedMeter(METER, load)


async def our_meter(link: Link) -> None:
    await serve_meters(link, [simulated_meter()], CLOCK)


async def value_of(driver: Driver, identifier: int) -> Decimal:
    event = await driver.ask(ReadData(METER, identifier))
    assert isinstance(event, Data)
    value = decode(identifier, event.payload)[0].value
    assert isinstance(value, Decimal)
    return value


class Recorder:
    """Takes frames and refuses them at once; the time for all meters is not answered."""

    def __init__(self) -> None:
        self.frames: list[Frame645] = []
        self.came = asyncio.Event()

    async def __call__(self, link: Link) -> None:
        receiver = Receiver()
        while True:
            for item in receiver.feed(await link.read()):
                assert isinstance(item, Received)
                frame = item.frame
                self.frames.append(frame)
                self.came.set()
                if frame.address != "9" * 12:
                    control = frame.control | ANSWER | ABNORMAL
                    await link.write(Frame645(frame.address, control, b"\x02").to_bytes())


async def sent_by(*calls: Callable[[Any], Any]) -> list[Frame645]:
    """The frames that calls of their client send."""
    recorder = Recorder()
    async with client_of(recorder) as client:
        client.set_address(TURNED)
        for call in calls:
            recorder.came.clear()
            await asyncio.to_thread(call, client)
            await recorder.came.wait()
    return recorder.frames


async def test_their_client_reads_our_meter():
    async with client_of(our_meter) as client:
        found = await asyncio.to_thread(client.read_address)
        assert found.value == TURNED  # address order
        assert bytes(client.address).hex() == TURNED
        link = await open_link(f"tcp:{client.client.ip}:{client.client.port}", clock=CLOCK)
        ours = Driver(link, Session(Role.MASTER), CLOCK)
        before = await value_of(ours, ENERGY)
        theirs = await asyncio.to_thread(client.read_00, ENERGY)
        after = await value_of(ours, ENERGY)
        await link.aclose()
        assert float(before) - 1e-9 <= theirs.value <= float(after) + 1e-9
        assert theirs.unit == "kWh"
        assert 180 < (await asyncio.to_thread(client.read_02, VOLTAGE)).value < 260
        assert 49 < (await asyncio.to_thread(client.read_02, FREQUENCY)).value < 51
        address = await asyncio.to_thread(client.read_04, ADDRESS)
        assert address.value == METER
        date = await asyncio.to_thread(client.read_04, DATE)
        weekday = datetime.fromisoformat(f"20{date.value[:6]}").isoweekday() % 7
        assert int(date.value[6:]) == weekday


async def test_their_client_fails_where_it_is_known_to():
    async with client_of(our_meter) as client:
        client.set_address(TURNED)
        assert await asyncio.to_thread(client.read_00, 0x0001FF00) is None  # blocks
        assert await asyncio.to_thread(client.read_00, 0x00120000) is None  # our refusal


async def test_their_client_takes_the_top_bit_of_an_energy_for_a_sign_and_a_time_from_its_end():
    values = {
        ENERGY: encode(ENERGY, [Decimal("900000.00")]),
        DEMAND: encode(DEMAND, [Decimal("1.5"), "2026-03-01 12:15"]),
    }

    async def meter(link: Link) -> None:
        receiver = Receiver()
        while True:
            for item in receiver.feed(await link.read()):
                assert isinstance(item, Received)
                identifier = int.from_bytes(item.frame.data, "little")
                data = item.frame.data + values[identifier]
                await link.write(Frame645(METER, 0x91, data).to_bytes())

    async with client_of(meter) as client:
        client.set_address(TURNED)
        assert (await asyncio.to_thread(client.read_00, ENERGY)).value == -100_000.0  # sign
        demand = (await asyncio.to_thread(client.read_01, DEMAND)).value
        assert demand.value == 1.5
        assert f"{demand.time:%Y-%m-%d %H:%M}" == "2015-12-01 03:26"  # demand time


async def test_their_times_go_year_or_month_first():
    time, freeze = await sent_by(
        lambda client: client.broadcast_time_sync(datetime(2026, 3, 1, 12, 34)),
        lambda client: client.freeze(99, 99, 23, 30),
    )
    assert (time.address, time.control) == ("9" * 12, 0x08)
    assert (time.data.hex(), freeze.data.hex()) == ("260301123400", "99992330")
    for frame in (time, freeze):
        assert getattr(diagnose(frame), "kind", "") == "time_not_valid"


async def test_their_clearing_has_an_identifier_and_passwords_go_high_byte_first():
    clear, write, change = await sent_by(
        lambda client: client.clear_demand(DEMAND, "02123456"),
        lambda client: client.write_04(DATE, "26030100", "02123456"),
        lambda client: client.change_password("02123456", "04654321"),
    )
    assert (clear.control, clear.data.hex()) == (0x19, "00000101" + "02123456")
    assert write.data.hex() == "01010004" + "02123456" + "00000000" + "00010326"
    assert change.data.hex() == "040c0040" + "02123456" + "04654321"


async def test_our_driver_reads_their_server():
    def prepare(service: Any) -> None:
        assert service.set_00(ENERGY, 123.45)
        assert service.set_02(VOLTAGE, 231.4)
        assert service.set_02(CURRENT, -5.125)
        assert service.set_02(POWER, 1.2345)
        assert service.set_04(DATE, "26112106")
        assert service.set_01(DEMAND, dlt645.Demand(1.5, datetime(2026, 3, 1, 12, 15)))

    async with driver_of(prepare) as driver:
        found = await driver.ask(ReadAddress())
        assert isinstance(found, AddressFound)
        assert found.address == METER
        assert await value_of(driver, ENERGY) == Decimal("123.45")
        assert await value_of(driver, VOLTAGE) == Decimal("231.4")
        assert await value_of(driver, CURRENT) == Decimal("-5.125")
        assert await value_of(driver, POWER) == Decimal("1.2345")
        date = await driver.ask(ReadData(METER, DATE))
        assert decode(DATE, date.payload)[0].value == "2026-11-21"
        demand = await driver.ask(ReadData(METER, DEMAND))
        values = [value.value for value in decode(DEMAND, demand.payload)]
        assert values == [Decimal("1.5000"), "2026-03-01 12:15"]
        assert driver.discarded == 0
        assert driver.retries == 0


async def test_their_server_fails_where_it_is_known_to():
    async with driver_of(lambda service: service.set_00(ENERGY, 123.45)) as driver:
        block = await driver.ask(ReadData(METER, 0x0001FF00))
        assert isinstance(block, Refused)  # blocks
        assert block.reasons == ("no such data",)
        left_in = await driver.ask(ReadData(WILDCARD, ENERGY))
        assert isinstance(left_in, Data)  # server, wildcard
        assert left_in.address == WILDCARD
        partial = await driver.ask(ReadData("AAAAAAAA0038", ENERGY))
        assert isinstance(partial, Refused)
        other = await driver.ask(ReadData("000000000039", ENERGY))
        assert isinstance(other, Refused)  # server, other address
        assert other.reasons == ("other error",)
