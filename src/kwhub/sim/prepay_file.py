"""A memory on disk: a meter whose process is killed at any moment goes on like one whose power was cut."""

import os
from pathlib import Path

from kwhub.domain.errors import ConfigError
from kwhub.prepay.memory import STEP_BYTES

__all__ = ["FileMemory"]


class FileMemory:
    """A ``kwhub.prepay.memory.Memory`` over a file; each step is one write.

    Args:
        path: of the file; made, and filled with FF, when there is none.
        size: bytes.
        smaller: a size that earlier editions had; it is filled up.

    Raises:
        ConfigError: the file cannot be opened, or has another size.
    """

    def __init__(self, path: Path, size: int, smaller: int = 0) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            found = os.fstat(self._file).st_size
            if found in (0, smaller):
                os.pwrite(self._file, b"\xff" * (size - found), found)
        except OSError as error:
            raise ConfigError(f"cannot be used: {error.strerror}", file=str(path)) from error
        if found not in (0, smaller, size):
            os.close(self._file)
            raise ConfigError(
                f"has {found} bytes; the memory of a meter has {size}", file=str(path)
            )

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        return os.pread(self._file, length, offset)

    def program(self, offset: int, step: bytes) -> None:
        """Write one step of at most ``STEP_BYTES``. It survives the death of the process."""
        os.pwrite(self._file, step[:STEP_BYTES], offset)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
