"""A medium that loses its power in the middle of a write, as flash does."""

import random


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
