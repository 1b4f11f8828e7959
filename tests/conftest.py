"""What holds for every test.

Their files lie in memory where there is room: stores wait for the disk at every commit, and what a test proves of a
power cut it proves by cutting it, not by the disk. ``PYTEST_DEBUG_TEMPROOT`` or ``--basetemp`` put them elsewhere.
"""

import os
import shutil
from pathlib import Path

import pytest
import structlog

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder there for the user alone
ROOM_BYTES = 4 << 30

if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True)
def log_as_before():
    """Commands set up the log of their process; the next test in it must not inherit that."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
