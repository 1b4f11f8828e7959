"""Draw the pictures of the counter in docs/images anew: ``python -m tools.vending_pictures``.

A head-end of the tests sells over a real concentrator into a simulated meter, on virtual time; then its pages are served
and Chromium makes pictures of them. Needs the developer tools and a Chromium (``chromium`` on the path).
"""

import asyncio
import shutil
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace
from PIL import Image
from playwright.async_api import async_playwright
from tests.headend.test_vending_service import begun, play
from tests.headend.vending_whole import settings_in
from tests.headend.web_world import StandingClock

from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Config
from kwhub.headend.people.user_rows import Grant
from kwhub.headend.vending_store import Customer
from kwhub.headend.vending_tokens import Wanted
from kwhub.headend.web.app import create_app
from kwhub.headend.web.serving import serve
from kwhub.sim.faults import MeterFaults

__all__ = ["main"]

HOUSE = Path(__file__).resolve().parent.parent
IMAGES = HOUSE / "docs" / "images"
PICTURES = (
    ("vending.png", "/vending", 900),
    ("vending-receipt.png", "/vending/receipt?payment=R-2041", 620),
)
"""Picture, page, and the least height in pixels."""

WIDTH, COLOURS = 1280, 160
WHO = "ann"
LIMITS = {"limit_sale": 1_000, "limit_customer": 2_000, "limit_operator": 50_000}
KEY = "0123456789abcdef0123456789abcdef"


class _Then(StandingClock):
    """Stands where the virtual time has ended."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """The same moment, always."""
        return self._moment


def _sold(folder: Path) -> tuple[Config, datetime]:
    """Sell; what the head-end was set to, and when that was."""
    ends: list[Any] = []

    async def story(shop: Any) -> None:
        headend = await begun(shop)
        far = next(
            each.meter.address
            for each in shop.area.places
            if each.kind != "supply" and each.meter.address != shop.number
        )
        keys = folder / "token-keys"
        keys.write_text(f"{far} {KEY} 2014\n")
        keys.chmod(0o600)
        await headend.vending.sell(shop.meter, 1_500, "R-2041", WHO)
        await shop.clock.sleep(3 * 3_600)
        shop.replaced[shop.number].faults = MeterFaults(silent_permille=1_000)
        await headend.vending.sell(shop.meter, 12_000, "R-2042", WHO)  # brought again later
        with headend.vending.books() as books:
            books.add_customer(Customer("000000012346", far, "Li Mei"), shop.clock.now())
            books.set_price("day", 5_600, shop.clock.now())
        vending = settings_in(folder, token_keys=str(keys), **LIMITS)
        ends.extend((replace(shop.settings(), vending=vending), shop.clock.now(), far))

    play(folder, story)
    settings, moment, far = ends
    made = HeadEnd(settings, _Then(moment))
    assert made.vending  # noqa: S101 - the settings say so
    made.vending.sell_token(Wanted(far, 2_000, WHO, "R-2043", "day"), WHO)
    made.store.close()
    return settings, moment


async def _drawn(settings: Config, moment: datetime) -> None:
    headend = HeadEnd(settings, _Then(moment))
    assert headend.vending  # noqa: S101 - the settings say so
    headend.vending.compare()
    headend.people.staff.add(WHO, "Ann", [Grant("admin", 0)])
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(create_app(headend), "127.0.0.1", 0, ready=ready.set_result)
    )
    base = (await ready).rstrip("/")
    async with async_playwright() as plays:
        browser = await plays.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(locale="en-GB", viewport={"width": WIDTH, "height": 620})
        await page.goto(f"{base}/link/{headend.people.link(WHO)}")
        for name, path, height in PICTURES:
            await page.set_viewport_size({"width": WIDTH, "height": height})
            await page.goto(base + path)
            whole = await page.evaluate("document.documentElement.scrollHeight")
            await page.set_viewport_size({"width": WIDTH, "height": whole})
            await page.wait_for_selector("#live-state:not(:empty)")
            await page.screenshot(path=IMAGES / name)
            _few(IMAGES / name)
        await browser.close()
    serving.cancel()
    await asyncio.wait([serving])
    headend.store.close()


def _few(path: Path) -> None:
    """Keep a picture with few colours."""
    with Image.open(path) as drawn:
        few = drawn.convert("RGB").quantize(COLOURS)
    few.save(path, optimize=True)
    print(f"drew {path.relative_to(HOUSE)}")


def main() -> int:
    """Draw them all."""
    with TemporaryDirectory() as folder:
        settings, moment = _sold(Path(folder))
        asyncio.run(_drawn(settings, moment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
