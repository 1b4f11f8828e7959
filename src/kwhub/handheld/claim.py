"""One process at a time in the folder of a device.

Two would spend the same grants twice, renew to different keys and write over each other's readings. The claim is an advisory
lock on the folder itself (flock(2), Linux), so that nothing is left behind when a process is killed.
"""

import fcntl
import os
from pathlib import Path

from kwhub.domain.errors import LocalError

__all__ = ["Claim"]


class Claim:
    """The folder of one device, held until ``release`` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing is held yet."""
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Hold the folder; one that is not there has nothing to be held.

        Raises:
            LocalError: it is held already, by this process or another one.
            OSError: it cannot be opened.
        """
        if self._descriptor is not None:
            raise LocalError(f"{self._folder} is in use by this process: sign out first")
        try:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LocalError(
                f"{self._folder} is in use by another process: sign out there first"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others in; nothing happens when nothing is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
