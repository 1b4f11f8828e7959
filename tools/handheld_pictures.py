"""Draw the pictures of the handheld in docs/images anew: ``python -m tools.handheld_pictures``.

The tests of its screens write every screen as an SVG; Chromium makes pictures of them. Needs the developer tools, a
Chromium (``chromium`` on the path), DejaVu Sans Mono, and Noto Sans Mono CJK for Chinese.
"""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.cells import cell_len

__all__ = ["main"]

HOUSE = Path(__file__).resolve().parent.parent
IMAGES = HOUSE / "docs" / "images"
TESTS = (
    "tests/handheld/test_screens.py::test_every_page_looks_as_it_was_drawn",
    "tests/handheld/test_screens.py::test_pulses_questions_and_a_failure_look_as_they_were_drawn",
)
LEND = "tests/handheld/test_lending.py::test_the_page_lends_while_it_is_open"
SHEETS = (
    ("handheld-5-inch.png", "53, 24", "en", 3, 1_500),
    ("handheld-laptop.png", "110, 32", "zh", 2, 1_600),
)
"""Picture, size as the tests name it, language, screens in a row, width in pixels."""

ALONE = (("handheld-round.png", "round"), ("handheld-card.png", "customer"))
ALONE_PX = 690
COLOURS = 48
FONT = "'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"
TEXT = re.compile(r'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>([^<]+)<')


def _screens(folder: Path, size: str, language: str) -> list[Path]:
    """Every screen of a size and language, in the order in which the tests come to it."""
    found: list[Path] = []
    wanted = [f"{test}[({size})-{language}]" for test in TESTS]
    if size == "53, 24":
        wanted.append(f"{LEND}[{language}]")
    for number, test in enumerate(wanted):
        at = folder / f"{language}-{number}"
        settings = {**os.environ, "KWHUB_SCREEN_PICTURES": str(at)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
        subprocess.run(command, cwd=HOUSE, env=settings, check=True)  # noqa: S603 - our own tests
        found += sorted(at.glob("*.svg"))
    return found


def _drawing(svg: Path) -> str:
    """The drawing with fonts of this machine, each character in its own cell: Chinese ones have two."""
    text = re.sub(r"@font-face\s*\{[^}]*\}", "", svg.read_text("utf-8"))
    text = re.sub(r"font-family:[^;}]*", f"font-family: {FONT}", text)
    return TEXT.sub(_in_cells, text)


def _in_cells(found: re.Match[str]) -> str:
    before, start, between, length, after, said = found.groups()
    letters = unescape(said)
    cell = float(length) / len(letters)
    at = accumulate((cell_len(each) for each in letters[:-1]), initial=0)
    places = " ".join(f"{float(start) + cell * cells:.1f}" for cells in at)
    return f'{before}x="{places}"{between}{after}>{said}<'


def _figure(svg: Path) -> str:
    return f"<figure>{_drawing(svg)}<figcaption>{svg.stem[3:]}</figcaption></figure>"


def _draw(browser: Browser, path: Path, body: str, columns: int, width: int) -> None:
    style = (
        f"body {{margin: 0; display: grid; grid-template-columns: repeat({columns}, 1fr); gap: 8px;"
        " background: #fff; font: 13px sans-serif} figure {margin: 0; text-align: center}"
        " svg {width: 100%; display: block}"
    )
    page = browser.new_page(viewport={"width": width, "height": 600})
    page.set_content(f"<!doctype html><style>{style}</style><body>{body}")
    page.screenshot(path=path, full_page=True)
    page.close()
    with Image.open(path) as drawn:
        few = drawn.convert("RGB").quantize(COLOURS)
    few.save(path, optimize=True)
    print(f"drew {path.relative_to(HOUSE)}")


def main() -> int:
    """Draw them all."""
    chromium = shutil.which("chromium")
    with TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, size, language, columns, width in SHEETS:
            screens = _screens(Path(folder), size, language)
            body = "".join(_figure(each) for each in screens)
            _draw(browser, IMAGES / name, body, columns, width)
            for alone, screen in ALONE if columns == SHEETS[0][3] else ():
                (svg,) = [each for each in screens if each.stem[3:] == screen]
                _draw(browser, IMAGES / alone, _drawing(svg), 1, ALONE_PX)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
