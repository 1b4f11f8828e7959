"""Chance from seeds, back-off, and supervised work."""

import asyncio
from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest

from kwhub.domain.errors import LinkDown
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.tasks import Backoff, supervise
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_streams_are_repeatable_and_independent() -> None:
    assert seeded(7, "bus", 1).randbytes(8) == seeded(7, "bus", 1).randbytes(8)
    streams = [seeded(7), seeded(8), seeded(7, "bus"), seeded(7, "bus", 1), seeded(7, "bus", 2)]
    assert len({stream.randbytes(8) for stream in streams}) == len(streams)


def test_streams_are_the_same_on_every_machine() -> None:
    assert seeded(7, "bus", 1).randbytes(4).hex() == "f3291e50"


def test_pauses_double_up_to_the_longest_with_jitter() -> None:
    pauses = list(islice(Backoff(first_s=1.0, most_s=10.0).pauses(seeded(1)), 8))
    for pause, full in zip(pauses, [1, 2, 4, 8, 10, 10, 10, 10], strict=True):
        assert full / 2 <= pause <= full
    assert len(set(pauses)) == 8


def test_work_that_fails_is_told_waits_and_starts_again() -> None:
    times: list[float] = []
    told: list[Exception] = []

    async def main(clock: LoopClock) -> None:
        async def work() -> None:
            times.append(clock.monotonic())
            if len(times) < 4:
                raise (LinkDown("gone") if len(times) % 2 else OSError("full"))

        await supervise(work, clock=clock, chance=seeded(1), told=told.append)

    run_virtual(main, start=START)
    assert [type(error) for error in told] == [LinkDown, OSError, LinkDown]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    for gap, full in zip(gaps, [1, 2, 4], strict=True):
        assert full / 2 <= gap <= full


def test_a_long_run_starts_the_back_off_anew() -> None:
    times: list[float] = []

    async def main(clock: LoopClock) -> None:
        rule = Backoff(first_s=1.0, most_s=60.0)

        async def work() -> None:
            times.append(clock.monotonic())
            if len(times) == 8:
                return
            if len(times) == 7:
                await clock.sleep(3_600)
            raise LinkDown("gone")

        await supervise(work, clock=clock, chance=seeded(1), backoff=rule)

    run_virtual(main, start=START)
    assert times[6] - times[5] > 10
    assert times[7] - times[6] <= 3_601


def test_a_bug_is_not_tried_again() -> None:
    async def main(clock: LoopClock) -> None:
        async def work() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await supervise(work, clock=clock, chance=seeded(1))
        assert clock.monotonic() == 0.0

    run_virtual(main, start=START)


def test_work_that_fails_while_it_is_cancelled_stays_cancelled() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LinkDown("closed in the same moment") from None

    async def main(clock: LoopClock) -> None:
        task = asyncio.ensure_future(supervise(work, clock=clock, chance=seeded(1)))
        await clock.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main, start=START)
