"""A medium that loses its power in the middle of a write, as flash does."""

import os
import random
from pathlib import Path

from kwhub.terminal.countlog import FileMedium


class PowerLost(Exception):
    """The supply is gone; nothing more is written."""


class Flash:
    """Two files in RAM. A write that is cut leaves a part of itself, then rubbish; it may also spoil the
    page that it was going into, with what stood there before."""

    page_bytes = 4096

    def __init__(self, chance: random.Random) -> None:
        self.files: dict[str, bytearray] = {}
        self.cut_in: int | None = None  #: bytes that are still written
        self.writes = 0
        self._chance = chance

    def read(self, name: str) -> bytes:
        return bytes(self.files.get(name, b""))

    def append(self, name: str, data: bytes) -> None:
        self.writes += 1
        file = self.files.setdefault(name, bytearray())
        if self.cut_in is None or self.cut_in >= len(data):
            file += data
            if self.cut_in is not None:
                self.cut_in -= len(data)
            return
        file += data[: self.cut_in] + self._chance.randbytes(self._chance.choice((0, 3, 300)))
        if self._chance.random() < 0.5:
            page = len(file) // self.page_bytes * self.page_bytes
            file[page:] = self._chance.randbytes(len(file) - page)
        raise PowerLost

    def clear(self, name: str) -> None:
        self.writes += 1
        file = self.files.setdefault(name, bytearray())
        if self.cut_in is not None and self._chance.random() < 0.2:
            del file[self._chance.randrange(len(file) + 1) :]
            raise PowerLost
        file.clear()


class TornFiles(FileMedium):
    """The real files of a terminal, on a disk that loses its power in the middle of a write: what reaches the
    file is a part of the record, then rubbish, and sometimes rubbish over the whole page that it was going into."""

    page_bytes = 4096

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder)
        self.cut_in: int | None = None  #: bytes that are still written
        self.torn = self.spoilt = self.emptied = 0
        self._folder, self._chance = folder, chance

    def append(self, name: str, data: bytes) -> None:
        """See Medium."""
        if self.cut_in is None or self.cut_in >= len(data):
            super().append(name, data)
            return
        self.torn += 1
        rubbish = self._chance.randbytes(self._chance.choice((0, 3, 300)))
        os.write(self._files[name], data[: self.cut_in] + rubbish)
        if self._chance.random() < 0.5:
            self._spoil(self._folder / name)
        raise PowerLost

    def clear(self, name: str) -> None:
        """See Medium."""
        if self.cut_in is not None and self._chance.random() < 0.5:
            self.emptied += 1
            length = len(self.read(name))
            os.ftruncate(self._files[name], self._chance.randrange(length + 1))
            raise PowerLost
        super().clear(name)

    def _spoil(self, path: Path) -> None:
        self.spoilt += 1
        with path.open("r+b") as file:
            length = file.seek(0, os.SEEK_END)
            start = length // self.page_bytes * self.page_bytes
            file.seek(start)
            file.write(self._chance.randbytes(length - start))
