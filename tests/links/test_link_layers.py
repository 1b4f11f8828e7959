"""Layers: tracing, capturing and replaying, pacing, trouble."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from kwhub.domain.errors import ConfigError, LinkDown, LinkError, LocalError
from kwhub.links.address import open_link
from kwhub.links.capture import Record, read_capture
from kwhub.links.layers import Captured, FaultCounts, FaultRates, Faulty, Throttled, Traced
from kwhub.links.memory import Bus, pair
from kwhub.links.replay import ReplayLink
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import LoopClock
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


async def record(path: Path, clock: LoopClock) -> None:
    one, two = pair()
    captured = Captured(one, path, clock)
    await captured.write(b"\x68\x11")
    await clock.sleep(0.25)
    await two.write(b"\x68\x91")
    await captured.read()
    await captured.write(b"\x68\x12")
    await captured.aclose()


def test_capture_format(tmp_path: Path) -> None:
    path = tmp_path / "one.capture"
    virtual(lambda clock: record(path, clock))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[1] == {"t": 0.25, "at": "2026-03-01T00:00:00.250000Z", "dir": "rx", "hex": "6891"}
    assert [row["dir"] for row in rows] == ["tx", "rx", "tx"]
    assert [item.to_line() for item in read_capture(path)] == path.read_text().splitlines(True)


def test_a_capture_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.capture"
    line = Record(1.0, START, "rx", b"x").to_line()
    path.write_text(line + line[:20])
    assert len(read_capture(path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"t":1,"at":"2026-03-01T00:00:00Z","dir":"up","hex":""}',
        '{"t":1,"at":"2026-03-01T00:00:00Z","dir":"rx","hex":"6"}',
    ],
)
def test_a_wrong_capture_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "wrong.capture"
    path.write_text(Record(1.0, START, "rx", b"x").to_line() + line + "\n")
    with pytest.raises(ConfigError, match=r"wrong\.capture:2: not a record"):
        read_capture(path)


def test_a_capture_that_cannot_be_written(tmp_path: Path) -> None:
    async def main(clock: LoopClock) -> None:
        with pytest.raises(ConfigError, match="cannot be written"):
            Captured(pair()[0], tmp_path, clock)

    virtual(main)


def test_replay_gives_each_answer_after_its_request(tmp_path: Path) -> None:
    path = tmp_path / "one.capture"

    async def main(clock: LoopClock) -> None:
        await record(path, clock)
        link = await open_link(f"replay:{path}", clock=clock)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9):
                await link.read()
        await link.write(b"\x68")
        await link.write(b"\x11")
        assert await link.read() == b"\x68\x91"
        with pytest.raises(LinkError, match="68 99 was written, the capture has 68 12"):
            await link.write(b"\x68\x99")
        await link.write(b"\x68\x12")
        with pytest.raises(LinkDown, match="the capture ends"):
            await link.read()
        with pytest.raises(LinkDown, match="the capture ends"):
            await link.write(b"more")

    virtual(main)


def test_replay_of_the_other_side_loosely_and_at_the_captured_pace(tmp_path: Path) -> None:
    path = tmp_path / "one.capture"

    async def main(clock: LoopClock) -> None:
        await record(path, clock)
        link = await open_link(f"replay:{path}?side=far&strict=no&pace=real", clock=clock)
        assert await link.read() == b"\x68\x11"
        await link.write(b"anything")
        assert await link.read() == b"\x68\x12"
        await link.aclose()
        with pytest.raises(LinkDown, match="closed"):
            await link.read()
        near = await open_link(f"replay:{path}?pace=real", clock=clock)
        await near.write(b"\x68\x11")
        began = clock.monotonic()
        await near.read()
        assert clock.monotonic() - began == pytest.approx(0.25)

    virtual(main)


def test_replay_that_is_closed_wakes_its_reader() -> None:
    async def main(clock: LoopClock) -> None:
        link = ReplayLink([Record(0.0, START, "tx", b"x")], clock)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_down(link.read()))
            await asyncio.sleep(0)
            await link.aclose()
        assert reading.result()

    virtual(main)


async def _down(reading) -> bool:
    with pytest.raises(LinkDown):
        await reading
    return True


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


def test_rates_are_probabilities() -> None:
    with pytest.raises(LocalError, match="bit_flip is a probability"):
        FaultRates(bit_flip=1.5)


def faulty(rates: FaultRates, *, writes: int = 200) -> tuple[FaultCounts, list[bytes], list[bytes]]:
    """What both ends hear of numbered writes and their numbered answers."""
    heard_far: list[bytes] = []
    heard_near: list[bytes] = []
    counts: list[FaultCounts] = []

    async def main(clock: LoopClock) -> None:
        one, two = pair()
        link = Faulty(one, seeded(3), rates)
        for number in range(writes):
            await link.write(f"<{number}>".encode())
            heard_far.extend(await _what_is_there(two))
            await two.write(f"[{number}]".encode())
            heard_near.extend(await _what_is_there(link))
        counts.append(link.counts)

    virtual(main)
    return counts[0], heard_far, heard_near


async def _what_is_there(link) -> list[bytes]:
    got = []
    try:
        while True:
            async with asyncio.timeout(0):
                got.append(await link.read())
    except TimeoutError:
        return got


def test_no_trouble_unless_asked_for() -> None:
    counts, far, near = faulty(FaultRates())
    assert counts == FaultCounts()
    assert far == [f"<{number}>".encode() for number in range(200)]
    assert near == [f"[{number}]".encode() for number in range(200)]


def test_loss() -> None:
    counts, far, near = faulty(FaultRates(loss=0.1))
    assert 20 < counts.lost < 60
    assert len(far) + len(near) == 400 - counts.lost


def test_bit_flips() -> None:
    counts, far, near = faulty(FaultRates(bit_flip=0.05))
    turned = sum(
        (was ^ is_).bit_count()
        for sent, got in [
            *((f"<{number}>".encode(), got) for number, got in enumerate(far)),
            *((f"[{number}]".encode(), got) for number, got in enumerate(near)),
        ]
        for was, is_ in zip(sent, got, strict=True)
    )
    assert turned == counts.bits_flipped > 50


def test_cuts() -> None:
    counts, far, near = faulty(FaultRates(cut=0.2))
    short = [got for got in far + near if got[-1:] not in (b">", b"]")]
    assert len(short) == counts.cut > 40
    assert all(got[:1] in (b"<", b"[") for got in short)


def test_duplicates() -> None:
    counts, far, near = faulty(FaultRates(duplicate=0.2))
    assert counts.duplicated > 40
    assert len(b"".join(far + near)) > len(b"".join(f"<{n}>[{n}]".encode() for n in range(200)))


def test_echo_comes_before_the_answer() -> None:
    counts, far, near = faulty(FaultRates(echo=1.0), writes=3)
    assert counts.echoed == 3
    assert near == [b"<0>", b"[0]", b"<1>", b"[1]", b"<2>", b"[2]"]
    assert far == [b"<0>", b"<1>", b"<2>"]


def test_late_answers_arrive_after_the_next_request() -> None:
    counts, _, near = faulty(FaultRates(late_answer=1.0), writes=3)
    assert counts.answers_held == 3
    assert near == [b"[0]", b"[1]"]


def test_an_echo_wakes_a_reader_who_already_waits() -> None:
    async def main(clock: LoopClock) -> None:
        link = Faulty(pair()[0], seeded(1), FaultRates(echo=1.0))
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(link.read())
            await asyncio.sleep(0)
            await link.write(b"own")
        assert reading.result() == b"own"

    virtual(main)


def test_the_same_seed_makes_the_same_trouble() -> None:
    rates = FaultRates(loss=0.1, bit_flip=0.01, cut=0.1, duplicate=0.1, echo=0.1, late_answer=0.1)
    assert faulty(rates) == faulty(rates)


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
