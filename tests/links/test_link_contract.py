"""Every link keeps the contract of links."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kwhub.domain.errors import LinkDown
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.layers import Captured, FaultRates, Faulty, Layer, Shared, Throttled, Traced
from kwhub.links.memory import Bus, pair
from kwhub.links.pty import PtyLink
from kwhub.links.tcp_listen import serve
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.testing.check_link import ContractBroken, LinkFactory, check_link

START = datetime(2026, 3, 1, tzinfo=UTC)
CLOCK = SystemClock()
Ends = AsyncIterator[tuple[Link, Link]]


def check_contract(factory: LinkFactory, *, hears_close: tuple[bool, bool] = (True, True)) -> None:
    async def main(_clock: LoopClock) -> None:
        await check_link(factory, hears_close=hears_close, large_bytes=70_000, limit_s=5_000)

    run_virtual(main, start=START)


@asynccontextmanager
async def memory() -> Ends:
    yield pair()


@asynccontextmanager
async def named_memory() -> Ends:
    one = await open_link("memory:contract", clock=CLOCK)
    yield one, await open_link("memory:contract", clock=CLOCK)


@asynccontextmanager
async def bus() -> Ends:
    bus = Bus()
    yield bus.attach(), bus.attach()


def test_memory_pair() -> None:
    check_contract(memory)


def test_memory_by_name() -> None:
    check_contract(named_memory)


def test_a_name_whose_first_side_went_away_starts_anew() -> None:
    async def main(clock: LoopClock) -> None:
        gone = await open_link("memory:again", clock=clock)
        await gone.aclose()
        one = await open_link("memory:again", clock=clock)
        two = await open_link("memory:again", clock=clock)
        await one.write(b"hello")
        assert await two.read() == b"hello"

    run_virtual(main, start=START)


def test_memory_bus() -> None:
    check_contract(bus, hears_close=(False, False))


def layered(wrap: Callable[[Link, LoopClock], Link]) -> LinkFactory:
    @asynccontextmanager
    async def factory() -> Ends:
        one, two = pair()
        layer = wrap(one, LoopClock(START))
        try:
            yield layer, two
        finally:
            await layer.aclose()

    return factory


@pytest.mark.parametrize(
    "wrap",
    [
        lambda link, clock: Layer(link),
        lambda link, clock: Traced(link, lambda *_: None, clock),
        lambda link, clock: Throttled(link, clock, baud=2400),
        lambda link, clock: Faulty(link, seeded(1), FaultRates()),
        lambda link, clock: Shared(link),
        lambda link, clock: Shared(
            Faulty(Throttled(link, clock, baud=19200), seeded(1), FaultRates())
        ),
    ],
    ids=["Layer", "Traced", "Throttled", "Faulty", "Shared", "stack"],
)
def test_layers(wrap: Callable[[Link, LoopClock], Link]) -> None:
    check_contract(layered(wrap))


def test_captured(tmp_path: Path) -> None:
    check_contract(layered(lambda link, clock: Captured(link, tmp_path / "capture", clock)))


def test_turn_of_shared() -> None:
    @asynccontextmanager
    async def factory() -> Ends:
        one, two = pair()
        async with Shared(one).claim("meter") as turn:
            yield turn, two

    check_contract(factory, hears_close=(True, False))


@asynccontextmanager
async def tcp() -> Ends:
    accepted: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()

    async def handler(link: Link) -> None:
        accepted.set_result(link)
        await gone.wait()

    server = await serve("tcp-listen:127.0.0.1:0", handler, CLOCK)
    link = await open_link(server.call_address, clock=CLOCK)
    try:
        yield link, await accepted
    finally:
        gone.set()
        await link.aclose()
        await server.aclose()


async def test_tcp() -> None:
    await check_link(tcp)


@asynccontextmanager
async def tcp_listen() -> Ends:
    listening = await open_link("tcp-listen:127.0.0.1:0", clock=CLOCK)
    calling = await open_link(listening.facts.address.replace("-listen", ""), clock=CLOCK)
    await calling.write(b"hello")
    assert await listening.read() == b"hello"
    try:
        yield calling, listening
    finally:
        await calling.aclose()
        await listening.aclose()


async def test_tcp_listen() -> None:
    await check_link(tcp_listen, hears_close=(True, False))


@asynccontextmanager
async def serial_over_pty() -> Ends:
    near = await open_link("pty:", clock=CLOCK)
    assert isinstance(near, PtyLink)
    far = await open_link(f"serial:{near.path}?baud=9600", clock=CLOCK)
    try:
        yield near, far
    finally:
        await far.aclose()
        await near.aclose()


async def test_serial_and_pty() -> None:
    await check_link(serial_over_pty, hears_close=(False, False))


async def test_serial_hears_that_its_device_is_unplugged() -> None:
    async with serial_over_pty() as (near, far):
        await near.aclose()
        with pytest.raises(LinkDown, match="gone"):
            await far.read()
        with pytest.raises(LinkDown):
            await far.write(b"x")


async def test_a_program_may_leave_the_pty_and_come_back() -> None:
    async with serial_over_pty() as (near, far):
        assert isinstance(near, PtyLink)
        await far.aclose()
        again = await open_link(f"serial:{near.path}?baud=1200&parity=none", clock=CLOCK)
        await again.write(b"back")
        assert await near.read() == b"back"
        assert (again.facts.baud, again.facts.bits_per_byte) == (1200, 10)
        await again.aclose()


async def test_a_serial_port_is_opened_once() -> None:
    async with serial_over_pty() as (near, _far):
        assert isinstance(near, PtyLink)
        with pytest.raises(LinkDown, match=near.path):
            await open_link(f"serial:{near.path}", clock=CLOCK)


class Lossy(Layer):
    async def read(self) -> bytes:
        return (await super().read())[1:]


def test_a_broken_link_is_found() -> None:
    with pytest.raises(ContractBroken, match="bytes were lost"):
        check_contract(layered(lambda link, clock: Lossy(link)))


@pytest.mark.parametrize("steps", range(6))
def test_a_caller_that_comes_while_the_port_closes_leaves_nothing_open(steps: int) -> None:
    """Callers who hang up at once, accepted any number of steps before the end."""
    troubles: list[dict[str, Any]] = []

    async def attend(link: Link) -> None:
        await link.read()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: troubles.append(context))
        server = await serve("tcp-listen:127.0.0.1:0", attend, CLOCK)
        port = int(server.address.rpartition(":")[2])
        for _ in range(5):
            with socket.socket() as caller:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                caller.connect(("127.0.0.1", port))
        for _ in range(steps):
            await asyncio.sleep(0)
        await server.aclose()

    asyncio.run(main())
    gc.collect()  # a socket that was left open complains now, and warnings are errors
    assert troubles == []
