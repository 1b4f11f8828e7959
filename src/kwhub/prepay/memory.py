"""Memory that survives a power cut, written in steps; records in two slots, of which one is whole.

A step of four bytes is either written or not; a cut may come after any of them. A record is
written into the slot that is older, with a sequence number and a check sum behind the content; the
newest slot whose check sum fits is the record. So a cut leaves either the old record or the new.

Source: kwhub; the chips of meters document the same kind of promise for their own records.
"""

import zlib
from typing import Protocol

from kwhub.domain.errors import LocalError

__all__ = ["STEP_BYTES", "Memory", "RamMemory", "TwoSlots"]

STEP_BYTES = 4
_HEAD_BYTES = 4  #: sequence number
_TAIL_BYTES = 4  #: check sum
_SEQUENCES = 1 << 32


class Memory(Protocol):
    """Bytes that stay when the power goes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""

    def program(self, offset: int, step: bytes) -> None:
        """Write one step of at most ``STEP_BYTES``; wholly or not at all."""


class RamMemory:
    """A memory in RAM: for simulated devices that are saved as a whole."""

    def __init__(self, size: int, content: bytes = b"") -> None:
        self.content = bytearray(content.ljust(size, b"\xff"))

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes."""
        return bytes(self.content[offset : offset + length])

    def program(self, offset: int, step: bytes) -> None:
        """Write one step."""
        self.content[offset : offset + len(step)] = step


class TwoSlots:
    """One record of a fixed length in two slots of a memory, which nobody else writes."""

    def __init__(self, memory: Memory, offset: int, length: int) -> None:
        self._memory = memory
        self._offset = offset
        self._length = length
        self._slot_bytes = length + _HEAD_BYTES + _TAIL_BYTES
        self._known: tuple[int, bytes, int] | None = None  #: what was found or written last

    @property
    def size(self) -> int:
        """How many bytes of the memory both slots take."""
        return 2 * self._slot_bytes

    def read(self) -> bytes | None:
        """Return the newest whole record, None when there is none."""
        found = self._newest()
        return None if found is None else found[1]

    def write(self, record: bytes) -> None:
        """Replace the record; after a cut within, ``read`` gives the old or the new one."""
        if len(record) != self._length:
            raise LocalError(f"the record has {self._length} bytes, not {len(record)}")
        found = self._newest()
        sequence, slot = (0, 0) if found is None else ((found[0] + 1) % _SEQUENCES, 1 - found[2])
        body = sequence.to_bytes(_HEAD_BYTES) + record
        body += zlib.crc32(body).to_bytes(_TAIL_BYTES)
        self._known = None  # until the last step is made
        start = self._offset + slot * self._slot_bytes
        for place in range(0, len(body), STEP_BYTES):
            self._memory.program(start + place, body[place : place + STEP_BYTES])
        self._known = sequence, record, slot

    def _newest(self) -> tuple[int, bytes, int] | None:
        if self._known is None:
            self._known = self._look()
        return self._known

    def _look(self) -> tuple[int, bytes, int] | None:
        whole = [found for slot in (0, 1) if (found := self._slot(slot)) is not None]
        if len(whole) == 2:
            first, second = whole
            ahead = (second[0] - first[0]) % _SEQUENCES
            return second if ahead < _SEQUENCES // 2 else first
        return whole[0] if whole else None

    def _slot(self, slot: int) -> tuple[int, bytes, int] | None:
        raw = self._memory.read(self._offset + slot * self._slot_bytes, self._slot_bytes)
        body, check = raw[:-_TAIL_BYTES], raw[-_TAIL_BYTES:]
        if zlib.crc32(body).to_bytes(_TAIL_BYTES) != check:
            return None
        return int.from_bytes(body[:_HEAD_BYTES]), body[_HEAD_BYTES:], slot
