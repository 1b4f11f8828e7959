"""Another PIN: by its page and by the command; the old one opens nothing any more, and a wrong one is counted."""

import asyncio
import json

import pytest
from tests.handheld.screen_stage import on_screens
from tests.handheld.world import outing
from tests.identity.field import PIN

from kwhub.cli.app import run
from kwhub.domain.errors import LocalError, Refusal
from kwhub.handheld.app import Device
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock

NEW = "81726354"


def test_the_new_pin_opens_the_same_work_and_the_old_one_nothing(place):
    async def main(world):
        device = await world.gadget()
        with pytest.raises(Refusal, match="wrong PIN; 9 tries"):
            device.change_pin("0000", NEW)
        with pytest.raises(LocalError, match="at least 4 characters"):
            device.change_pin(PIN, "1")
        device.change_pin(PIN, NEW)
        with pytest.raises(Refusal, match="wrong PIN"):
            device.sign_in(PIN)
        tasks = device.sign_in(NEW)
        assert len(tasks.places()) == 6
        device.change_pin(NEW, PIN)  # open, and stays open
        await tasks.visiting.read(tasks.places()[0])
        await device.sign_out()
        assert len(device.sign_in(PIN).places()) == 6
        await device.sign_out()

    outing(place, main)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "differ", "kept"),
    [("en", "PINs differ", "Kept."), ("zh", "新 PIN 不同", "已保存。")],
)
def test_it_is_changed_on_its_page(place, language, differ, kept):
    async def story(stage):
        async def give(*texts):
            for text in texts:
                await stage.press(*text, "enter", wait_s=0.5)

        await stage.sign_in()
        await stage.press("down", "down", "down", "down", "enter", *["down"] * 5, "enter")
        await give(PIN, NEW, "other")
        assert differ in stage.text
        assert PIN not in stage.text
        await stage.press("enter")
        await give(PIN, NEW, NEW)
        assert kept in stage.text
        await stage.press("escape", "escape")
        await stage.press(*PIN, "enter")
        assert stage.device.tasks is None
        await stage.press(*NEW, "enter")
        assert stage.device.tasks is not None

    on_screens(place, story, language=language)


@pytest.mark.slow
def test_it_is_changed_by_the_command(place, capsys):
    outing(place, lambda world: world.gadget())
    old, new = place / "old", place / "new"
    for path, text in ((old, PIN), (new, NEW)):
        path.write_text(text)
        path.chmod(0o600)
    words = ["handheld", "pin", str(place / "gadget"), "--pin-file", str(old)]
    assert run([*words, "--new-pin-file", str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"changed": True}
    assert run([*words, "--new-pin-file", str(new)]) == 1
    assert "wrong PIN" in capsys.readouterr().err
    device = Device(place / "gadget", SystemClock(), seeded(1))
    device.sign_in(NEW)
    asyncio.run(device.sign_out())
