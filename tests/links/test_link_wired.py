"""The bus on which talkers who overlap in time garble each other."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwhub.domain.errors import LinkDown
from kwhub.links.wired import WiredBus, mixed
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)
BYTE_S = 11 / 2400


def on_bus(main):
    async def go(clock):
        bus = WiredBus(clock, baud=2400)
        return await main(clock, bus)

    return run_virtual(go, start=START)


async def everything(link):
    heard = b""
    try:
        while True:
            heard += await link.read()
    except LinkDown:
        return heard


@given(st.binary(min_size=1, max_size=40), st.floats(0, 1e6))
def test_a_lone_signal_is_heard_as_it_was_sent(data, start):
    assert mixed([(start, data)]) == data


@given(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_signals_one_after_the_other_do_not_touch(one, two):
    assert mixed([(0.0, one), (11.0 * len(one) + 3.5, two)]) == one + two


@given(st.lists(st.integers(0, 255), min_size=1, max_size=6))
def test_in_step_low_wins_bit_by_bit(values):
    expected = 0xFF
    for value in values:
        expected &= value
    assert mixed([(0.0, bytes([value])) for value in values]) == bytes([expected])


@given(
    st.binary(min_size=1, max_size=20),
    st.binary(min_size=1, max_size=20),
    st.floats(0, 300),
)
def test_any_overlap_gives_some_bytes_and_never_more_than_fit(one, two, offset):
    heard = mixed([(0.0, one), (offset, two)])
    bits = max(11 * len(one), offset + 11 * len(two))
    assert 0 < len(heard) <= bits / 10.5 + 1


def test_a_lone_talker_takes_his_time_and_is_heard_on_the_way():
    async def main(clock, bus):
        talker, listener = bus.attach(), bus.attach()
        writing = asyncio.create_task(talker.write(b"x" * 100))
        first = await listener.read()
        at = clock.monotonic()
        await writing
        rest = await listener.read()
        return first, at, rest, clock.monotonic(), bus.carried_bytes

    first, at, rest, end, carried = on_bus(main)
    assert at == pytest.approx(len(first) * BYTE_S)
    assert len(first) < 100
    assert end == pytest.approx(100 * BYTE_S)
    assert carried == 100
    assert first + rest[: 100 - len(first)] == (first + rest)[:100]


def test_two_at_once_garble_each_other_and_hear_nothing():
    async def main(clock, bus):
        one, two, listener = bus.attach(), bus.attach(), bus.attach()

        async def later():
            await clock.sleep(5.3 * BYTE_S)
            await two.write(b"\x68" * 12)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(one.write(b"\x16" * 12))
            tasks.create_task(later())
        heard = await listener.read()
        for tap in (one, two, listener):
            await tap.aclose()
        return heard, await everything(one), await everything(two), bus.collisions

    heard, one, two, collisions = on_bus(main)
    assert heard[:5] == b"\x16" * 5
    assert heard != b"\x16" * 12 + b"\x68" * 12
    assert 12 <= len(heard) <= 19
    assert one == two == b""
    assert collisions == 1


def test_an_answer_after_the_question_is_no_collision():
    async def main(clock, bus):
        one, two = bus.attach(), bus.attach()
        await one.write(b"question")
        assert await two.read() == b"question"
        await two.write(b"answer")
        return await one.read(), bus.collisions

    assert on_bus(main) == (b"answer", 0)


def test_a_cancelled_writer_frees_the_line():
    async def main(clock, bus):
        one, two, listener = bus.attach(), bus.attach(), bus.attach()
        writing = asyncio.create_task(one.write(bytes(1000)))
        await clock.sleep(0.5)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await listener.read()
        await two.write(b"two")
        return await listener.read()

    assert on_bus(main) == b"two"


def test_a_closed_end_is_off_the_bus():
    async def main(_clock, bus):
        one, two = bus.attach(), bus.attach()
        await two.aclose()
        await two.aclose()
        await one.write(b"x")
        with pytest.raises(LinkDown):
            await two.write(b"x")
        with pytest.raises(LinkDown):
            await two.read()

    on_bus(main)
