"""The key-ring: its face in both languages, the meter's pages that it turns, its port to the counter."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from tests.sim.prepay_site import METER, NOW, Site
from tests.sim.test_sim_prepay_medium import LATE, Journey, purchase

from kwhub.domain.errors import NoAnswer, Refusal
from kwhub.keyring.device import KeyRing
from kwhub.keyring.face import KeyRingFace
from kwhub.keyring.port import Port, attend_counter
from kwhub.keyring.texts import ARRIVALS, TEXTS
from kwhub.links.address import open_link
from kwhub.links.memory import pair
from kwhub.prepay.medium_card import MediumCard, MediumReader
from kwhub.prepay.medium_element import MEDIUM_BYTES, MediumElement
from kwhub.prepay.medium_load import NOTHING
from kwhub.prepay.medium_pages import turn_page
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.sessions import SecurityRefusal
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.messages import Refused
from kwhub.protocols.dlt645.writing import WriteData
from kwhub.runtime.virtual import run_virtual
from kwhub.sim.device import serve_meters
from kwhub.sim.prepay_display import PAGES, SHOW

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "KWHUB_UPDATE_SNAPSHOTS"
WINDOWS = count(1)
START = datetime.fromtimestamp(NOW, UTC)


class Stage:
    """A key-ring before its meter, with a pilot on virtual time."""

    def __init__(self, journey, clock, app, pilot):
        self.journey, self.clock, self.app, self.pilot = journey, clock, app, pilot

    async def press(self, *keys, wait_s=20.0):
        for key in keys:
            await self.pilot.press(key)
            await self.clock.sleep(wait_s)
            await self.pilot.pause()

    @property
    def text(self):
        strips = self.app.screen._compositor.render_strips()
        return "".join(f"|{strip.text}|\n" for strip in strips)


def on_face(story, *, language="en", journey=None, medium=None, size=(44, 9)):
    """Run ``story(stage)``; the meter is at the other end of an infrared line."""
    journey = journey or Journey()

    name = f"memory:window-{next(WINDOWS)}"

    async def hang_out(clock):
        while True:
            window = await open_link(name, clock=clock)
            await serve_meters(window, [journey.site.meter], clock, infrared=True)
            await window.aclose()

    async def main(clock):
        meter = asyncio.create_task(hang_out(clock))
        app = KeyRingFace(KeyRing(medium or journey.medium, name, clock), language)
        async with app.run_test(size=size) as pilot:
            await story(Stage(journey, clock, app, pilot))
        meter.cancel()

    run_virtual(main, start=START)


def compare(name, text):
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get(UPDATE) == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"{path} is not there; {UPDATE}=1 writes it"
    assert text == path.read_text("utf-8"), f"{path}: {UPDATE}=1 writes it anew"


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_face_looks_as_it_was_drawn(language):
    journey = Journey()
    journey.load(purchase())

    async def story(stage):
        seen = [stage.text]
        await stage.press("enter")
        seen.append(stage.text)
        assert journey.site.element.wallet == (6_234, 2)
        await stage.press("enter")
        seen.append(stage.text)
        await stage.press("right", "right")
        seen.append(stage.text)
        assert journey.site.unit.display.shown == PAGES[1], stage.text
        await stage.press("left", "left")
        seen.append(stage.text)
        assert journey.site.unit.display.shown == PAGES[-1]
        await stage.press("l")
        seen.append(stage.text)
        compare(f"face-{language}", "\n".join(seen))

    on_face(story, language=language, journey=journey)
    assert journey.site.element.wallet == (6_234, 2)


@pytest.mark.slow
def test_after_a_trip_the_face_says_that_closing_is_permitted():
    journey = Journey()
    site = journey.site
    site.meter.body.relay.order(0x1A, 0, "00000001", site.at_s)
    journey.load(replace(purchase(), kind=NOTHING, amount=0, count=0, until=LATE))

    async def story(stage):
        await stage.press("enter", wait_s=60)
        assert "You may close: press the meter's key." in stage.text

    on_face(story, journey=journey)
    assert site.meter.body.push_relay_key(NOW + 70)


@pytest.mark.slow
def test_a_blank_medium_and_a_silent_meter_are_told():
    blank = MediumElement(RamMemory(MEDIUM_BYTES), bytes)

    async def story(stage):
        assert "go to the counter" in stage.text
        await stage.press("enter")
        assert "Trouble: this medium was never loaded" in stage.text

    on_face(story, medium=blank)
    other = Site("202611200002")
    journey = Journey()
    journey.load(purchase())
    journey.site.meter = other.meter

    async def lost(stage):
        await stage.press("enter", wait_s=120)
        assert "hold it to the meter again" in stage.text

    on_face(lost, journey=journey)


def test_both_languages_say_the_same_things():
    english, chinese = TEXTS.values()
    assert english.keys() == chinese.keys()
    assert {*ARRIVALS["en"]} == {*ARRIVALS["zh"]}


# Pages of the meter


def test_a_medium_turns_every_page_and_reads_what_it_shows():
    journey = Journey()
    journey.load(purchase())
    site = journey.site
    for number in range(1, len(PAGES) + 1):
        page = site.run(turn_page(journey.medium, number), infrared=True)
        assert (page.number, page.pages) == (number, len(PAGES))
        assert page.identifier == f"{PAGES[number - 1]:08X}"
        assert site.unit.display.shown == PAGES[number - 1]
    assert site.run(turn_page(journey.medium, 0), infrared=True).number == len(PAGES)
    again = site.run(turn_page(journey.medium, len(PAGES) + 1), infrared=True)
    assert (again.number, again.name_zh, str(again.value)) == (1, "(当前)剩余金额", "50.00")


def test_nobody_else_turns_a_page_and_no_page_opens_anything():
    journey = Journey()
    journey.load(purchase())
    site, level = journey.site, Authority(Key(2), "00000000")
    write = WriteData(METER, SHOW, (0x0001_0000).to_bytes(4, "little") + b"\x00", level)
    assert isinstance(site.ask(write, infrared=True), Refused)
    other = Site("202611200002")
    with pytest.raises(SecurityRefusal):
        other.run(turn_page(journey.medium, 2, "202611200002"), infrared=True)
    assert other.unit.display.place == 0
    site.run(turn_page(journey.medium, 2), infrared=True)  # in session now
    wrong = WriteData(METER, SHOW, (0x0400_040E).to_bytes(4, "little") + b"\x00", level)
    assert isinstance(site.ask(wrong, infrared=True), Refused)
    assert isinstance(site.ask(WriteData(METER, 0x0405_0101, bytes(4), level)), Refused)
    assert site.unit.display.place == 1
    site.boot()
    assert site.unit.display.place == 0


# The port to the counter


def over_the_port(story):
    async def main(_clock):
        journey = Journey()
        near, far = pair()
        card = asyncio.create_task(attend_counter(far, MediumCard(journey.medium)))
        try:
            return await story(journey, near)
        finally:
            await near.aclose()
            await card

    return run_virtual(main, start=START)


def test_the_counter_asks_a_key_ring_over_a_link():
    async def story(journey, near):
        port = Port(near)
        data, status = await port.transmit(bytes.fromhex("80100000") + b"\x00")
        assert (status, data) == (
            0x9000,
            journey.medium.serial
            + journey.medium.meter
            + journey.medium.customer
            + bytes(journey.medium.versions),
        )
        assert (await port.transmit(b"\x80\x99\x00\x00\x00"))[1] == 0x6D00

    over_the_port(story)


def test_torn_and_damaged_frames_are_dropped_and_the_next_is_answered():
    async def story(journey, near):
        port = Port(near, 0.2)
        for noise in (b"\x00", b"\xff\xff\x00", b"\x00\x05\x80\x10\x00\x00\x00\x12\x34"):
            await near.write(noise)
            with pytest.raises(NoAnswer, match="begin again"):
                await port.transmit(b"\x80\x10")  # swallowed by what was torn
            await asyncio.sleep(0.6)  # the pause after which the key-ring begins anew
        assert (await Port(near).transmit(bytes.fromhex("8010000000")))[1] == 0x9000

    over_the_port(story)


def test_a_reader_over_a_port_is_a_medium():
    class Direct:
        def __init__(self, card):
            self.transmit, self.reset = card.transmit, card.reset

    journey = Journey()
    reader = MediumReader(Direct(MediumCard(journey.medium)))
    assert (reader.is_issued, reader.meter.hex()) == (True, METER)
    with pytest.raises(Refusal, match="the step before is missing"):
        reader.take(purchase().to_bytes(), bytes(32))
