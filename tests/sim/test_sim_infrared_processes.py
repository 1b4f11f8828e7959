"""Head and meter as two processes with light between them, and a meter read at four metres."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from kwhub.catalog.registers import REGISTERS
from kwhub.domain.errors import NoAnswer
from kwhub.exchange.read import RegisterAnswer, read_address, read_registers
from kwhub.infrared.channel import Scene, range_m
from kwhub.links.address import open_link
from kwhub.links.drive import Driver
from kwhub.links.memory import pair
from kwhub.protocols.dlt645 import Role, Session
from kwhub.runtime.clock import LoopClock, SystemClock
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.area import TransformerArea
from kwhub.sim.device import serve_meters
from kwhub.sim.infrared import PUBLISHED_ANSWER, PUBLISHED_REQUEST, serve_published

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMIT_S = 20
RUN = "import sys; from kwhub.cli import main; sys.exit(main())"


@contextmanager
def process(*words: str) -> Iterator[str]:
    """A command that announces its link as JSON; gives the link."""
    command = [sys.executable, "-c", RUN, "infrared", "simulate", *words, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield json.loads(running.stdout.readline())["link"]
        finally:
            running.terminate()


async def answer_to(link_text: str, request: bytes, size: int) -> bytes:
    link = await open_link(link_text, clock=SystemClock())
    try:
        await link.write(request)
        got = b""
        async with asyncio.timeout(LIMIT_S):
            while len(got) < size:
                got += await link.read()
    finally:
        await link.aclose()
    return got


@pytest.mark.slow
def test_head_and_meter_as_processes_say_what_the_wire_says() -> None:
    with (
        process(
            "ir:sim:tcp-listen:127.0.0.1:0?distance=4&lux=20000", "--device", "published"
        ) as at,
        process(f"{at}?distance=4&lux=20000", "--head", "tcp-listen:127.0.0.1:0") as wire,
    ):
        over_light = asyncio.run(answer_to(wire, PUBLISHED_REQUEST, len(PUBLISHED_ANSWER)))

    async def over_wire(clock: LoopClock) -> bytes:
        one, two = pair()
        task = asyncio.ensure_future(serve_published(two, clock))
        await one.write(PUBLISHED_REQUEST)
        got = await one.read()
        await one.aclose()
        await task
        return got

    assert over_light == PUBLISHED_ANSWER == run_virtual(over_wire, start=START)


@pytest.mark.parametrize("preamble", range(5))
def test_wake_up_bytes_of_any_number(preamble: int) -> None:
    async def main(clock: LoopClock) -> None:
        mine = await open_link("ir:sim:wake?distance=2&echo=0.01", clock=clock)
        its = await open_link("ir:sim:wake", clock=clock)
        task = asyncio.ensure_future(serve_published(its, clock, preamble=preamble))
        await mine.write(PUBLISHED_REQUEST[4 - preamble :])
        expected, got = b"\xfe" * preamble + PUBLISHED_ANSWER[3:], b""
        while len(got) < len(expected):
            got += await mine.read()
        assert got == expected
        await its.aclose()
        await task
        await mine.aclose()

    run_virtual(main, start=START)


async def read_all(room: str | None, clock: LoopClock) -> list[RegisterAnswer]:
    """Everything that a household's meter counts, over light or over a wire."""
    if room is None:
        mine, its = pair()
    else:
        mine = await open_link(room, clock=clock)
        its = await open_link(room, clock=clock)
    area = TransformerArea(1, start=START, meters=3, concentrators=1, buses=1)
    meter = next(place.meter for place in area.places if place.kind != "supply")
    task = asyncio.ensure_future(serve_meters(its, [meter], clock))
    driver = Driver(mine, Session(Role.MASTER, answer_timeout_s=1.0), clock)
    try:
        return await driver.run(read_registers(meter.address, tuple(REGISTERS)))
    finally:
        await its.aclose()
        await task
        await mine.aclose()


@pytest.mark.slow
def test_a_whole_meter_is_read_at_four_metres_in_daylight() -> None:
    """Over light everything is answered that is answered over a wire."""

    async def main(clock: LoopClock) -> None:
        light = await read_all("ir:sim:day?distance=4&lux=20000&angle=10", clock)
        wire = await read_all(None, clock)
        assert [one.register for one in light] == [one.register for one in wire]
        assert [one.error is None for one in light] == [one.error is None for one in wire]
        energy = [one for one in light if one.register == "1-0:1.8.0"]
        assert energy[0].value is not None

    run_virtual(main, start=START)


@pytest.mark.slow
def test_beyond_the_range_nobody_answers() -> None:
    edge = range_m(Scene(lux=20_000, angle_deg=10))

    async def main(clock: LoopClock) -> None:
        room = f"ir:sim:far?distance={edge * 1.07:.3f}&lux=20000&angle=10"
        assert all(one.value is None for one in await read_all(room, clock))
        mine = await open_link(room, clock=clock)
        driver = Driver(mine, Session(Role.MASTER, answer_timeout_s=1.0), clock)
        with pytest.raises(NoAnswer):
            await driver.run(read_address())
        await mine.aclose()

    run_virtual(main, start=START)
