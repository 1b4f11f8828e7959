"""Work that is recalled, or whose time is over, while somebody looks at it: the screens say so and stay."""

import pytest
from tests.handheld.screen_stage import on_screens
from tests.handheld.terminal_world import METERS, terminal_at_work

GONE = {"en": "not on this device any more", "zh": "工单已不在本机"}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_customers_page_survives_its_order(place, language):
    async def story(stage):
        await stage.sign_in()
        await stage.press("enter", "enter", "enter", wait_s=5)
        stage.world.headend.work.recall(stage.world.number, "admin")
        await stage.press(wait_s=130)
        assert GONE[language] in stage.text
        assert "customer 001" not in stage.text
        await stage.press("r", "t", "c", wait_s=5)
        assert GONE[language] in stage.text
        await stage.press("q", "e", wait_s=5)
        for key in ("l", "p", "s"):
            await stage.press(key, wait_s=5)
            await stage.press("escape")
        await stage.press("escape", "escape", "escape", wait_s=1)
        assert stage.device.tasks is not None
        assert stage.app.is_running

    on_screens(place, story, language=language)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["p", "s"])
def test_pages_of_a_terminal_survive_their_order(place, key):
    async def story(stage):
        async with terminal_at_work(place, stage.world.clock, stage.world.field.tasks):
            await stage.sign_in()
            await stage.press("enter", "enter", "enter", key, wait_s=5)
            stage.world.headend.work.recall(stage.world.number, "admin")
            await stage.press(wait_s=130)
            assert stage.app.is_running
            await stage.press("enter", "escape", "escape", wait_s=5)
            assert stage.app.is_running

    on_screens(place, story, meters=METERS, operations=("read", "freeze"), uses=9)
