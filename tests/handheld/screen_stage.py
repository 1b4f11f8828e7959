"""The screens of a handheld with a pilot on virtual time, and their text beside what was committed."""

import os
import re
from pathlib import Path

from tests.handheld.world import outing
from tests.identity.field import PIN

from kwhub.handheld.screens.app import HandheldScreens

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "KWHUB_UPDATE_SNAPSHOTS"
"""Set to 1 to write the snapshots anew; look at the difference before you commit it."""
PICTURES = "KWHUB_SCREEN_PICTURES"
"""Set to a folder to have every screen as an SVG there."""
BLANKS = re.compile(r"(?:\| +\|\n){2,}")


class ScreenStage:
    """Screens, keys that let virtual time pass, and what is seen."""

    def __init__(self, world, device, app, pilot):
        self.world, self.device, self.app, self.pilot = world, device, app, pilot
        self.shots = 0

    async def press(self, *keys, wait_s=2.0):
        for key in keys:
            await self.pilot.press(key)
        await self.world.clock.sleep(wait_s)
        await self.pilot.pause()

    async def sign_in(self):
        await self.press(*PIN, "enter")

    def seen(self, name):
        """What is on the screen; also as a picture, where pictures are wanted."""
        if folder := os.environ.get(PICTURES):
            Path(folder).mkdir(exist_ok=True, parents=True)
            self.shots += 1
            (Path(folder) / f"{self.shots:02}-{name}.svg").write_text(self.app.export_screenshot())
        return self.text

    @property
    def text(self):
        strips = self.app.screen._compositor.render_strips()
        return "".join(f"|{strip.text}|\n" for strip in strips)


def on_screens(place, story, *, size=(53, 24), language="en", outing_settings=None, **work):
    """Run ``story(stage)`` on the screens of an enrolled device with work."""

    async def main(world):
        device = await world.gadget(**work)
        app = HandheldScreens(device, language)
        async with app.run_test(size=size) as pilot:
            await story(ScreenStage(world, device, app, pilot))

    outing(place, main, **(outing_settings or {}))


def folded(text):
    """A screen with its blank lines counted."""
    return BLANKS.sub(lambda found: f"| {found[0].count(chr(10))} blank\n", text)


def drawn(name, text):
    """What the snapshot of a name shows; it is written first when that is wanted."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get(UPDATE) == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(folded(text), "utf-8")
    if not path.exists():
        raise AssertionError(f"{path} is not there; {UPDATE}=1 writes it")
    return path.read_text("utf-8")
