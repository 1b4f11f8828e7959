"""The screen of a whole simulated concentrator on virtual time, and its text beside what was committed."""

import os
import re
from datetime import timedelta
from pathlib import Path

from tests.concentrator.world import START, play

from kwhub.concentrator.display.preferences import Preferences
from kwhub.concentrator.display.screen import PanelScreen
from kwhub.concentrator.panel import Panel
from kwhub.protocols.gdw1376.event_records import EventRecord

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "KWHUB_UPDATE_SNAPSHOTS"
"""Set to 1 to write the snapshots anew; look at the difference before you commit it."""
BLANKS = re.compile(r"(?:\| +\|\n){2,}")
"""Lines without text; their number is enough."""
SECONDS = re.compile(r"(?<!\d)(\d\d:\d\d):\d\d(?!\d)")
"""How long the pilot takes between two keys depends on the machine; minutes are enough."""
PIN = "000000"
COVER = bytes.fromhex("0510020326 0280 00")
PARAMETERS = bytes.fromhex("0001020326 01")


class Stage:
    """A screen with a pilot, and keys that let virtual time pass."""

    def __init__(self, world, app, pilot):
        self.world = world
        self.app = app
        self.pilot = pilot

    async def press(self, *keys, wait_s=2.5):
        for key in keys:
            await self.pilot.press(key)
        await self.world.clock.sleep(wait_s)
        await self.pilot.pause()

    @property
    def text(self):
        return "".join(f"{'>' if row.is_inverted else '|'}{row.text}|\n" for row in self.app.rows)


def on_stage(story, folder, *, size=(40, 20), language="en", meters=6, deaf=False):
    """Run ``story(stage)`` two hours and a half after the start; ``deaf``: the wires are cut by then."""

    async def whole(world):
        world.start()
        await world.until(minutes=50)
        events = world.concentrator.events
        at = int((START + timedelta(minutes=40)).timestamp())
        events.add(EventRecord(37, COVER), at, important=False)
        events.add(EventRecord(3, PARAMETERS), at + 60, important=False)
        await world.until(hours=1, minutes=50)
        world.be_deaf(deaf=deaf)
        await world.until(hours=2, minutes=30)
        preferences = Preferences(folder / "panel.json")
        panel = Panel(world.concentrator)
        app = PanelScreen(panel, preferences, clock=world.clock, language=language)
        async with app.run_test(size=size) as pilot:
            stage = Stage(world, app, pilot)
            await stage.press()
            await story(stage)
        await world.stop()

    play(whole, folder / "store.sqlite", meters=meters)


def compare(name, text):
    """Compare with the snapshot of a name, or write it when that is wanted."""
    path = SNAPSHOTS / f"{name}.txt"
    text = SECONDS.sub(r"\1:..", text)
    text = BLANKS.sub(lambda found: f"| {found[0].count(chr(10))} blank\n", text)
    if os.environ.get(UPDATE) == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.exists(), f"{path} is not there; {UPDATE}=1 writes it"
    assert text == path.read_text("utf-8"), f"{path}: {UPDATE}=1 writes it anew"
