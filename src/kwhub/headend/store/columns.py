"""A batch of readings as columns, and how it lies in one blob of the journal.

Layout of the blob, version 1, all little-endian: one byte version, four bytes length of a MessagePack list of
register codes, the list, then the columns one after another: meter (4 bytes each), register (2, an
index into the list), interval (4), moment in seconds since 1970 UTC (8), value in millionths (8),
quality (1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from kwhub.domain.errors import DecodeError
from kwhub.domain.readings import Quality

__all__ = ["Columns", "Ints", "concatenate"]

Ints: TypeAlias = NDArray[np.integer[Any]]

VERSION = 1
_HEAD_BYTES = 5
_TYPES = ("<i4", "<u2", "<i4", "<i8", "<i8", "u1")
_ROW_BYTES = sum(np.dtype(each).itemsize for each in _TYPES)


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of any meters, in the order in which they arrived. All arrays have one length.

    A value without quality (``Quality.NULL``) is 0 in ``value`` and means nothing.
    """

    registers: tuple[str, ...]
    meter: Ints
    register: Ints  #: index into ``registers``
    interval: Ints  #: seconds; 0 for an instant
    at: Ints  #: seconds since 1970 UTC
    value: Ints  #: millionths of the register's unit
    quality: Ints

    def __len__(self) -> int:
        return len(self.meter)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[int, str, int, int, int | None]]) -> "Columns":
        """Columns from rows of (meter, register, interval, moment in seconds, value in millionths)."""
        columns = tuple(zip(*rows, strict=True)) or ((),) * 5
        meters, names, intervals, moments, values = columns
        registers = tuple(dict.fromkeys(names))
        numbers = {name: number for number, name in enumerate(registers)}
        return cls(
            registers=registers,
            meter=np.array(meters, "<i4"),
            register=np.array([numbers[name] for name in names], "<u2"),
            interval=np.array(intervals, "<i4"),
            at=np.array(moments, "<i8"),
            value=np.array([value or 0 for value in values], "<i8"),
            quality=np.array(
                [Quality.NULL if value is None else Quality.ACTUAL for value in values], "u1"
            ),
        )

    def take(self, rows: Ints | NDArray[np.bool_]) -> "Columns":
        """Some of the rows, by index or by mask."""
        return Columns(self.registers, *(column[rows] for column in self._arrays()))

    def to_bytes(self) -> bytes:
        """The blob for the journal."""
        names = msgspec.msgpack.encode(self.registers)
        arrays = (
            np.ascontiguousarray(column, dtype=kind).tobytes()
            for column, kind in zip(self._arrays(), _TYPES, strict=True)
        )
        return b"".join((bytes([VERSION]), len(names).to_bytes(4, "little"), names, *arrays))

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Columns":
        """The readings of a blob. Raises DecodeError when it is damaged."""
        if len(raw) < _HEAD_BYTES or raw[0] != VERSION:
            raise DecodeError("journal_version", "not a journal blob of version 1")
        start = _HEAD_BYTES + int.from_bytes(raw[1:_HEAD_BYTES], "little")
        count, rest = divmod(len(raw) - start, _ROW_BYTES)
        if rest or count < 0:
            raise DecodeError("journal_length", f"{len(raw)} bytes hold no whole number of rows")
        names = msgspec.msgpack.decode(raw[_HEAD_BYTES:start], type=tuple[str, ...])
        columns = []
        for kind in _TYPES:
            column = np.frombuffer(raw, kind, count, start)
            columns.append(column)
            start += column.nbytes
        return cls(names, *columns)

    def _arrays(self) -> Sequence[Ints]:
        return (self.meter, self.register, self.interval, self.at, self.value, self.quality)


def concatenate(parts: Sequence[Columns]) -> Columns:
    """All rows of all parts in their order, over one common list of registers."""
    registers = tuple(dict.fromkeys(name for part in parts for name in part.registers))
    numbers = {name: number for number, name in enumerate(registers)}
    renumbered = []
    for part in parts:
        table = np.array([numbers[name] for name in part.registers], "<u2")
        renumbered.append(table[part.register])
    return Columns(
        registers,
        np.concatenate([part.meter for part in parts] or [np.empty(0, "<i4")]),
        np.concatenate(renumbered or [np.empty(0, "<u2")]),
        np.concatenate([part.interval for part in parts] or [np.empty(0, "<i4")]),
        np.concatenate([part.at for part in parts] or [np.empty(0, "<i8")]),
        np.concatenate([part.value for part in parts] or [np.empty(0, "<i8")]),
        np.concatenate([part.quality for part in parts] or [np.empty(0, "u1")]),
    )
