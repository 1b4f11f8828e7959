"""The short-range radio: range, loss, collisions, and the time that bytes take."""

import asyncio
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import LinkDown, LocalError
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.radio import Air, AirSettings, RadioLink

START = datetime(2026, 3, 1, tzinfo=UTC)


async def heard(node: RadioLink, limit_s: float = 60) -> bytes:
    data = b""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                data += await node.read()
    except TimeoutError:
        return data


def test_everybody_near_hears_and_nobody_far():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(1), AirSettings(loss=0))
        walker, near, far = air.node("h"), air.node("a", (50, 0)), air.node("b", (200, 10))
        await walker.write(b"hello")
        assert (await heard(near), await heard(far), await heard(walker)) == (b"hello", b"", b"")
        walker.place = (150, 0)
        await walker.write(b"again")
        assert await heard(far) == b"again"

    run_virtual(main, start=START)


def test_the_more_is_lost_the_farther_it_goes():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(2), AirSettings(loss=0.02))
        walker, near, edge = air.node("h"), air.node("a", (20, 0)), air.node("b", (170, 0))
        for _ in range(400):
            await walker.write(b"x")
        counts = len(await heard(near)), len(await heard(edge))
        assert 375 < counts[0] < 400
        assert 150 < counts[1] < 230

    run_virtual(main, start=START)


def test_a_write_takes_exactly_its_minimum_on_a_quiet_channel():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(3))
        walker = air.node("h")
        for count in (1, 128, 129, 400):
            began = clock.monotonic()
            await walker.write(bytes(count))
            assert clock.monotonic() - began == pytest.approx(air.settings.minimum_s(count))

    run_virtual(main, start=START)


def test_hidden_nodes_destroy_each_other():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(4), AirSettings(loss=0))
        left, middle, right = (air.node(n, (at, 0)) for n, at in (("l", 0), ("m", 150), ("r", 300)))
        async with asyncio.TaskGroup() as group:
            group.create_task(left.write(b"left"))
            group.create_task(right.write(b"right"))
        assert await heard(middle) == b""
        assert air.lost == 2

    run_virtual(main, start=START)


def test_who_hears_another_one_waits():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(5), AirSettings(loss=0))
        one, two, three = (air.node(n, (at, 0)) for n, at in (("a", 0), ("b", 10), ("c", 20)))

        async def later() -> None:
            await clock.sleep(0.01)
            await two.write(b"two")

        async with asyncio.TaskGroup() as group:
            group.create_task(one.write(b"one"))
            group.create_task(later())
        assert await heard(three) == b"onetwo"

    run_virtual(main, start=START)


def test_a_closed_node_neither_sends_nor_hears():
    async def main(clock: LoopClock) -> None:
        air = Air(clock, seeded(6))
        one, two = air.node("a"), air.node("b")
        await two.aclose()
        await one.write(b"x")
        with pytest.raises(LinkDown):
            await two.read()
        with pytest.raises(LinkDown):
            await two.write(b"x")

    run_virtual(main, start=START)


def test_impossible_settings_are_refused():
    with pytest.raises(LocalError):
        AirSettings(loss=2)
