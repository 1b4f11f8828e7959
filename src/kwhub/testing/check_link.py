"""The contract of every link, as one call: ``await check_link(factory)``.

The factory opens two ends that talk to each other. What is checked is what
:class:`kwhub.links.base.Link` promises, in both directions. Nothing sleeps, so it runs on virtual
time as well as over real sockets and pseudo terminals.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeAlias

from kwhub.domain.errors import LinkBusy, LinkDown
from kwhub.links.base import Link
from kwhub.runtime.chance import seeded

__all__ = ["LIMIT_S", "ContractBroken", "LinkFactory", "check_link"]

LIMIT_S = 60.0
"""Longest time for one check; only a broken link, or a paced one, comes near it."""

LARGE_BYTES = 300_000
PIECES = 120
PIECE_BYTES_MAX = 60
IDLE_STEPS = 5

LinkFactory: TypeAlias = Callable[[], AbstractAsyncContextManager[tuple[Link, Link]]]
"""Opens two ends of one way, and cleans up after them; the ends may be closed before."""


class ContractBroken(AssertionError):
    """A link does not do what every link must do."""


async def check_link(
    factory: LinkFactory,
    *,
    hears_close: tuple[bool, bool] = (True, True),
    large_bytes: int = LARGE_BYTES,
    limit_s: float = LIMIT_S,
) -> None:
    """Hold a kind of link to the contract.

    Args:
        factory: opens a fresh pair of ends for each check.
        hears_close: whether the first end notices that the second was closed, and the other way
            round. A serial line does not notice; a connection does.
        large_bytes: size of the large writes.
        limit_s: longest time for one check, by the running loop; more for paced links.

    Raises:
        ContractBroken: names what is broken.
    """

    async def check_large(one: Link, two: Link) -> None:
        await _check_both_ways(one, two, large_bytes)

    async def check_far_close_turned(one: Link, two: Link) -> None:
        await _check_far_close(two, one)

    checks = [*_CHECKS, check_large]
    checks += [_check_far_close] if hears_close[0] else []
    checks += [check_far_close_turned] if hears_close[1] else []
    for check in checks:
        try:
            async with asyncio.timeout(limit_s), factory() as (one, two):
                await check(one, two)
        except TimeoutError as error:
            name = check.__name__.strip("_").replace("_", " ")
            raise ContractBroken(
                f"{name}: bytes were lost or nobody was woken within {limit_s:g} s"
            ) from error


def _require(truth: bool, promise: str) -> None:  # noqa: FBT001  it is what is required
    if not truth:
        raise ContractBroken(promise)


@contextmanager
def _expecting(error: type[Exception], promise: str) -> Iterator[None]:
    try:
        yield
    except error:
        return
    raise ContractBroken(promise)


async def _read_exactly(link: Link, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        data = await link.read()
        _require(len(data) > 0, "a read returns at least one byte")
        got += data
    return bytes(got)


@asynccontextmanager
async def _reading(link: Link) -> AsyncIterator[asyncio.Task[bytes]]:
    """A task that is waiting in ``link.read()``."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(link.read())
        for _ in range(IDLE_STEPS):
            await asyncio.sleep(0)
        yield task


async def _check_facts(one: Link, two: Link) -> None:
    for link in (one, two):
        _require(":" in link.facts.address, "the facts have an address with a scheme")
        _require(link.facts.bits_per_byte in range(9, 13), "a byte has 9 to 12 bits on the wire")


async def _check_order(one: Link, two: Link) -> None:
    chance = seeded(1, "check_link")
    for source, target in ((one, two), (two, one)):
        pieces = [chance.randbytes(chance.randint(1, PIECE_BYTES_MAX)) for _ in range(PIECES)]
        await source.write(b"")
        for piece in pieces:
            await source.write(piece)
        sent = b"".join(pieces)
        got = await _read_exactly(target, len(sent))
        _require(got == sent, "bytes arrive in order and unchanged")
    every_byte = bytes(range(256))
    await one.write(every_byte)
    got = await _read_exactly(two, len(every_byte))
    _require(got == every_byte, "every value of a byte passes unchanged")


async def _check_waiting(one: Link, two: Link) -> None:
    for source, target in ((one, two), (two, one)):
        async with _reading(target) as task:
            _require(not task.done(), "a read waits while there is nothing to read")
            await source.write(b"x")
            _require(await task == b"x", "a waiting read is woken by bytes")


async def _check_one_reader(one: Link, two: Link) -> None:
    async with _reading(two) as task:
        with _expecting(LinkBusy, "a second reader is refused"):
            await two.read()
        await one.write(b"x")
        _require(await task == b"x", "the first reader is not disturbed by a second")


async def _check_cancelling(one: Link, two: Link) -> None:
    sent = bytes(index % 251 for index in range(PIECES * 3))
    got = bytearray()
    for at in range(0, len(sent), 3):
        task = asyncio.ensure_future(two.read())
        await asyncio.sleep(0)
        await one.write(sent[at : at + 3])
        if at % 2:  # half of the reads are cancelled with the bytes already on their way to them
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            got += task.result()
    got += await _read_exactly(two, len(sent) - len(got))
    _require(bytes(got) == sent, "a cancelled read loses nothing")


async def _check_both_ways(one: Link, two: Link, size: int) -> None:
    chance = seeded(2, "check_link")
    there, back = chance.randbytes(size), chance.randbytes(size)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.write(there))
        tasks.create_task(two.write(back))
        at_two = tasks.create_task(_read_exactly(two, size))
        at_one = tasks.create_task(_read_exactly(one, size))
    same = at_two.result() == there and at_one.result() == back
    _require(same, "large writes pass whole, in both directions at once")


async def _check_own_close(one: Link, two: Link) -> None:
    for link in (one, two):
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_read_to_the_end(link))
            await asyncio.sleep(0)
            await link.aclose()
        _require(waiting.result() == b"", "closing wakes the reader with LinkDown")
        await link.aclose()
        with _expecting(LinkDown, "reading a closed link raises LinkDown"):
            await link.read()
        with _expecting(LinkDown, "writing to a closed link raises LinkDown"):
            await link.write(b"x")


async def _check_far_close(one: Link, two: Link) -> None:
    await two.write(b"last words")
    await two.aclose()
    _require(await _read_to_the_end(one) == b"last words", "what was sent before a close arrives")
    with _expecting(LinkDown, "a link that has ended stays at its end"):
        await one.read()
    with _expecting(LinkDown, "writing to a link that has ended raises LinkDown"):
        await one.write(b"x")


async def _read_to_the_end(link: Link) -> bytes:
    got = b""
    while True:
        try:
            got += await link.read()
        except LinkDown:
            return got


_CHECKS: tuple[Callable[[Link, Link], Awaitable[None]], ...] = (
    _check_facts,
    _check_order,
    _check_waiting,
    _check_one_reader,
    _check_cancelling,
    _check_own_close,
)
