"""Where the stores of a simulation lie: in the user's folder, or in one that vanishes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["folder_for_stores"]

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a fresh private folder is made inside it
MEMORY_BYTES_LEAST = 256 * 1024 * 1024


@contextmanager
def folder_for_stores(keep: Path | None) -> Iterator[Path]:
    """A folder for the stores: the user's, or one that vanishes, in memory where there is room."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    place = None
    if MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK):
        room = os.statvfs(MEMORY_FOLDER)
        if room.f_bavail * room.f_frsize >= MEMORY_BYTES_LEAST:
            place = MEMORY_FOLDER
    with tempfile.TemporaryDirectory(prefix="kwhub-", dir=place) as name:
        yield Path(name)
