"""The vectors of the shared corpus and the chosen set of this project."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "vectors"
SHARED = Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors"))


def own(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OWN / name).read_text("utf-8").splitlines()]


def shared(name: str) -> list[dict[str, Any]]:
    """The lines of a file of the corpus; skips, or fails when everything is demanded."""
    path = SHARED / name
    if not path.exists():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
