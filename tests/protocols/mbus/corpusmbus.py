"""The published telegrams."""

import json
import os
from pathlib import Path

import pytest

VECTORS = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors")) / "mbus"


def corpus(name):
    path = VECTORS / name
    if not path.is_file():
        if os.environ.get("KWHUB_REQUIRE_ALL"):
            pytest.fail(f"{path} is missing and everything is required")
        pytest.skip(f"no shared vectors at {VECTORS} (KWHUB_VECTORS)")
    return [json.loads(line) for line in path.read_text().splitlines()]
