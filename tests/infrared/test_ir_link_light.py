"""``ir:``: heads with echoes, and a meter read over simulated light."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import ConfigError
from kwhub.infrared.head import HeadLink
from kwhub.infrared.head_echo import HOLD_S, EchoFilter
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.memory import pair
from kwhub.links.tcp_listen import serve
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.testing.check_link import check_link

START = datetime(2026, 3, 1, tzinfo=UTC)
REQUEST = bytes.fromhex("FEFEFEFE 6838000000000068 1104 33333433 EA16")
ANSWER = bytes.fromhex("FEFEFE 6838000000000068 9108 33333433 6B333333 7216")
Ends = AsyncIterator[tuple[Link, Link]]


@asynccontextmanager
async def light() -> Ends:
    clock = LoopClock(START)
    one = await open_link("ir:sim:contract?baud=2400", clock=clock)
    two = await open_link("ir:sim:contract", clock=clock)
    yield one, two
    await one.aclose()
    await two.aclose()


@asynccontextmanager
async def head() -> Ends:
    one, two = pair()
    clock = LoopClock(START)
    yield HeadLink(one, clock), HeadLink(two, clock)


@pytest.mark.slow
def test_light_keeps_the_contract_of_links() -> None:
    async def main(_clock: LoopClock) -> None:
        await check_link(light, hears_close=(False, False), large_bytes=2_000, limit_s=5_000)

    run_virtual(main, start=START)


def test_a_head_keeps_the_contract_of_links() -> None:
    async def main(_clock: LoopClock) -> None:
        await check_link(head, large_bytes=70_000)

    run_virtual(main, start=START)


def echoed(echo: bytes, answer: bytes, *, piece: int = 1) -> tuple[bytes, EchoFilter]:
    """What passes a filter at 1200 baud, byte times kept, 20 ms from request to answer."""
    byte_s = 11 / 1200
    filtered, now = EchoFilter(), len(echo) * 0.0
    end = len(REQUEST) * byte_s
    filtered.sent(REQUEST, end)
    got = b""
    for start, data in ((0.0, echo), (end + 0.02, answer)):
        for at in range(0, len(data), piece):
            now = start + min(at + piece, len(data)) * byte_s
            deadline = filtered.deadline()
            if deadline is not None and deadline <= now:
                got += filtered.release()
            got += filtered.feed(data[at : at + piece], now)
    return got + filtered.release(), filtered


@pytest.mark.parametrize("piece", [1, 3, 7, 100])
@pytest.mark.parametrize(
    "echo",
    [
        REQUEST,
        REQUEST[4:],
        REQUEST[9:],
        REQUEST[:6] + b"\x00" + REQUEST[7:],
        REQUEST[:8] + REQUEST[9:],
        REQUEST[:8] + b"\x55" + REQUEST[8:],
    ],
    ids=["whole", "no wake-up", "half", "corrupted", "byte lost", "byte more"],
)
def test_echoes_are_taken_out(echo: bytes, piece: int) -> None:
    got, filtered = echoed(echo, ANSWER, piece=piece)
    assert got == ANSWER
    assert filtered.echoes == 1
    assert filtered.echoed_bytes == len(echo)


@pytest.mark.parametrize("piece", [1, 3, 7, 100])
@pytest.mark.parametrize("wake_up", range(5))
def test_a_head_without_echo_loses_nothing(wake_up: int, piece: int) -> None:
    answer = b"\xfe" * wake_up + ANSWER[3:]
    got, filtered = echoed(b"", answer, piece=piece)
    assert got == answer
    assert filtered.echoes == 0


def test_an_echo_that_breaks_off_is_taken_out_when_the_line_was_quiet() -> None:
    got, filtered = echoed(REQUEST[:12], ANSWER)
    assert got == ANSWER
    assert filtered.echoed_bytes == 12


def test_what_is_no_echo_waits_only_a_moment() -> None:
    filtered = EchoFilter()
    filtered.sent(REQUEST, 0.2)
    assert filtered.feed(ANSWER[:5], 0.3) == b""
    assert filtered.deadline() == pytest.approx(0.3 + HOLD_S)
    assert filtered.release() == ANSWER[:5]
    assert filtered.feed(ANSWER[5:], 0.4) == ANSWER[5:]


def test_own_light_is_heard_and_taken_out() -> None:
    async def main(clock: LoopClock) -> None:
        one = await open_link("ir:sim:mirror?echo=0.05", clock=clock)
        two = await open_link("ir:sim:mirror", clock=clock)
        await one.write(REQUEST)
        assert await two.read() == REQUEST
        await two.write(ANSWER)
        assert await one.read() == ANSWER
        assert isinstance(one, HeadLink)
        assert one.filter.echoes == 1
        await one.aclose()
        await two.aclose()

    run_virtual(main, start=START)


def test_two_that_shine_at_once_spoil_each_other() -> None:
    async def main(clock: LoopClock) -> None:
        ends = [await open_link("ir:sim:crowd", clock=clock) for _ in range(3)]
        await asyncio.gather(ends[0].write(REQUEST), ends[1].write(ANSWER))
        assert REQUEST not in (heard := await ends[2].read())
        assert ANSWER not in heard
        for end in ends:
            await end.aclose()

    run_virtual(main, start=START)


def test_a_head_is_at_1200_baud_unless_told() -> None:
    async def main() -> None:
        clock = SystemClock()
        one = await open_link("ir:memory:head-baud", clock=clock)
        two = await open_link("ir:memory:head-9600?baud=9600&echo=no", clock=clock)
        assert one.facts.baud == 1200
        assert two.facts.baud == 9600
        assert not isinstance(two, HeadLink)
        await one.aclose()
        await two.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ir:sim:", "needs a name"),
        ("ir:sim:x?distance=far", "distance must be a number"),
        ("ir:sim:x?distance=0", "distance_m must be"),
        ("ir:sim:x?angle=95", "angle_deg must be"),
        ("ir:sim:x?echo=2", "echo must be 0 to 1"),
        ("ir:sim:x?colour=red", "unknown option 'colour'"),
        ("ir:nowhere", "no scheme"),
        ("ir:memory:x?echo=maybe", "echo must be"),
    ],
)
def test_wrong_addresses_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        asyncio.run(open_link(text, clock=SystemClock()))


def test_a_room_has_one_set_of_options() -> None:
    async def main(clock: LoopClock) -> None:
        one = await open_link("ir:sim:room?distance=2", clock=clock)
        with pytest.raises(ConfigError, match="otherwise"):
            await open_link("ir:sim:room?distance=3", clock=clock)
        await one.aclose()
        two = await open_link("ir:sim:room?distance=3", clock=clock)
        await two.aclose()

    run_virtual(main, start=START)


def test_light_between_processes_is_lines_that_may_be_wrong() -> None:
    """A peer that sends rubbish does not end the link; a train after it is seen."""
    train = b'{"durations_us": [833.3, 833.3], "carrier_hz": 38000}\n'

    async def main() -> None:
        clock, got, came = SystemClock(), bytearray(), asyncio.Event()

        async def peer(link: Link) -> None:
            await link.write(b'rubbish\n{"durations_us": [-1]}\n[]\n' + train)
            while b"\n" not in got:
                got.extend(await link.read())
            came.set()

        server = await serve("tcp-listen:127.0.0.1:0", peer, clock)
        link = await open_link(f"ir:sim:{server.call_address}?baud=2400", clock=clock)
        assert await link.read()
        await link.write(b"\x00")
        await came.wait()
        await link.aclose()
        await server.aclose()
        assert b'"durations_us":[4166.667,' in got

    asyncio.run(main())
