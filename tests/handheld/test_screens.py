"""The screens: nothing before the PIN, every page in both languages and sizes, what keys do."""

import re
import string

import pytest
from rich.cells import cell_len
from tests.handheld.screen_stage import drawn, folded, on_screens
from tests.handheld.terminal_world import ADDRESS, METERS, terminal_at_work
from tests.identity.field import PIN

from kwhub.domain.errors import LinkDown, NoAnswer, Refusal
from kwhub.exchange.device_messages import WorkMeter
from kwhub.handheld.screens.words import LANGUAGES, words

FIVE_INCHES, LAPTOP = (53, 24), (110, 32)
SHOWN = [(size, language) for size in (FIVE_INCHES, LAPTOP) for language in LANGUAGES]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "language"), SHOWN, ids=str)
def test_every_page_looks_as_it_was_drawn(place, size, language):
    async def story(stage):
        seen = [stage.seen("sign-in")]
        await stage.sign_in()
        seen.append(stage.seen("menu"))
        await stage.press("enter")
        seen.append(stage.seen("orders"))
        stage.world.field.silent = {"t01"}
        await stage.press("enter", "r", wait_s=60)
        seen.append(stage.seen("round"))
        await stage.press("enter", "q")  # card, with what the head-end says
        seen.append(stage.seen("customer"))
        await stage.press("l")
        seen.append(stage.seen("live"))
        await stage.press("escape", "escape", "escape", "escape", "down", "enter")
        seen.append(stage.seen("groups"))
        await stage.press("escape", "down", "enter")
        seen.append(stage.seen("failures"))
        await stage.press("escape", "down", "enter", "s")
        seen.append(stage.seen("head-end"))
        await stage.press("escape", "down", "enter")
        seen.append(stage.seen("settings"))
        text = "\n".join(seen)
        assert folded(text) == drawn(f"{size[0]}x{size[1]}-{language}", text)
        for line in "".join(seen).splitlines():
            assert cell_len(line) == size[0] + 2

    on_screens(place, story, size=size, language=language, uses=5)


@pytest.mark.slow
def test_nothing_opens_before_the_pin_and_after_a_lock(place):
    async def story(stage):
        await stage.press("enter", *"1111", "enter")
        assert "wrong PIN" in stage.text
        assert stage.device.tasks is None
        await stage.sign_in()
        assert "Work orders" in stage.text
        await stage.press("enter", "enter", "enter", wait_s=stage.device.settings.idle_s + 10)
        assert stage.device.tasks is None  # nobody was there
        assert "Work orders" not in stage.text
        await stage.sign_in()
        stage.world.headend.registry.lock("device-000001", "admin", "suspicion")
        await stage.press("down", "down", "down", "enter", "s")
        assert "the device is locked" in stage.text
        await stage.press("escape", "escape")
        await stage.press(*PIN, "enter")
        assert "the device is locked" in stage.text
        assert stage.device.tasks is None

    on_screens(place, story)


@pytest.mark.slow
def test_a_lost_device_wipes_itself_when_it_calls(place):
    async def story(stage):
        await stage.sign_in()
        stage.world.headend.registry.lose("device-000001", "admin", "left on the bus")
        await stage.press("down", "down", "down", "enter", "s")
        assert not stage.device.exists
        assert not list(stage.device.folder.glob("work.sqlite*"))
        await stage.press("escape", "escape")
        await stage.press(*PIN, "enter")
        assert "wiped" in stage.text

    on_screens(place, story)


@pytest.mark.slow
def test_a_round_is_stopped_and_goes_on(place):
    async def story(stage):
        stage.world.field.baud = 300  # about seconds for each meter
        stage.world.is_offline = True
        await stage.sign_in()
        await stage.press("enter", "enter", "r", wait_s=4)
        assert "stop" in stage.text
        await stage.press("r", wait_s=0.5)
        done = stage.device.tasks.progress(stage.device.tasks.places()).read
        assert 0 < done < 6
        assert "goes on from here" in stage.text
        requests = stage.device.tasks.delivery.waiting
        await stage.press(wait_s=30)
        assert stage.device.tasks.delivery.waiting == requests
        await stage.press("r", wait_s=60)
        assert "6/6" in stage.text
        assert stage.device.tasks.delivery.waiting == 6

    on_screens(place, story)


@pytest.mark.slow
def test_groups_are_made_on_the_spot_and_taken_apart(place):
    async def story(stage):
        await stage.sign_in()
        await stage.press("enter", "enter", "m", "down", "down", "m", "g")
        await stage.press(*"far", "enter")
        tasks = stage.device.tasks
        (own,) = tasks.choices("own")
        assert own.name == "far"
        assert [each.meter[-1] for each in own.places] == ["1", "3"]
        await stage.press("escape", "escape", "down", "enter")
        assert "own far" in stage.text
        await stage.press("enter")
        assert "0/2" in stage.text
        await stage.press("escape", "d")
        assert not tasks.choices("own")

    on_screens(place, story)


@pytest.mark.slow
def test_clock_freeze_and_reading_from_the_card(place):
    async def story(stage):
        await stage.sign_in()
        await stage.press("enter", "enter", "enter", "t", wait_s=5)
        assert "The meter answers: done" in stage.text
        await stage.press("z")
        await stage.press("enter", wait_s=5)
        assert "The meter answers: done" in stage.text
        await stage.press("z", wait_s=0)
        await stage.press(*["backspace"] * 8, *"9999", "enter")
        assert "is not made of" in stage.text
        await stage.press("r", wait_s=5)
        assert "Done." in stage.text
        await stage.press("e")
        assert "Nothing went wrong here." in stage.text

    on_screens(place, story, operations=("read", "set-time", "freeze"))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "language"), SHOWN, ids=str)
def test_pulses_questions_and_a_failure_look_as_they_were_drawn(place, size, language):
    """At a collecting terminal: its pulses, a round, a question; then a meter that is not there, byte by byte."""

    async def story(stage):
        seen = []
        async with terminal_at_work(place, stage.world.clock, stage.world.field.tasks) as terminal:
            await stage.sign_in()
            await stage.press("enter", "enter", "enter", "p", wait_s=5)
            seen.append(re.sub(r"\d", "0", stage.seen("pulses")).replace("▮", "▯"))  # they go on
            await stage.press("escape", "s", wait_s=5)
            seen.append(stage.seen("setup"))
            await stage.press("escape", "c", wait_s=5)
            assert terminal.box.round.number == 1
            seen.append(stage.seen("collected"))
            await stage.press("z", wait_s=0.5)
            seen.append(stage.seen("question"))
            await stage.press("enter", wait_s=5)
            assert terminal.box.freeze_times == ["99990000"]
            await stage.press("escape", "r", wait_s=60)
            await stage.press("escape", "escape", "down", "down", "enter", "enter")
            seen.append(stage.seen("failure"))
        text = "\n".join(seen)
        assert folded(text) == drawn(f"terminal-{size[0]}x{size[1]}-{language}", text)
        assert {cell_len(line) for line in text.splitlines() if line} == {size[0] + 2}

    absent = WorkMeter("000020260799", terminal=ADDRESS)
    work = {"meters": (*METERS, absent), "operations": ("read", "freeze"), "uses": 9}
    on_screens(place, story, size=size, language=language, **work)


@pytest.mark.slow
def test_language_and_link_are_changed_at_once_and_kept(place):
    async def story(stage):
        await stage.sign_in()
        await stage.press("down", "down", "down", "down", "enter", "enter")
        assert "设置" in stage.text
        await stage.press("down", "enter")
        await stage.press(*["backspace"] * 20, "enter")
        assert stage.device.settings.link == stage.device.tasks.visiting.ways.link == ""
        assert '"zh"' in (stage.device.folder / "settings.json").read_text()
        await stage.press("escape", "up", "up", "up", "up", "enter", "enter", "enter", "r")
        assert "未设置链路" in stage.text

    on_screens(place, story)


@pytest.mark.slow
def test_an_order_is_finished_only_when_that_is_confirmed(place):
    async def story(stage):
        await stage.sign_in()
        await stage.press("enter", "x")
        await stage.press(*"no", "enter")
        assert not stage.device.tasks.is_closed(stage.world.number)
        await stage.press("o")
        await stage.press(*"yes", "enter")
        assert "no order goes with" in stage.text
        await stage.press("x")
        await stage.press(*"yes", "enter")
        assert stage.device.tasks.is_closed(stage.world.number)

    on_screens(place, story)


# Words


def test_both_languages_have_the_same_keys_and_names_to_fill_in():
    english, chinese = (words(code).table for code in LANGUAGES)
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert _names(text) == _names(chinese[key]), key


def _names(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_trouble_has_words_in_chinese_without_english():
    chinese = words("zh")
    assert chinese.error(NoAnswer()) == "无应答"
    assert chinese.error(Refusal(("read at meter 1 is used up",))) == "授权次数已用完"
    assert chinese.error(Refusal(("the device is locked; ask the head-end's staff",))) == (
        "设备已锁定，请联系主站人员"
    )
    assert chinese.error(LinkDown("x")) == "链路断开"
    assert words("en").error(LinkDown("x")) == "The link is down: x"
    assert words("en").error(OSError("disk")) == "The device does not do its part: disk"
    assert words("en").register("1-0:99.99.9") == "1-0:99.99.9"
