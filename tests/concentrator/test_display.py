"""The screen over a real concentrator with simulated meters: every page, both languages, two sizes."""

import pytest
from rich.cells import cell_len
from tests.concentrator.display_stage import PIN, compare, on_stage

from kwhub.concentrator.display.preferences import IDLE_CHOICES_S, LOCK_FIRST_S, Preferences

HOME = (
    "status",
    "network",
    "archive",
    "local",
    "rounds",
    "failures",
    "abnormal",
    "events",
    "settings",
)
SET_PIN = ("enter",) * 6
SIZES = [(40, 20), (100, 30)]
LANGUAGES = ["en", "zh"]


async def go_to(stage, page):
    await stage.press(*["escape"] * 3, wait_s=0)
    while not stage.app.rows[_first(stage)].is_inverted:
        await stage.press("up", wait_s=0)
    await stage.press(*["down"] * HOME.index(page), "enter")


def _first(stage):
    return 2 if stage.app.size.height >= 12 else 1


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_page_looks_as_it_was_drawn(tmp_path, size, language):
    async def story(stage):
        seen = [stage.text]
        for page in HOME:
            await go_to(stage, page)
            seen.append(stage.text)
            if page in {"archive", "local", "events"}:
                await stage.press("enter")
                seen.append(stage.text)
        await stage.press(*SET_PIN, *SET_PIN)
        seen.append(stage.text)
        compare(f"{size[0]}x{size[1]}-{language}", "\n".join(seen))
        for line in "".join(seen).splitlines():
            assert cell_len(line) == size[0] + 2

    on_stage(story, tmp_path, size=size, language=language)


@pytest.mark.slow
def test_a_panel_of_twenty_by_ten_shows_every_page(tmp_path):
    async def story(stage):
        for page in HOME:
            await go_to(stage, page)
            lines = stage.text.splitlines()
            assert [cell_len(line) for line in lines] == [22] * 10
            await stage.press("down", "right", "enter", "up", "left", "escape", wait_s=0.5)

    on_stage(story, tmp_path, size=(20, 10), language="zh")


@pytest.mark.slow
def test_live_values_are_those_of_the_meter_and_come_again(tmp_path):
    async def story(stage):
        await go_to(stage, "local")
        await stage.press("enter")
        meter = next(place.meter for place in stage.world.area.places if place.point == 1)
        assert meter.address in stage.text
        first = stage.app.page.view
        assert {value.error for value in first.values} == {""}
        await stage.world.clock.sleep(20)
        await stage.pilot.pause()
        assert stage.app.page.view.at >= first.at + 10
        requests = stage.world.concentrator.counters.buses["bus-1"].requests
        await stage.press("escape", "escape", wait_s=60)
        assert stage.world.concentrator.counters.buses["bus-1"].requests == requests

    on_stage(story, tmp_path)


@pytest.mark.slow
def test_silent_meters_are_told_in_the_readers_language(tmp_path):
    async def story(stage):
        await go_to(stage, "local")
        await stage.press("enter", wait_s=1)
        assert "正在抄读" in stage.text
        await stage.press(wait_s=30)
        assert "电表无应答。" in stage.text
        seen = [stage.text]
        for page in ("rounds", "failures"):
            await go_to(stage, page)
            seen.append(stage.text)
        await stage.press("enter")
        compare("silent-40x20-zh", "\n".join([*seen, stage.text]))

    on_stage(story, tmp_path, language="zh", deaf=True)


@pytest.mark.slow
def test_the_settings_need_the_pin_that_was_set_first(tmp_path):
    async def story(stage):
        await go_to(stage, "settings")
        assert "No PIN yet" in stage.text
        await stage.press("up", *SET_PIN, *SET_PIN)  # 100000, then 000000
        assert "differ" in stage.text
        await stage.press(*SET_PIN, *SET_PIN)
        assert "Language" in stage.text
        await stage.press("escape", wait_s=0)
        await go_to(stage, "settings")
        assert "Enter the PIN" in stage.text
        for left in (2, 1):
            await stage.press("up", *SET_PIN)
            assert f"Tries left: {left}" in stage.text
        await stage.press("up", *SET_PIN)
        assert "Locked for" in stage.text
        await stage.press(*SET_PIN)
        assert "Locked for" in stage.text
        await stage.world.clock.sleep(LOCK_FIRST_S)
        await go_to(stage, "settings")
        await stage.press(*SET_PIN)
        assert "Language" in stage.text

    on_stage(story, tmp_path)
    assert Preferences(tmp_path / "panel.json").has_pin


@pytest.mark.slow
def test_settings_change_language_idle_return_display_and_pin(tmp_path):
    Preferences(tmp_path / "panel.json").set_pin(PIN)

    async def story(stage):
        await go_to(stage, "settings")
        await stage.press(*SET_PIN)
        await stage.press("enter")
        assert "参数设置" in stage.text
        await stage.press("down", "enter", "down", "enter")
        kept = Preferences(tmp_path / "panel.json")
        assert (kept.language, kept.idle_s, kept.is_dark) == ("zh", IDLE_CHOICES_S[2], True)
        await stage.press("down", "enter", "up", *SET_PIN, "up", *SET_PIN)
        assert Preferences(tmp_path / "panel.json").is_right("100000", 0)
        await stage.press("down", "enter")
        assert "plan.curve_minutes" in stage.text
        await stage.press("right", "escape", wait_s=0)
        assert "参数设置" in stage.text

    on_stage(story, tmp_path)


@pytest.mark.slow
def test_idle_closes_settings_and_live_reading_and_any_key_wakes(tmp_path):
    async def story(stage):
        await go_to(stage, "local")
        await stage.press("enter")
        await stage.press(wait_s=130)
        assert "4101-02082" in stage.text
        requests = stage.world.concentrator.counters.buses["bus-1"].requests
        await stage.press(wait_s=120)
        assert stage.world.concentrator.counters.buses["bus-1"].requests == requests
        await stage.press("x")
        assert "Menu" in stage.text

    on_stage(story, tmp_path)


@pytest.mark.slow
def test_the_glass_may_change_its_size(tmp_path):
    async def story(stage):
        await go_to(stage, "archive")
        await stage.press(*["down"] * 20, "right")
        for size in ((20, 8), (4, 3), (120, 40), (40, 20)):
            await stage.pilot.resize_terminal(*size)
            await stage.press("down")
            assert len(stage.app.rows) >= 3
            assert {cell_len(row.text) for row in stage.app.rows} == {size[0]}
        assert stage.world.area.places[-1].meter.address in stage.text

    on_stage(story, tmp_path, meters=30)


@pytest.mark.slow
def test_the_screen_can_be_closed_with_its_own_keys_and_reading_goes_on(tmp_path):
    async def story(stage):
        await stage.press("up", "enter")
        assert not stage.app.is_running
        rounds = stage.world.concentrator.counters.buses["bus-1"].rounds
        await stage.world.until(hours=4)
        assert stage.world.concentrator.counters.buses["bus-1"].rounds > rounds

    on_stage(story, tmp_path)


@pytest.mark.slow
def test_no_contact_is_told_and_is_over_when_the_concentrator_is_back(tmp_path):
    from kwhub.domain.errors import LinkDown

    async def story(stage):
        real, stage.app._answerer = stage.app._answerer, Gone()
        await stage.press()
        assert "No contact" in stage.text
        stage.app._answerer = real
        await stage.press()
        assert "No contact" not in stage.text

    class Gone:
        async def ask(self, query):
            raise LinkDown("the socket is gone")

    on_stage(story, tmp_path)
