"""Counts that survive a power cut at any moment: two logs in turn, of which the one that is not written is whole.

A record holds the totals of all channels, so every record is a snapshot and the newest good one is the truth.
Records go by turns to two files that only grow; a file is emptied when it is full, and only while the other
one holds the newest record. So whatever a cut does to the file that is being written (a part of a record, a
page of flash that lost what it had before), the record before it stands in the other file. A record is on the
medium when ``commit`` returns: what was counted after the last commit is lost when the supply goes without
warning, and nothing else is; a supply that warns long enough for one commit loses nothing.

Source: kwhub; the idea of two slots is that of ``kwhub.prepay.memory``, made into logs so that flash is worn evenly.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from kwhub.catalog.terminal_profile import CHANNELS
from kwhub.domain.errors import LocalError

__all__ = ["LOG_BYTES", "RECORD_BYTES", "CountLog", "Counts", "FileMedium", "Medium"]

RECORD_BYTES: Final = 256
LOG_BYTES: Final = 64 * 1024
"""A log that is so long is emptied at its next turn."""

_BODY: Final = struct.Struct(f"<4sQqHH{CHANNELS}Q{CHANNELS}I{CHANNELS}x")
_MAGIC: Final = b"KWC1"
_CHECK_BYTES: Final = 4
_PADDING: Final = bytes(RECORD_BYTES - _BODY.size - _CHECK_BYTES)
_NAMES: Final = ("counts-a.log", "counts-b.log")
_U32_MAX: Final = (1 << 32) - 1


class Medium(Protocol):
    """Two files on something that keeps them without power."""

    def read(self, name: str) -> bytes:
        """Return the whole file; empty when there is none."""

    def append(self, name: str, data: bytes) -> None:
        """Write behind the end of a file and return when it is there to stay. Raises OSError."""

    def clear(self, name: str) -> None:
        """Empty a file and return when it is empty to stay. Raises OSError."""


class FileMedium:
    """Files in a folder.

    Args:
        folder: made where there is none.
        alone: keep every other terminal out until ``close`` (flock(2), Linux): two would write over each other's counts.

    Raises:
        OSError: the folder cannot be made or written.
        LocalError: another terminal counts there.
    """

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._claim = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if alone:
                fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._claim)
            raise LocalError(f"{folder} is in use by another terminal") from None
        self._files = {
            name: os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            for name in _NAMES
        }
        os.fsync(self._claim)  # the names are there to stay, too

    def read(self, name: str) -> bytes:
        """See Medium."""
        file = self._files[name]
        return os.pread(file, os.fstat(file).st_size, 0)

    def append(self, name: str, data: bytes) -> None:
        """See Medium."""
        file = self._files[name]
        if os.write(file, data) != len(data):
            raise OSError(f"{name}: only a part could be written")
        os.fdatasync(file)

    def clear(self, name: str) -> None:
        """See Medium."""
        file = self._files[name]
        os.ftruncate(file, 0)
        os.fsync(file)

    def close(self) -> None:
        """Close the files."""
        for file in (*self._files.values(), self._claim):
            with suppress(OSError):
                os.close(file)


@dataclass(frozen=True, slots=True)
class Counts:
    """What all channels have counted.

    Attributes:
        totals: pulses of each channel, never less than before.
        implausible: pulses of each channel that came faster than any load.
        levels: bit n is the last level of channel n+1 that stayed.
        at_ms: moment of the record, ms since 1970-01-01 UTC, for people.
    """

    totals: tuple[int, ...] = (0,) * CHANNELS
    implausible: tuple[int, ...] = (0,) * CHANNELS
    levels: int = 0
    at_ms: int = 0


class CountLog:
    """The newest counts on a medium, which nobody else writes.

    Attributes:
        durable: what the medium holds.
    """

    def __init__(self, medium: Medium) -> None:
        """Find the newest record. Raises OSError when the medium cannot be read."""
        self._medium = medium
        self._lengths = dict.fromkeys(_NAMES, LOG_BYTES)  # emptied before first use: a torn end
        self._holder = _NAMES[1]
        self._sequence = 0
        self.durable = Counts()
        for name in _NAMES:
            for sequence, counts in _records(medium.read(name)):
                if sequence > self._sequence:
                    self._sequence, self.durable, self._holder = sequence, counts, name

    def commit(self, counts: Counts) -> None:
        """Make counts durable; afterwards ``durable`` is what was given.

        Raises:
            LocalError: a total is less than before, or too large.
            OSError: the medium refused; the counts before stand, and the next commit tries again.
        """
        if any(new < old for new, old in zip(counts.totals, self.durable.totals, strict=True)):
            raise LocalError("a count never goes back")
        target = _NAMES[self._holder == _NAMES[0]]
        record = _record(self._sequence + 1, counts)
        length = self._lengths[target]
        self._lengths[target] = LOG_BYTES  # until it is written well: to be emptied first
        if length + RECORD_BYTES > LOG_BYTES:
            self._medium.clear(target)
            length = 0
        self._medium.append(target, record)
        self._lengths[target] = length + RECORD_BYTES
        self._sequence += 1
        self._holder, self.durable = target, counts


def _record(sequence: int, counts: Counts) -> bytes:
    implausible = (min(count, _U32_MAX) for count in counts.implausible)
    try:
        body = _BODY.pack(
            _MAGIC, sequence, counts.at_ms, counts.levels, 0, *counts.totals, *implausible
        )
    except struct.error as error:
        raise LocalError(f"these counts do not fit into a record: {error}") from None
    body += _PADDING
    return body + zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")


def _records(raw: bytes) -> Iterator[tuple[int, Counts]]:
    """Every whole record of a log with its number."""
    for at in range(0, len(raw) - RECORD_BYTES + 1, RECORD_BYTES):
        record = raw[at : at + RECORD_BYTES]
        body, check = record[:-_CHECK_BYTES], record[-_CHECK_BYTES:]
        if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != check:
            continue
        magic, sequence, at_ms, levels, _flags, *numbers = _BODY.unpack_from(body)
        if magic == _MAGIC:
            totals, implausible = tuple(numbers[:CHANNELS]), tuple(numbers[CHANNELS:])
            yield sequence, Counts(totals, implausible, levels, at_ms)
