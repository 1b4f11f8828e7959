"""The pages in a real browser: they are drawn, they react, they complain of nothing."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from tests.headend.web_events import reported
from tests.headend.web_live import live
from tests.headend.web_world import address, way_in

from kwhub.headend.app import HeadEnd
from kwhub.headend.web.app import create_app, serve

CHROMIUM = Path("/usr/bin/chromium")
REQUIRED = os.environ.get("KWHUB_REQUIRE_ALL") == "1"
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists() and not REQUIRED,
        reason=f"{CHROMIUM} is not installed (Debian: apt-get install chromium fonts-noto-cjk)",
    ),
]

DRAWN = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let seen = 0;
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at] > 0) seen++;
  return seen;
}"""


@asynccontextmanager
async def browser_page(folder: Path, **options: object) -> AsyncIterator[Page]:
    """A page in Chromium on the live head-end; any complaint of the browser fails the test."""
    async with live(folder) as headend:
        reported(headend)
        async with visiting(headend, **options) as page:
            yield page


@asynccontextmanager
async def visiting(headend: HeadEnd, **options: object) -> AsyncIterator[Page]:
    """A page in Chromium, signed in on a head-end; any complaint of the browser fails the test."""
    complaints: list[str] = []
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(
            serve(create_app(headend), "127.0.0.1", 0, ready=told.set_result)
        )
        base = await told
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            context = await browser.new_context(base_url=base, **options)  # type: ignore[arg-type]
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "console",
                lambda said: (
                    complaints.append(said.text) if said.type in {"error", "warning"} else None
                ),
            )
            page.on(
                "requestfailed",
                lambda failed: (
                    None
                    if failed.failure == "net::ERR_ABORTED"
                    else complaints.append(f"{failed.url}: {failed.failure}")
                ),
            )
            await page.goto(way_in(headend))
            yield page
            await browser.close()
        serving.cancel()
    assert complaints == []


async def drawn(page: Page, chart: str) -> int:
    """How many pixels of a chart are not empty, once it is drawn."""
    await page.wait_for_selector(f"{chart}[data-drawn='1'] canvas")
    pixels: int = await page.locator(f"{chart} canvas").first.evaluate(DRAWN)
    return pixels


async def test_from_the_areas_to_a_meter_and_a_reading_now(tmp_path):
    async with browser_page(tmp_path, locale="en-GB") as page:
        await page.goto("/areas?day=2026-03-03")
        await expect(page.locator("h1")).to_have_text("Areas")
        await page.locator("#areas tbody").first.get_by_role("link", name="Willow Lane").click()
        assert await drawn(page, "figure[data-chart*=trend]") > 1000

        await page.locator("#main").get_by_role("searchbox").press_sequentially("flat 2")
        await expect(page.locator("#meters tbody tr")).to_have_count(11)
        await page.wait_for_url("**search=flat%202**")
        await page.get_by_role("link", name=address(2), exact=True).click()
        await expect(page.locator("h1")).to_contain_text(address(2))
        assert await drawn(page, "#curve figure") > 1000

        await page.get_by_role("button", name="Read now").click()
        order = page.locator("#order [data-state=done]")
        await expect(order).to_be_visible(timeout=15_000)
        await expect(order.locator("td.value").first).to_have_text(re.compile(r"[\d,]+\.\d\d kWh"))
        await expect(order.locator(".hex").first).to_contain_text("68")
        await expect(page.locator("#history .state.done")).to_have_count(1)
        await expect(page.locator("#latest")).to_contain_text("instant")

        part = order.locator(".hex .part").nth(1)
        await part.hover()
        await expect(order.locator("tr.lit").first).to_be_visible()


async def test_the_curve_changes_in_place_and_in_chinese(tmp_path):
    async with browser_page(tmp_path, locale="en-GB") as page:
        await page.goto("/meters/2")
        await page.locator("a.language").click()
        await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        await expect(page.get_by_role("button", name="立即召测")).to_be_visible()
        await page.locator("#curve select[name=measure]").select_option("voltage")
        await page.wait_for_url("**measure=voltage**")
        assert await drawn(page, "#curve figure[data-chart*=voltage]") > 1000
        await page.get_by_role("link", name="往前").click()
        await page.wait_for_url("**day=2026-03-03**")
        await page.go_back()
        await expect(page.locator("#curve input[type=date]")).to_have_value("2026-03-04")
        await page.goto("/areas")
        await expect(page.locator("h1")).to_have_text("台区")


async def test_shortcuts_the_tree_and_the_microscope(tmp_path):
    async with browser_page(tmp_path, locale="en-GB") as page:
        await page.goto("/areas")
        await expect(page.locator("#live-state")).to_have_text("live")
        await page.locator(".tree summary").first.click()
        await expect(page.locator(".tree")).to_contain_text("Pole 9")
        await page.keyboard.press("/")
        await expect(page.locator("#find")).to_be_focused()
        await page.locator("h1").click()
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("[")
        await expect(page.locator("#tree")).to_be_hidden()
        await page.keyboard.press("g")
        await page.keyboard.press("t")
        await page.wait_for_url("**/terminals")
        await expect(page.locator("#tree")).to_be_hidden()  # remembered
        await page.get_by_role("link", name="4101-02082").click()
        frames = page.locator("#frames li")
        await expect(frames.first).to_be_visible()
        before = await frames.count()
        order = await page.context.new_page()
        await order.goto("/meters/2")
        await order.get_by_role("button", name="Read now").click()
        await expect(order.locator("#order [data-state=done]")).to_be_visible(timeout=15_000)
        await order.close()
        await expect(frames).not_to_have_count(before, timeout=10_000)  # told live
        assert await frames.count() > before
        await frames.first.locator("summary").click()
        await expect(frames.first.locator("tr[data-part]").first).to_contain_text("start")
