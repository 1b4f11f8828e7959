"""Writing every piece of bytes to a file that :mod:`kwhub.links.replay` can play again."""

from pathlib import Path
from typing import TextIO

from kwhub.domain.errors import ConfigError
from kwhub.links.base import Link
from kwhub.links.capture import Direction, Record
from kwhub.links.layers.layer import Layer
from kwhub.runtime.clock import Clock

__all__ = ["Captured"]


class Captured(Layer):
    """Appends a line for each read and each write; see :mod:`kwhub.links.capture`."""

    def __init__(self, inner: Link, file: str | Path, clock: Clock) -> None:
        """Capture a link to a file that is made, or appended to, and closed with the link.

        Raises:
            ConfigError: the file cannot be opened.
        """
        super().__init__(inner)
        self._clock = clock
        try:
            # Line by line on disk: the last bytes before a crash are the ones that one wants to see.
            self._file: TextIO = Path(file).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115
        except OSError as error:
            raise ConfigError(f"the capture cannot be written: {error}", file=str(file)) from error

    async def read(self) -> bytes:
        """See Link."""
        data = await self.inner.read()
        self._write_down("rx", data)
        return data

    async def write(self, data: bytes) -> None:
        """See Link."""
        self._write_down("tx", data)  # first, so that no answer ever stands before its request
        await self.inner.write(data)

    async def aclose(self) -> None:
        """See Link."""
        try:
            await self.inner.aclose()
        finally:
            self._file.close()

    def _write_down(self, direction: Direction, data: bytes) -> None:
        if not self._file.closed:
            record = Record(self._clock.monotonic(), self._clock.now(), direction, data)
            self._file.write(record.to_line())
