"""Captures: written, read, and replayed."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kwhub.domain.errors import ConfigError, LinkDown, LinkError
from kwhub.links.address import open_link
from kwhub.links.capture import Record, read_capture
from kwhub.links.layers import Captured
from kwhub.links.memory import pair
from kwhub.links.replay import ReplayLink
from kwhub.runtime.clock import LoopClock
from kwhub.runtime.virtual import run_virtual

START = datetime(2026, 3, 1, tzinfo=UTC)


def virtual(main) -> None:
    run_virtual(main, start=START)


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
