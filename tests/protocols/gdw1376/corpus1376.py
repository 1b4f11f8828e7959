"""The vectors of the shared corpus and the chosen set of this project."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
NAME = "gdw1376_1.jsonl"
SHARED = Path(os.environ.get("KWHUB_VECTORS", ROOT.parent / "shared" / "vectors"))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def own() -> list[dict[str, Any]]:
    return lines_of(ROOT / "tests" / "vectors" / NAME)


def shared() -> list[dict[str, Any]]:
    """The lines of the corpus; skips, or fails when everything is demanded."""
    path = SHARED / NAME
    if not path.exists():
        message = f"{path} is absent: set KWHUB_VECTORS to the folder of the vector corpus"
        if os.environ.get("KWHUB_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return lines_of(path)


def raw_of(line: dict[str, Any]) -> bytes:
    return bytes.fromhex(line["hex"])


def named(number: str) -> bytes:
    """The frame of the chosen set with this number."""
    (found,) = (line for line in own() if line["id"] == f"1376_1-{number}")
    return raw_of(found)
