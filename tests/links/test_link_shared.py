"""Shared links: one talker at a time, in a fair order, with a clean line."""

import asyncio
from datetime import UTC, datetime

import pytest

from kwhub.domain.errors import LinkBusy, LinkDown, NoAnswer
from kwhub.links.base import Link
from kwhub.links.layers import Shared
from kwhub.links.layers.shared import PRIORITY_NORMAL, PRIORITY_ORDER, STALE_BYTES_MAX
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def served(claims: list[tuple[str, int]]) -> list[str]:
    """The order in which claims are served that are all made while somebody else talks."""
    order: list[str] = []

    async def main(clock: LoopClock) -> None:
        shared = Shared(pair()[0])

        async def talk(key: str, priority: int) -> None:
            async with shared.claim(key, priority=priority):
                order.append(key)
                await clock.sleep(1)

        async with asyncio.TaskGroup() as tasks, shared.claim("first"):
            for key, priority in claims:
                tasks.create_task(talk(key, priority))
                await asyncio.sleep(0)
            assert shared.waiting == len(claims)
            assert order == []
        assert clock.monotonic() == len(claims)
        assert shared.waiting == 0

    run_virtual(main, start=START)
    return order


def test_first_come_first_served() -> None:
    assert served([(key, 0) for key in "abcde"]) == list("abcde")


def test_higher_priority_goes_first() -> None:
    claims = [("a", PRIORITY_NORMAL), ("b", PRIORITY_NORMAL), ("x", PRIORITY_ORDER), ("y", 20)]
    assert served(claims) == ["y", "x", "a", "b"]


def test_keys_take_turns() -> None:
    claims = [("a", 0), ("a", 0), ("a", 0), ("b", 0), ("b", 0), ("c", 0)]
    assert served(claims) == ["a", "b", "c", "a", "b", "a"]


def test_who_has_the_turn_queues_behind_the_others() -> None:
    assert served([("first", 0), ("other", 0)]) == ["other", "first"]


def test_one_talker_at_a_time_under_random_load_and_cancelling() -> None:
    async def main(clock: LoopClock) -> None:
        chance = seeded(5)
        shared = Shared(pair()[0])
        talking = 0
        served = 0

        async def talk(key: str) -> None:
            nonlocal talking, served
            async with shared.claim(key, priority=chance.randint(0, 2)):
                talking += 1
                try:
                    assert talking == 1
                    await clock.sleep(chance.random())
                    served += 1
                finally:
                    talking -= 1

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(talk(str(chance.randint(1, 9)))) for _ in range(200)]
            for task in tasks:
                await clock.sleep(chance.random() / 2)
                if chance.random() < 0.3:
                    task.cancel()
        assert served == sum(not task.cancelled() for task in tasks) > 100
        assert (shared.waiting, talking) == (0, 0)

    run_virtual(main, start=START)


def test_a_claim_cancelled_in_the_moment_of_its_grant_passes_it_on() -> None:
    async def main(clock: LoopClock) -> None:
        shared = Shared(pair()[0])

        async def talk(key: str) -> str:
            async with shared.claim(key):
                return key

        async with asyncio.TaskGroup() as tasks:
            async with shared.claim("a"):
                unlucky = tasks.create_task(talk("b"))
                lucky = tasks.create_task(talk("c"))
                await asyncio.sleep(0)
            unlucky.cancel()  # granted by now, but not yet running
        assert unlucky.cancelled()
        assert lucky.result() == "c"

    run_virtual(main, start=START)


def test_a_new_talker_does_not_hear_what_was_left_over() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        shared = Shared(one)
        async with shared.claim("a") as link:
            await link.write(b"?")
        await two.write(b"late answer for a")
        async with shared.claim("b") as link:
            await two.write(b"for b")
            assert await link.read() == b"for b"
        assert shared.stale_bytes == len(b"late answer for a")

    run_virtual(main, start=START)


@pytest.mark.parametrize("how", ["cancelled", "out of time"])
def test_after_a_talker_who_was_cut_off_silence_is_waited_for(how: str) -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        shared = Shared(one)

        async def cut_off() -> None:
            async with shared.claim("a") as link:
                await link.write(b"?")
                async with asyncio.timeout(0.05 if how == "out of time" else None):
                    await link.read()

        async def answer_late() -> None:
            await clock.sleep(0.3)
            await two.write(b"late ")
            await clock.sleep(0.4)
            await two.write(b"answer for a")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer_late())
            task = asyncio.ensure_future(cut_off())
            await clock.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            assert (
                isinstance(task.exception(), TimeoutError)
                if how == "out of time"
                else task.cancelled()
            )
            async with shared.claim("b") as link:
                assert clock.monotonic() == pytest.approx(1.2)
                await two.write(b"for b")
                assert await link.read() == b"for b"
            async with shared.claim("c"):
                assert clock.monotonic() == pytest.approx(1.2)

    run_virtual(main, start=START)


@pytest.mark.parametrize(("baud", "waits_s"), [(None, 0.0), (2400, 0.5)])
def test_silence_that_has_been_there_since_is_not_waited_for_again(
    baud: int | None, waits_s: float
) -> None:
    async def main(clock: LoopClock) -> None:
        one, _two = pair(baud=baud)
        shared = Shared(one)

        async def cut_off() -> None:
            async with shared.claim("a") as link:
                await link.read()

        task = asyncio.ensure_future(cut_off())
        await asyncio.sleep(0)
        task.cancel()
        await clock.sleep(2)
        async with shared.claim("b"):
            assert clock.monotonic() == pytest.approx(2 + waits_s)

    run_virtual(main, start=START)


def test_after_a_failure_that_was_waited_out_nothing_is_waited_for() -> None:
    async def main(clock: LoopClock) -> None:
        shared = Shared(pair()[0])
        with pytest.raises(NoAnswer):
            async with shared.claim("a"):
                raise NoAnswer
        async with shared.claim("b"):
            assert clock.monotonic() == 0.0

    run_virtual(main, start=START)


def test_a_line_that_never_falls_silent_does_not_hold_up_a_talker() -> None:
    class Babbling:
        facts = pair()[0].facts

        async def read(self) -> bytes:
            return bytes(1000)

        async def write(self, data: bytes) -> None: ...

        async def aclose(self) -> None: ...

    async def main(clock: LoopClock) -> None:
        shared = Shared(Babbling())
        async with shared.claim("a"):
            assert STALE_BYTES_MAX <= shared.stale_bytes < STALE_BYTES_MAX + 1000

    run_virtual(main, start=START)


def test_a_turn_ends_with_its_block() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        shared = Shared(one)
        kept: list[Link] = []
        async with shared.claim("a") as link:
            kept.append(link)
            with pytest.raises(LinkBusy, match="in a session with a"):
                await shared.write(b"x")
            with pytest.raises(LinkBusy):
                await shared.read()
        with pytest.raises(LinkDown, match="turn"):
            await kept[0].read()
        with pytest.raises(LinkDown, match="turn"):
            await kept[0].write(b"x")
        await shared.write(b"nobody has a turn")
        assert await two.read() == b"nobody has a turn"

    run_virtual(main, start=START)


def test_a_link_that_is_down_is_told_to_everyone_who_waits() -> None:
    async def main(clock: LoopClock) -> None:
        one, two = pair()
        shared = Shared(one)
        await two.aclose()
        for key in "ab":
            with pytest.raises(LinkDown):
                async with shared.claim(key):
                    raise AssertionError("a turn on a dead link")

    run_virtual(main, start=START)
