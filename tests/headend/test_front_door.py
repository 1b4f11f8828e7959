"""The port for concentrators over loopback TCP: who gets in, who is sent away, and what a silent one costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.headend.concentrator import FakeConcentrator
from tests.headend.stage import CURVE, connect, curve_of, play
from tests.headend.world import config

from kwhub.domain.errors import LinkDown
from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Limits
from kwhub.headend.front import doubles
from kwhub.headend.front.detect import DETECTORS, NOISE_BYTES_MAX, Detector, Verdict, detect
from kwhub.headend.store.database import StoreError
from kwhub.links.address import open_link
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Confirmed, Denied, Heartbeat, Login, Logout, Report
from kwhub.runtime.clock import SystemClock

LOGIN = initiated_frame(Login(), TerminalAddress("4101", 2082), 0).to_bytes()
PATIENCE_S = 10


class Site:
    """A head-end with an open port, and those who call it."""

    def __init__(self, headend: HeadEnd, tasks: asyncio.TaskGroup) -> None:
        self.headend = headend
        self.tasks = tasks
        self.counters = headend.front.counters
        self.running: list[asyncio.Task[None]] = []
        _, host, port = headend.address.split(":")
        self.where = (host, int(port))

    async def concentrator(self, **options: Any) -> FakeConcentrator:
        clock = self.headend.clock
        link = await open_link(f"tcp:{self.where[0]}:{self.where[1]}", clock=clock)
        caller = FakeConcentrator(link, clock, **options)
        self.running.append(self.tasks.create_task(caller.run()))
        return caller

    async def plain(
        self, source: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.where, local_addr=(source, 0))

    async def until(self, is_so: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110  another part of the loop works on it
                await asyncio.sleep(0.002)

    def reasons(self) -> list[str]:
        return [session.end_reason for session in self.headend.queries.sessions()]


@asynccontextmanager
async def site(tmp_path, **limits: Any) -> AsyncIterator[Site]:
    settings = config(tmp_path / "headend.sqlite")
    service = msgspec.structs.replace(settings.headend, uplink="tcp-listen:127.0.0.1:0")
    settings = msgspec.structs.replace(settings, headend=service, limits=Limits(**limits))
    headend = HeadEnd(settings, SystemClock())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(headend.run())
        await headend.running.wait()
        here = Site(headend, tasks)
        yield here
        running.cancel()
        await asyncio.wait([running])
        for each in here.running:
            each.cancel()
    await headend.close()


def at_work() -> int:
    """Lines that have a task."""
    return sum("Door._attend" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def gone(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        try:
            while await reader.read(4096):
                pass
        except ConnectionResetError:
            return True
        return reader.at_eof()


async def test_a_silent_terminal_has_no_task_and_is_asked_and_heard_all_the_same(tmp_path):
    async with site(tmp_path) as here:
        caller = await here.concentrator(meters=lambda _: b"\x68answer")
        await caller.login()
        await here.until(lambda: not at_work())
        assert here.headend.front.is_online(1)
        for _ in range(3):
            assert await here.headend.front.forward(1, 1, b"ask", 2.0) == b"\x68answer"
            await here.until(lambda: not at_work())
            assert isinstance(await caller.ask(Report((CURVE.to_unit(),))), Confirmed)
            await here.until(lambda: not at_work())
        assert curve_of(here.headend)[0] is not None
        assert isinstance(await caller.ask(Logout()), Confirmed)
        await here.until(lambda: here.reasons() == ["logged out"])
        await here.until(lambda: not here.headend.door.lines)
        assert not here.headend.front.is_online(1)


async def test_who_hangs_up_while_nothing_goes_on_is_written_down(tmp_path):
    async with site(tmp_path) as here:
        caller = await here.concentrator()
        await caller.login()
        await caller.link.aclose()
        await here.until(lambda: here.reasons() == ["the terminal went away"])
        await here.until(lambda: not here.headend.door.lines)
        assert not here.headend.front.is_online(1)


async def test_a_second_login_replaces_one_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(doubles, "HEARD_S", 0.0)
    monkeypatch.setattr(doubles, "PROBE_S", 0.05)
    async with site(tmp_path) as here:
        first = await here.concentrator()
        await first.login()
        first.deaf = True
        second = await here.concentrator()
        await second.login()
        await here.until(lambda: here.reasons() == ["", "replaced by a new log-in"])
        with pytest.raises(LinkDown):
            await first.link.read()
        assert isinstance(await second.ask(Heartbeat()), Confirmed)
        await here.until(lambda: here.headend.door.lines == 1)
        assert here.counters["replaced"] == 1


async def test_three_missed_heartbeats_and_a_late_login(tmp_path):
    async with site(tmp_path) as here:
        caller = await here.concentrator()
        await caller.login()
        reader, writer = await here.plain()
        writer.write(LOGIN[:5])  # and then nothing more: a slow one
        silent, other = await here.plain()
        await here.until(lambda: here.headend.door.lines == 3)
        door, now = here.headend.door, asyncio.get_running_loop().time()
        door.sweep(now + 29)
        assert here.counters["late"] == 0
        door.sweep(now + 31)
        assert await gone(reader)
        assert await gone(silent)
        assert here.counters["late"] == 2
        door.sweep(now + 899)
        assert here.headend.front.is_online(1)
        door.sweep(now + 901)
        await here.until(lambda: here.reasons() == ["silent for 900 s"])
        await here.until(lambda: door.lines == 0)
        writer.close()
        other.close()


async def test_what_is_no_protocol_of_concentrators_is_closed_and_shown(tmp_path):
    async with site(tmp_path) as here:
        for first in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            reader, writer = await here.plain()
            writer.write(first)
            assert await gone(reader)
            writer.close()
        await here.until(lambda: here.counters["unknown_protocol"] == 2)
        # The same address is shown once in a while only.
        assert here.reasons() == ["denied: unknown protocol: HTTP"]
        here.headend.door.sweep(asyncio.get_running_loop().time() + 100)
        reader, writer = await here.plain()
        writer.write(b"\x00" * NOISE_BYTES_MAX)
        assert await gone(reader)
        writer.close()
        await here.until(lambda: len(here.reasons()) == 2)
        assert here.reasons()[0].startswith("denied: unknown protocol: it began with 00 00")


async def test_bytes_before_the_first_frame_do_no_harm(tmp_path):
    async with site(tmp_path) as here:
        reader, writer = await here.plain()
        for piece in (b"AT+CMGF\r\n\x68\x01", LOGIN[:9], LOGIN[9:]):
            writer.write(piece)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read(100)
        assert here.headend.front.is_online(1)
        writer.close()


async def test_a_stranger_is_denied_on_the_line(tmp_path):
    async with site(tmp_path) as here:
        caller = await here.concentrator(number=9)
        assert isinstance(await caller.ask(Login()), Denied)
        await here.until(lambda: here.headend.door.lines == 0)
        assert here.reasons() == ["denied: unknown terminal"]


async def test_a_flood_of_calls_keeps_nobody_else_out(tmp_path):
    async with site(tmp_path, strangers_of_address=5, connections=8) as here:
        flood = [await here.plain() for _ in range(12)]
        await here.until(lambda: here.counters["crowded"] == 7)
        assert here.headend.door.lines == 5
        for _, writer in flood:
            writer.close()
        await here.until(lambda: here.headend.door.lines == 0)
        caller = await here.concentrator()
        await caller.login()
        more = [await here.plain() for _ in range(5)]
        await here.until(lambda: here.headend.door.lines == 6)
        assert isinstance(await caller.ask(Heartbeat()), Confirmed)
        for _, writer in more:
            writer.close()


async def test_strangers_who_take_every_place_make_room_for_who_logs_in(tmp_path):
    """The oldest of the address with most of them goes; who called before all of them, alone, stays."""
    async with site(tmp_path, strangers=8, strangers_of_address=4) as here:
        slow, slow_writer = await here.plain("127.0.0.9")
        flood = [
            await here.plain(source) for source in ("127.0.0.2", "127.0.0.3") for _ in range(4)
        ]
        await here.until(lambda: here.counters["crowded_out"] == 1)
        assert await gone(flood[0][0])
        caller = await here.concentrator()
        await caller.login()
        assert await gone(flood[4][0])  # now the other address had one more
        assert here.counters["crowded_out"] == 2
        assert here.counters["full"] == 0
        assert isinstance(await caller.ask(Heartbeat()), Confirmed)
        slow_writer.write(LOGIN)
        async with asyncio.timeout(PATIENCE_S):
            assert await slow.read(4096)
        for _, writer in [*flood, (slow, slow_writer)]:
            writer.close()


async def test_strangers_make_room_where_all_connections_are_taken(tmp_path):
    async with site(tmp_path, connections=4) as here:
        first = await here.concentrator()
        await first.login()
        flood = [await here.plain("127.0.0.2") for _ in range(3)]
        await here.until(lambda: here.headend.door.lines == 4)
        reader, writer = await here.plain("127.0.0.3")
        assert await gone(flood[0][0])
        writer.write(b"\x68")
        await here.until(lambda: here.headend.door.lines == 4)
        assert not reader.at_eof()
        assert isinstance(await first.ask(Heartbeat()), Confirmed)
        for _, each in [*flood, (reader, writer)]:
            each.close()


async def test_more_connections_than_there_may_be_are_refused(tmp_path):
    async with site(tmp_path, connections=1) as here:
        caller = await here.concentrator()
        await caller.login()
        reader, writer = await here.plain()
        assert await gone(reader)
        writer.close()
        assert here.counters["full"] == 1
        here.headend.door.sweep(0.0)  # tells of it, and forgets
        assert isinstance(await caller.ask(Heartbeat()), Confirmed)


async def test_who_sends_faster_than_he_is_served_has_to_wait(tmp_path):
    """What was not read is bounded: the rest waits on the caller's side."""
    async with site(tmp_path, unread_bytes=1024) as here:
        caller = await here.concentrator()
        await caller.login()
        sending, entered = asyncio.Event(), asyncio.Event()
        front = here.headend.front
        real = front._offload

        async def held(work):
            entered.set()
            await sending.wait()
            return await real(work)

        report = initiated_frame(
            Report((CURVE.to_unit(),)), TerminalAddress("4101", 2082), 1
        ).to_bytes()
        here.headend.intake._offload = held
        await caller.link.write(report)
        await entered.wait()
        (line,) = here.headend.door._lines
        transport = line._transport
        assert transport is not None
        assert transport.is_reading()
        for _ in range(2048 // len(report)):  # twice what may lie unread
            await caller.link.write(report)
        await here.until(lambda: not transport.is_reading())
        assert 1024 <= line.unread < 1024 + 256 * 1024  # one read of asyncio more, at the most
        here.headend.intake._offload = real
        sending.set()
        await here.until(lambda: line.unread == 0)
        await here.until(transport.is_reading)


def test_frames_come_at_no_more_than_their_rate(tmp_path):
    settings = msgspec.structs.replace(
        config(tmp_path / "headend.sqlite"), limits=Limits(frames_per_s=2.0, frames_burst=4)
    )

    async def script(headend, tasks):
        caller = connect(headend, tasks)
        await caller.login()
        began = headend.clock.monotonic()
        for _ in range(13):
            assert isinstance(await caller.ask(Heartbeat()), Confirmed)
        assert headend.clock.monotonic() - began == pytest.approx(5.0, abs=0.6)
        assert headend.front.counters["throttled"] >= 9

    play(tmp_path, script, settings=settings)


async def test_who_comes_together_is_written_down_together(tmp_path, monkeypatch):
    async with site(tmp_path) as here:
        writes = []
        database = here.headend.store.database
        real = database.write

        def counted():
            writes.append(1)
            return real()

        monkeypatch.setattr(database, "write", counted)
        callers = [await here.concentrator(number=number) for number in range(10, 40)]
        answers = [here.tasks.create_task(caller.ask(Login())) for caller in callers]
        await asyncio.wait(answers)
        assert all(isinstance(answer.result(), Denied) for answer in answers)
        assert len(here.reasons()) == 30
        assert len(writes) < 15


async def test_a_store_that_fails_at_login_ends_this_line_only(tmp_path, monkeypatch):
    async with site(tmp_path) as here:

        def broken():
            raise StoreError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(here.headend.store.database, "write", broken)
            reader, writer = await here.plain()
            writer.write(LOGIN)
            assert await gone(reader)
            writer.close()
        caller = await here.concentrator()
        await caller.login()
        assert here.headend.front.is_online(1)


async def test_the_end_of_the_head_end_is_written_down_for_everybody(tmp_path):
    settings = config(tmp_path / "headend.sqlite")
    async with site(tmp_path) as here:
        caller = await here.concentrator()
        await caller.login()
    headend = HeadEnd(settings, SystemClock())
    assert [each.end_reason for each in headend.queries.sessions()] == ["the head-end stops"]
    await headend.close()


def test_another_protocol_can_be_detected_beside_it():
    other = Detector(
        "iec104", lambda first: Verdict.YES if first[:2] == b"\x68\x04" else Verdict.NO
    )
    both = (*DETECTORS, other)
    start = bytes.fromhex("68 04 07 00 00 00")
    assert detect(start, both) == "iec104"
    assert detect(start) is None  # a frame may still follow
    assert detect(LOGIN, both) == detect(b"noise" + LOGIN) == "gdw1376.1"
    assert detect(LOGIN[:4]) is None
    assert detect(bytes(NOISE_BYTES_MAX)) == ""
