"""The published frames of the module interface."""

import json
import os
from pathlib import Path

import pytest

VECTORS = Path(os.environ.get("KWHUB_VECTORS", "../shared/vectors")) / "gdw1376_2.jsonl"


def corpus():
    if not VECTORS.is_file():
        if os.environ.get("KWHUB_REQUIRE_ALL"):
            pytest.fail(f"{VECTORS} is missing and everything is required")
        pytest.skip(f"no shared vectors at {VECTORS} (KWHUB_VECTORS)")
    return [json.loads(line) for line in VECTORS.read_text().splitlines()]
