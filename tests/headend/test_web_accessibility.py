"""Barriers: axe-core looks at every page, at one in dark English on a phone, at the next in light Chinese on a desk."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import TimeoutError as WaitedTooLong
from playwright.async_api import ViewportSize, expect
from tests.headend.full_world import PAGES, everything
from tests.headend.test_web_chromium import CHROMIUM, REQUIRED, visiting

AXE = Path(__file__).parents[2] / "web" / "checks" / "axe.min.js"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM.exists() and AXE.exists()) and not REQUIRED,
        reason="needs chromium, and axe-core, which an editable install fetches",
    ),
]

PHONE = 360
"""Width of the narrowest screen, in pixels."""

RUN = """async () => {
  for (const body of document.querySelectorAll("tbody")) for (const row of [...body.rows].slice(ROWS)) row.remove();
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  });
  return found.violations.map((each) => ({
    id: each.id, impact: each.impact,
    nodes: each.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} | ${node.failureSummary.slice(0, 200)}`),
  }));
}""".replace("ROWS", "5")
"""The rows of a long table are alike: the first five are looked at."""


async def barriers(page: Any, path: str) -> list[dict[str, Any]]:
    """What axe finds on a page that is at rest."""
    await page.goto(path)
    charts = page.locator("figure[data-chart]")
    await expect(page.locator("figure[data-drawn]")).to_have_count(await charts.count())
    await page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = await page.evaluate(RUN)
    return found


async def fits(page: Any, width: int) -> bool:
    """Whether a page is no wider than the screen, once its charts have heard of the new size."""
    try:
        await page.wait_for_function(
            "width => document.documentElement.scrollWidth <= width", arg=width, timeout=3_000
        )
    except WaitedTooLong:
        return False
    return True


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    made = everything(tmp_path_factory.mktemp("barriers") / "headend.sqlite")
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("first", "locale", "scheme", "width"),
    [(0, "en-GB", "dark", PHONE), (1, "zh-CN", "light", 1280)],
)
async def test_no_page_has_a_barrier(headend, first, locale, scheme, width):
    size: ViewportSize = {"width": width, "height": 800}
    async with visiting(headend, viewport=size, color_scheme=scheme, locale=locale) as page:
        told = []
        for path in PAGES[first::2]:
            told += [f"{path} {each}" for each in await barriers(page, path)]
            for narrow in {width, PHONE}:
                await page.set_viewport_size({"width": narrow, "height": 800})
                if not await fits(page, narrow):
                    told.append(f"{path} is wider than a screen of {narrow}")
            await page.set_viewport_size(size)
        assert not told, "\n".join(told)
        await page.evaluate("document.documentElement.removeAttribute('lang')")
        assert [each["id"] for each in await page.evaluate(RUN)] == ["html-has-lang"]
