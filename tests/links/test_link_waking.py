"""Devices that sleep: who wakes them is heard, who does not is not, and nobody empties their battery."""

import asyncio
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import LocalError
from kwhub.links.layers.waking import WAKE_BYTE, WAKE_BYTES, Dozing, Waking
from kwhub.links.memory import pair
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)
CALL = bytes([WAKE_BYTE]) * WAKE_BYTES


def test_a_sleeper_hears_only_who_wakes_it():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        sleeper = Dozing(far, clock)
        await near.write(b"\x68 not heard")
        await near.write(CALL[:-1] + b"\x68 nor this" + CALL + b"\x68 but this")
        assert await sleeper.read() == b"\x68 but this"
        assert sleeper.is_awake
        await near.write(b"\x68 and now this")
        assert await sleeper.read() == b"\x68 and now this"
        await clock.sleep(21)
        assert not sleeper.is_awake

    run_virtual(main, start=START)


def test_a_call_may_come_in_pieces():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        sleeper = Dozing(far, clock)
        await near.write(CALL[:40])
        await near.write(CALL[40:])
        await near.write(b"\x68")
        assert await sleeper.read() == b"\x68"

    run_virtual(main, start=START)


def test_who_asks_calls_first_and_after_a_pause():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        asker, sleeper = Waking(near, clock), Dozing(far, clock)
        for pause_s, wakes in ((0, 1), (5, 1), (5, 1), (30, 2)):
            await clock.sleep(pause_s)
            await asker.write(b"\x68ask")
            assert (await sleeper.read()).endswith(b"\x68ask")
            await sleeper.write(b"answer")
            assert await asker.read() == b"answer"
            assert (asker.wakes, sleeper.wakes) == (wakes, wakes)

    run_virtual(main, start=START)


def test_a_flood_of_calls_gets_what_was_saved_up_and_then_little():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        sleeper = Dozing(far, clock, awake_s=1, wakes_an_hour=3)
        heard = 0
        for _ in range(10):
            await near.write(CALL + b"\x68")
            try:
                async with asyncio.timeout(10):
                    await sleeper.read()
                heard += 1
            except TimeoutError:
                pass
            await clock.sleep(60)
        assert (heard, sleeper.wakes, sleeper.refused) == (2, 2, 8)

    run_virtual(main, start=START)


def test_the_hour_ends():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        sleeper = Dozing(far, clock, awake_s=1, wakes_an_hour=1)
        await near.write(CALL + b"1")
        assert await sleeper.read() == b"1"
        await clock.sleep(2)
        await near.write(CALL + b"2")
        await clock.sleep(3_600)
        await near.write(b"")
        await near.write(CALL + b"3")
        assert b"3" in await sleeper.read()
        assert sleeper.wakes == 2

    run_virtual(main, start=START)


def test_nonsense_is_refused():
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        with pytest.raises(LocalError):
            Waking(near, clock, wake_bytes=0)
        with pytest.raises(LocalError):
            Dozing(far, clock, awake_s=0)

    run_virtual(main, start=START)
