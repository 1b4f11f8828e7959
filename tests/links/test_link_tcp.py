"""TCP: many peers of one server, peers that replace each other, readers that are slow."""

import asyncio
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import ConfigError, LinkDown, RemoteError
from kwhub.links.address import open_link
from kwhub.links.base import INBOX_BYTES_MAX, Link
from kwhub.links.memory import pair
from kwhub.links.tcp_listen import ListenLink, serve
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual

CLOCK = SystemClock()
LOCAL = "tcp-listen:127.0.0.1:0"


async def echo(link: Link) -> None:
    while True:
        await link.write(await link.read())


async def test_many_peers_at_once() -> None:
    server = await serve(LOCAL, echo, CLOCK)
    links = [await open_link(server.call_address, clock=CLOCK) for _ in range(20)]
    for number, link in enumerate(links):
        await link.write(bytes([number]))
    assert [await link.read() for link in links] == [bytes([number]) for number in range(20)]
    assert server.peers == 20
    await server.aclose()
    assert server.peers == 0
    for link in links:
        with pytest.raises(LinkDown):
            await link.read()
        await link.aclose()


async def test_the_last_words_of_a_handler_arrive() -> None:
    async def handler(link: Link) -> None:
        await link.read()
        await link.write(b"denied")

    server = await serve(LOCAL, handler, CLOCK)
    link = await open_link(server.call_address, clock=CLOCK)
    await link.write(b"login")
    assert await link.read() == b"denied"
    with pytest.raises(LinkDown, match="the other side is gone"):
        await link.read()
    await link.aclose()
    await server.aclose()


async def test_expected_errors_of_a_handler_are_told_and_bugs_are_not_silent() -> None:
    told: list[Exception] = []
    bugs: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))

    async def handler(link: Link) -> None:
        if await link.read() == b"bug":
            raise ZeroDivisionError
        raise RemoteError("nonsense")

    server = await serve(LOCAL, handler, CLOCK, told=lambda _, error: told.append(error))
    for word in (b"nonsense", b"bug"):
        link = await open_link(server.call_address, clock=CLOCK)
        await link.write(word)
        with pytest.raises(LinkDown):
            await link.read()
        await link.aclose()
    await server.aclose()
    assert [str(error) for error in told] == ["nonsense"]
    assert [type(bug["exception"]) for bug in bugs] == [ZeroDivisionError]


async def test_a_server_that_is_closed_before_a_handler_has_begun() -> None:
    server = await serve(LOCAL, echo, CLOCK)
    link = await open_link(server.call_address, clock=CLOCK)
    while not server.peers:  # noqa: ASYNC110  the moment before the first step is what is tried
        await asyncio.sleep(0)
    await server.aclose()
    with pytest.raises(LinkDown):
        await link.read()
    await link.aclose()
    await server.aclose()


async def test_what_cannot_be_served() -> None:
    with pytest.raises(ConfigError, match="only a tcp-listen"):
        await serve("pty:", echo, CLOCK)


async def test_a_new_peer_replaces_the_old_one() -> None:
    listening = await open_link(LOCAL, clock=CLOCK)
    assert isinstance(listening, ListenLink)
    await listening.write(b"nobody is there")
    assert listening.unheard_bytes == 15
    address = listening.facts.address.replace("-listen", "")
    first = await open_link(address, clock=CLOCK)
    await first.write(b"first")
    assert await listening.read() == b"first"
    second = await open_link(address, clock=CLOCK)
    await second.write(b"second")
    assert await listening.read() == b"second"
    with pytest.raises(LinkDown):
        await first.read()
    await listening.write(b"to the second")
    assert await second.read() == b"to the second"
    for link in (first, second, listening):
        await link.aclose()


async def test_a_slow_reader_slows_the_writer_down_and_loses_nothing() -> None:
    size = 16 * INBOX_BYTES_MAX  # more than the inbox and all buffers of the system hold
    accepted: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

    async def handler(link: Link) -> None:
        accepted.set_result(link)
        await asyncio.Event().wait()

    server = await serve(LOCAL, handler, CLOCK)
    link = await open_link(server.call_address, clock=CLOCK)
    far = await accepted
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(link.write(bytes(size)))
        for _ in range(200):
            await asyncio.sleep(0)
        assert not writing.done()
        got = 0
        while got < size:
            got += len(await far.read())
    await link.aclose()
    await server.aclose()


def virtual(main) -> None:
    run_virtual(main, start=datetime(2026, 3, 1, tzinfo=UTC))


def test_a_memory_link_is_bounded_too() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        await one.write(bytes(INBOX_BYTES_MAX))
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(one.write(b"more"))
            await clock.sleep(1)
            assert not writing.done()
            assert len(await two.read()) == INBOX_BYTES_MAX
            assert await two.read() == b"more"

    virtual(main)


@pytest.mark.parametrize("closed", [0, 1])
def test_closing_frees_a_writer_who_waits_for_room(closed: int) -> None:
    async def main(clock: LoopClock) -> None:
        ends = pair()
        await ends[0].write(bytes(INBOX_BYTES_MAX))

        async def write() -> None:
            with pytest.raises(LinkDown):
                await ends[0].write(b"more")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write())
            await asyncio.sleep(0)
            await ends[closed].aclose()

    virtual(main)
