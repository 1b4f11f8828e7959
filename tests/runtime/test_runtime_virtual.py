"""Virtual time: a loop that never waits, and its clock."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import Deadlock, run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_year_passes_at_once() -> None:
    async def main(clock: LoopClock) -> datetime:
        await clock.sleep(365 * 86_400)
        return clock.now()

    assert run_virtual(main, start=START) == datetime(2027, 3, 1, tzinfo=UTC)


def test_sleepers_wake_in_the_order_of_their_moments() -> None:
    async def main(clock: LoopClock) -> list[float]:
        woke: list[float] = []

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            assert clock.monotonic() == seconds
            woke.append(seconds)

        async with asyncio.TaskGroup() as tasks:
            for seconds in (3.0, 1.0, 2.5, 0.25, 86_400.5):
                tasks.create_task(sleeper(seconds))
        return woke

    assert run_virtual(main, start=START) == [0.25, 1.0, 2.5, 3.0, 86_400.5]


def test_work_takes_no_time() -> None:
    async def main(clock: LoopClock) -> float:
        for _ in range(100):
            await clock.sleep(0)
        await clock.sleep(-1)
        return clock.monotonic()

    assert run_virtual(main, start=START) == 0.0


def test_waiting_for_each_other_is_told_and_not_waited_for() -> None:
    async def main(clock: LoopClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="every task waits for another"):
        run_virtual(main, start=START)


def test_time_outs_work() -> None:
    async def main(clock: LoopClock) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(12.5):
                await asyncio.Event().wait()
        return clock.monotonic()

    assert run_virtual(main, start=START) == 12.5


def test_sleep_until_a_wall_time_in_any_zone() -> None:
    async def main(clock: LoopClock) -> datetime:
        await clock.sleep_until(datetime(2026, 3, 2, 8, tzinfo=timezone(timedelta(hours=8))))
        await clock.sleep_until(START)  # past
        return clock.now()

    assert run_virtual(main, start=START) == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_clock_starts_at_an_aware_moment() -> None:
    async def main(clock: LoopClock) -> None: ...

    with pytest.raises(ValueError, match="aware"):
        run_virtual(main, start=datetime(2026, 3, 1))


def test_what_main_raises_and_returns_passes_through() -> None:
    async def fails(clock: LoopClock) -> None:
        raise LookupError("from main")

    async def returns(clock: LoopClock) -> str:
        return "result"

    with pytest.raises(LookupError, match="from main"):
        run_virtual(fails, start=START)
    assert run_virtual(returns, start=START) == "result"


async def test_the_clock_of_the_machine() -> None:
    clock = SystemClock()
    before, now = clock.monotonic(), clock.now()
    assert now.tzinfo is UTC
    await clock.sleep(-1)
    await clock.sleep_until(now - timedelta(hours=1))
    await clock.sleep_until(clock.now() + timedelta(milliseconds=2))
    assert clock.monotonic() - before >= 0.001
    assert clock.now() >= now
