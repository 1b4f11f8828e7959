"""Layers: tracing, capturing and replaying, pacing, trouble."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from kwhub.domain.errors import LinkDown, LocalError
from kwhub.links.layers import Throttled, Traced
from kwhub.links.memory import Bus, pair
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def virtual(main) -> None:
    run_virtual(main, start=START)


def test_traced_tells_direction_bytes_and_time() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        told: list[tuple[str, bytes, datetime]] = []
        traced = Traced(one, lambda *row: told.append(row), clock)
        await traced.write(b"ask")
        await clock.sleep(2)
        await two.write(b"answer")
        assert await traced.read() == b"answer"
        assert [row[:2] for row in told] == [("tx", b"ask"), ("rx", b"answer")]
        assert (told[1][2] - told[0][2]).total_seconds() == 2

    virtual(main)


@pytest.mark.parametrize("baud", [600, 1200, 2400, 4800, 9600, 19200])
def test_pacing_is_exact(baud: int) -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        bus = Throttled(one, clock, baud=baud)
        byte_s = 11 / baud

        async def meter() -> list[float]:
            heard = [clock.monotonic() for _ in range(3) if await _read_exactly(two, 16)]
            await two.write(bytes(24))
            return heard

        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(meter())
            for _ in range(3):
                await bus.write(bytes(16))
            assert clock.monotonic() == pytest.approx(48 * byte_s, abs=1e-9)
            got = await _read_exactly(bus, 24)
        assert got == bytes(24)
        assert clock.monotonic() == pytest.approx((48 + 24) * byte_s, abs=1e-9)
        wanted = [16 * byte_s, 32 * byte_s, 48 * byte_s]
        assert answering.result() == pytest.approx(wanted, abs=1e-9)

    virtual(main)


async def _read_exactly(link, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += await link.read()
    return got


def test_a_long_frame_arrives_in_slices_so_that_nobody_takes_it_as_ended() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        bus = Throttled(one, clock, baud=600)
        await two.write(bytes(212))
        times = [0.0]
        left = 212
        while left:
            left -= len(await bus.read())
            times.append(clock.monotonic())
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) < 0.25
        assert times[-1] == pytest.approx(212 * 11 / 600)

    virtual(main)


def test_turnaround_is_the_least_silence_before_an_answer() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        bus = Throttled(one, clock, baud=2400, turnaround_s=0.02)
        await bus.write(bytes(12))
        await two.write(bytes(12))  # at once
        await bus.read()
        assert clock.monotonic() == pytest.approx(0.02 + 24 * 11 / 2400)
        await bus.write(bytes(12))
        await clock.sleep(0.1)  # later than the least
        await two.write(bytes(12))
        await bus.read()
        assert clock.monotonic() == pytest.approx(0.12 + 48 * 11 / 2400)

    virtual(main)


def test_two_directions_share_the_wire() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        bus = Throttled(one, clock, baud=2400)
        await two.write(bytes(100))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_read_exactly(bus, 100))
            await asyncio.sleep(0)
            tasks.create_task(bus.write(bytes(100)))
        assert clock.monotonic() == pytest.approx(200 * 11 / 2400)

    virtual(main)


def test_a_cancelled_write_frees_the_wire_and_a_cancelled_read_keeps_its_bytes() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        bus = Throttled(one, clock, baud=2400)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await bus.write(bytes(1000))
        assert clock.monotonic() == pytest.approx(0.5)
        await bus.write(bytes(12))
        assert clock.monotonic() == pytest.approx(0.5 + 12 * 11 / 2400)
        await two.write(b"answer")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await bus.read()
        assert await bus.read() == b"answer"

    virtual(main)


def test_pacing_needs_a_speed() -> None:
    async def main(clock: LoopClock) -> None:
        with pytest.raises(LocalError, match="speed"):
            Throttled(pair()[0], clock)
        assert Throttled(pair(baud=1200)[0], clock).facts.baud == 1200

    virtual(main)


class LateClock:
    """A clock whose timers fire late, as on a busy machine."""

    def __init__(self, clock: LoopClock, late_s: float) -> None:
        self._clock = clock
        self.late_s = late_s
        self.now = clock.now
        self.monotonic = clock.monotonic
        self.sleep_until = clock.sleep_until

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds + self.late_s)


def test_late_timers_do_not_add_up() -> None:
    async def main(loop_clock: LoopClock) -> None:
        one, two = pair()
        late = LateClock(loop_clock, late_s=0.004)
        bus = Throttled(one, late, baud=9600)
        for _ in range(100):
            await bus.write(bytes(16))
            await two.write(bytes(24))
            await bus.read()
        physical_s = 100 * 40 * 11 / 9600
        took_s = loop_clock.monotonic()
        assert physical_s <= took_s <= physical_s + 0.005

    virtual(main)


def test_a_process_that_slept_long_does_not_catch_up_in_a_burst() -> None:
    async def main(loop_clock: LoopClock) -> None:
        late = LateClock(loop_clock, late_s=5.0)
        bus = Throttled(pair()[0], late, baud=2400)
        await bus.write(bytes(12))
        late.late_s = 0.0
        began = loop_clock.monotonic()
        await bus.write(bytes(240))
        assert loop_clock.monotonic() - began == pytest.approx(1.1 - 0.02)

    virtual(main)


def test_everybody_on_a_bus_hears_everybody_else() -> None:
    async def main(clock: LoopClock) -> None:
        bus = Bus("yard")
        one, two, three = bus.attach(), bus.attach(), bus.attach()
        await one.write(b"hello")
        assert await two.read() == await three.read() == b"hello"
        await three.aclose()
        assert bus.talkers == 2
        await two.write(b"bye")
        assert await one.read() == b"bye"
        with pytest.raises(LinkDown):
            await three.write(b"from the grave")

    virtual(main)


async def test_in_real_time_the_wire_is_never_faster_than_its_speed() -> None:
    clock = SystemClock()
    one, two = pair()
    bus = Throttled(one, clock, baud=19200)
    began = clock.monotonic()
    for _ in range(3):
        await bus.write(bytes(8))
    assert await two.read() == bytes(24)
    await two.write(bytes(8))
    assert await bus.read() == bytes(8)
    assert clock.monotonic() - began >= 32 * 11 / 19200
