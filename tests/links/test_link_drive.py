"""Driver and attendant: a machine on each end of a link, on virtual time."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from kwhub.domain.errors import LinkDown, LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.links.base import Link
from kwhub.links.drive import Attendant, Driver, attend
from kwhub.links.layers import FaultRates, Faulty, Throttled
from kwhub.links.memory import pair
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual
from kwhub.testing.toy import Answered, Asked, Noise, Question, Silence, ToySession

START = datetime(2026, 3, 1, tzinfo=UTC)


def virtual(main) -> None:
    run_virtual(main, start=START)


def shout(event: Any) -> list[Question] | None:
    return [Question(event.text.upper())] if isinstance(event, Asked) else None


def test_ask() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(near, ToySession(asks=True), clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False), clock, shout))
            assert await driver.ask(Question(b"hello")) == Answered(b"HELLO")
            assert await driver.ask(Question(b"bye")) == Answered(b"BYE")
            await near.aclose()
        assert (driver.requests, driver.retries, driver.discarded) == (2, 0, 0)
        assert (driver.bytes_out, driver.bytes_in) == (12, 12)
        assert clock.monotonic() == 0.0

    virtual(main)


def test_silence_is_asked_again_and_then_believed() -> None:
    async def main(clock: LoopClock) -> None:
        near, _ = pair()
        told: list[Any] = []
        machine = ToySession(asks=True, answer_timeout_s=1.5)
        driver = Driver(near, machine, clock, attempts=4, told=told.append)
        assert isinstance(await driver.ask(Question(b"hello")), Silence)
        assert clock.monotonic() == pytest.approx(6.0)
        assert (driver.requests, driver.retries, len(told)) == (1, 3, 4)

    virtual(main)


def test_an_answer_in_the_second_attempt() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(near, ToySession(asks=True), clock)

        async def deaf_at_first() -> None:
            await far.read()
            await attend(far, ToySession(asks=False), clock, shout)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(deaf_at_first())
            assert await driver.ask(Question(b"x")) == Answered(b"X")
            await near.aclose()
        assert driver.retries == 1
        assert clock.monotonic() == pytest.approx(1.0)

    virtual(main)


def test_a_cancelled_request_ends_before_the_next_one_starts() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(near, ToySession(asks=True), clock)

        async def slowly(event: Any) -> list[Question] | None:
            await clock.sleep(0.5)
            return shout(event)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False), clock, slowly))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await driver.ask(Question(b"first"))
            assert await driver.ask(Question(b"second")) == Answered(b"SECOND")
            await near.aclose()
        assert clock.monotonic() == pytest.approx(1.0)

    virtual(main)


def conversation(*texts: bytes) -> Conversation[list[bytes]]:
    got = []
    for text in texts:
        event = yield Question(text)
        if isinstance(event, Silence):
            raise NoAnswer
        got.append(event.text)
    return got


def test_run() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(near, ToySession(asks=True), clock, attempts=1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False), clock, shout))
            assert await driver.run(conversation(b"a", b"b", b"c")) == [b"A", b"B", b"C"]
            assert await driver.run(conversation()) == []
            await near.aclose()
        with pytest.raises(LinkDown):
            await driver.run(conversation(b"a"))
        with pytest.raises(NoAnswer):
            await Driver(pair()[0], ToySession(asks=True), clock).run(conversation(b"a"))

    virtual(main)


def test_what_the_machine_does_not_allow_leaves_the_driver_usable() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(near, ToySession(asks=True), clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False), clock, shout))
            with pytest.raises(LocalError):
                await driver.ask(Question(bytes(256)))
            assert await driver.ask(Question(b"x")) == Answered(b"X")
            await near.aclose()

    virtual(main)


def test_a_thousand_questions_over_a_bad_and_slow_bus() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        rates = FaultRates(loss=0.02, bit_flip=0.001, cut=0.02, duplicate=0.02)
        bus = Faulty(Throttled(near, clock, baud=9600), seeded(4), rates)
        driver = Driver(bus, ToySession(asks=True, answer_timeout_s=0.3), clock, attempts=8)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False, byte_gap_s=0.05), clock, shout))
            answers = [await driver.ask(Question(f"q{n}".encode())) for n in range(1000)]
            await bus.aclose()
        assert not any(isinstance(answer, Silence) for answer in answers)
        assert driver.retries > 50
        assert driver.discarded > 0

    virtual(main)


def test_two_frames_in_one_read_are_both_answered() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(far, ToySession(asks=False), clock, shout))
            await near.write(b"\x01a\x62\x01b\x63\x01c\x00")
            assert await near.read() == b"\x01A\x42\x01B\x43"
            await near.aclose()

    virtual(main)


def test_the_deadline_of_the_answering_machine_is_kept() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        told: list[tuple[float, Any]] = []
        async with asyncio.TaskGroup() as tasks:
            machine = ToySession(asks=False, byte_gap_s=0.5)
            handler = lambda event: told.append((clock.monotonic(), event))  # noqa: E731
            tasks.create_task(attend(far, machine, clock, handler))
            await near.write(b"\x0fnever ends")
            await clock.sleep(3)
            await near.aclose()
        assert told == [(0.5, Noise(b"\x0fnever ends"))]

    virtual(main)


def test_an_error_of_the_handler_passes_through() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()

        def handler(event: Any) -> None:
            raise LinkDown("another link than the one that is attended")

        await near.write(b"\x01a\x62")
        with pytest.raises(LinkDown, match="another link"):
            await attend(far, ToySession(asks=False), clock, handler)

    virtual(main)


def test_an_attendant_may_speak_up_while_it_listens() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        events: list[tuple[float, Any]] = []

        def handler(event: Any) -> None:
            events.append((clock.monotonic(), event))

        attendant = Attendant(near, ToySession(asks=True, answer_timeout_s=2.0), clock, handler)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attendant.run())
            await clock.sleep(1)
            await attendant.send(Question(b"anybody?"))
            assert await far.read() == b"\x08anybody?\x3d"
            await clock.sleep(10)
            await far.aclose()
        assert events == [(3.0, Silence(Question(b"anybody?")))]
        with pytest.raises(LinkDown):
            await attendant.send(Question(b"still there?"))

    virtual(main)


class OneByteAtATime:
    """A link that delivers single bytes."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self._rest = b""
        self.facts = inner.facts
        self.write = inner.write
        self.aclose = inner.aclose

    async def read(self) -> bytes:
        if not self._rest:
            self._rest = await self._inner.read()
        byte, self._rest = self._rest[:1], self._rest[1:]
        return byte


def test_byte_by_byte() -> None:
    async def main(clock: LoopClock) -> None:
        near, far = pair()
        driver = Driver(OneByteAtATime(near), ToySession(asks=True), clock)
        async with asyncio.TaskGroup() as tasks:
            link = OneByteAtATime(far)
            tasks.create_task(attend(link, ToySession(asks=False), clock, shout))
            assert await driver.ask(Question(b"hello")) == Answered(b"HELLO")
            await near.aclose()

    virtual(main)
