"""A whole capture at once: bytes to columns of numbers, for millions of frames.

Frames are found and checked for all bytes together, and the digits of equal answers are read together.
What is no plain number (times, texts, load records, requests, refusals, values that do not fit) goes the
ordinary way, so that nothing is lost and both ways say the same.

Needs numpy, which the extra ``kwhub[headend]`` brings; import this module only where it is used.

Source: DL/T 645-2007, clause 5.2 (frame) and annex A (packed BCD, sign in the top bit).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.control import READ, READ_1997
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import (
    ANSWER,
    DATA_BYTES_MAX,
    END,
    OVERHEAD_BYTES,
    START,
    Frame645,
    parse,
)
from kwhub.protocols.dlt645.items import Value, decode, find
from kwhub.protocols.dlt645.layouts import Single

try:
    import numpy as np
    from numpy.typing import NDArray
except ModuleNotFoundError as error:  # pragma: no cover - an installation without the extra
    raise ModuleNotFoundError(
        "reading captures in bulk needs numpy: install kwhub[headend]", name="numpy"
    ) from error

__all__ = ["Columns", "Other", "decode_capture", "values_of"]

_HEAD_BYTES: Final = 10
"""Bytes of a frame before its data."""
_SIX_BYTES: Final = np.uint64(0xFFFF_FFFF_FFFF)
_PADDING_BYTES: Final = 8
"""Zeros after the capture, so that the first bytes of the last frame can be taken like all others."""
_OFFSET_33: Final = np.uint8(0x33)
_SIGN: Final = np.uint8(0x80)
_SIZE_MAX: Final = 9
"""Most value bytes whose digits fit into 64 bits."""

_READ_ANSWERS: Final = {
    ANSWER | READ: Edition.E2007,
    ANSWER | READ_1997: Edition.E1997,
}
"""Control bytes of answers that hold whole values."""

_Ints = NDArray[np.int64]
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Other:
    """A frame whose values are no plain numbers.

    Attributes:
        offset: place of its first 68 in the capture.
        values: what an answer holds; empty for everything else, and where there is a problem.
        problem: why the values of an answer cannot be read.
    """

    offset: int
    frame: Frame645
    values: tuple[Value, ...] = ()
    problem: DecodeError | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """A capture as columns, one row for each number, in the order of the line.

    Attributes:
        address: the twelve digits of the meter, four bits each: ``f"{address:012X}"`` prints it.
        identifier: as a number: 0x00010000, or 0x9010 in 1997. No number of the one edition is one of
            the other: those of 1997 are 9000 to FFFF, and 2007 has nothing there.
        value: the digits with their sign, the point left out; 0 where there is no value.
        scale: number of decimals: the quantity is ``value / 10**scale``; 0 where there is no value.
        offset: place of the first 68 of the frame in the capture; rows of one block share it.
        valid: False where the meter says that it has no value (all FF).
        others: every other frame.
        frames: number of all good frames.
        stray_bytes: bytes outside of all frames, wake-up bytes among them.
    """

    address: NDArray[np.uint64]
    identifier: NDArray[np.uint32]
    value: _Ints
    scale: NDArray[np.int8]
    offset: _Ints
    valid: NDArray[np.bool_]
    others: tuple[Other, ...]
    frames: int
    stray_bytes: int

    def __len__(self) -> int:
        return len(self.value)

    def quantities(self) -> list[Decimal | None]:
        """The exact numbers; None where there is no value."""
        return [
            Decimal(value).scaleb(-scale) if valid else None
            for value, scale, valid in zip(
                self.value.tolist(), self.scale.tolist(), self.valid.tolist(), strict=True
            )
        ]


class _Number(NamedTuple):
    """One number in a payload: where it stands and how it reads."""

    identifier: int
    start: int
    size: int
    scale: int
    signed: bool


class _Batch(NamedTuple):
    """Numbers of equal frames: each array has a row for each number and a column for each frame."""

    frames: _Ints  #: which frames, as places in the list of all frames
    numbers: tuple[_Number, ...]
    value: _Ints
    valid: NDArray[np.bool_]


def decode_capture(data: bytes) -> Columns:
    """Every frame in the bytes of a line, whichever end sent it. Never raises for any bytes.

    >>> columns = decode_capture(bytes.fromhex("6838000000000068910833333433 6B333333 7216") * 2)
    >>> columns.value.tolist(), columns.scale.tolist(), columns.offset.tolist()
    ([38, 38], [2, 2], [0, 20])
    """
    raw = np.frombuffer(data + bytes(_PADDING_BYTES), dtype=np.uint8)
    starts, stops = _frames(raw)
    batches: list[_Batch] = []
    is_row = np.zeros(len(starts), dtype=np.bool_)
    for key, frames in _alike(_keys(raw, starts)):
        numbers = _plan(key)
        if numbers:
            batch = _read(raw, starts, frames, numbers)
            is_row[batch.frames] = True
            batches.append(batch)
    others = tuple(
        _other(data, start, stop)
        for start, stop in zip(starts[~is_row].tolist(), stops[~is_row].tolist(), strict=True)
    )
    stray_bytes = len(data) - int((stops - starts).sum())
    return _columns(raw, starts, batches, others, stray_bytes)


def values_of(frame: Frame645) -> list[Value]:
    """The values in one frame, the ordinary way; none when it is no whole answer to a read.

    Raises:
        DecodeError: see ``items.decode``.
    """
    edition = _READ_ANSWERS.get(frame.control)
    size = edition.identifier_bytes if edition else 0
    if edition is None or len(frame.data) <= size:
        return []
    return decode(int.from_bytes(frame.data[:size], "little"), frame.data[size:], edition)


def _frames(raw: _Bytes) -> tuple[_Ints, _Ints]:
    """First place of each good frame and the place after its last, as the receiver finds them."""
    room = max(len(raw) - OVERHEAD_BYTES + 1, 0)
    starts = np.flatnonzero((raw[:room] == START) & (raw[7 : room + 7] == START))
    lengths = raw[starts + 9]
    kept = lengths <= DATA_BYTES_MAX
    starts = starts[kept]
    stops = starts + OVERHEAD_BYTES + lengths[kept]
    kept = stops <= len(raw)
    starts, stops = starts[kept], stops[kept]
    kept = raw[stops - 1] == END
    starts, stops = starts[kept], stops[kept]
    bounds = np.stack((starts, stops - 2), axis=1).ravel()
    sums = np.add.reduceat(raw, bounds, dtype=np.uint8)[::2]  # every other one is that of a gap
    kept = sums == raw[stops - 2]
    return _apart(starts[kept], stops[kept])


def _apart(starts: _Ints, stops: _Ints) -> tuple[_Ints, _Ints]:
    """Without what only looks like a frame inside of a frame that came before."""
    if not (starts[1:] < stops[:-1]).any():
        return starts, stops
    kept: list[int] = []
    free_from = 0
    for number, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        if start >= free_from:
            kept.append(number)
            free_from = stop
    return starts[kept], stops[kept]


def _keys(raw: _Bytes, starts: _Ints) -> _Ints:
    """Control byte, length and the first four data bytes of each frame in one number.

    What follows a short frame stands in for data bytes that it does not have: another key then, but
    never a wrong one, because the length is a part of it.
    """
    return _numbers(raw, starts + 8).astype(np.int64)


def _numbers(raw: _Bytes, places: _Ints) -> NDArray[np.uint64]:
    """The six bytes from each place on as one number, the first byte lowest."""
    every_place = np.ndarray((len(raw) - 7,), dtype="<u8", buffer=raw, strides=(1,))
    numbers: NDArray[np.uint64] = every_place[places] & _SIX_BYTES
    return numbers


def _alike(keys: _Ints) -> Iterator[tuple[int, _Ints]]:
    """Each key with the frames that have it."""
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    yield from zip(ordered[first].tolist(), np.split(order, first[1:]), strict=False)


@lru_cache(maxsize=4096)
def _plan(key: int) -> tuple[_Number, ...]:
    """Where the numbers stand in frames of one key; nothing when they are no plain numbers only.

    Zeros are read the ordinary way: what comes out tells which values there are and which of them
    are numbers.
    """
    control, length, *head = key.to_bytes(6, "little")
    edition = _READ_ANSWERS.get(control)
    if edition is None or length <= edition.identifier_bytes:
        return ()
    size = edition.identifier_bytes
    identifier = int.from_bytes(bytes((byte - 0x33) & 0xFF for byte in head[:size]), "little")
    try:
        values = decode(identifier, bytes(length - size), edition)
    except DecodeError:
        return ()
    numbers: list[_Number] = []
    start = _HEAD_BYTES + size
    for value in values:
        number = _number(value, start, edition)
        if number is None:
            return ()
        numbers.append(number)
        start += number.size
    return tuple(numbers) if start == _HEAD_BYTES + length else ()


def _number(value: Value, start: int, edition: Edition) -> _Number | None:
    """How a value reads, when it is one number under an identifier of its own."""
    identifier = int(value.identifier, 16)
    item = find(identifier, edition)
    if item is None or not isinstance(item.layout, Single) or not isinstance(value.value, Decimal):
        return None
    exponent = value.value.as_tuple().exponent
    size = item.layout.shape.size
    if not isinstance(exponent, int) or size > _SIZE_MAX:
        return None
    return _Number(identifier, start, size, -exponent, item.signed)


def _read(raw: _Bytes, starts: _Ints, frames: _Ints, numbers: tuple[_Number, ...]) -> _Batch:
    """The numbers of equal frames; a frame with digits that are none is left out."""
    first, last = numbers[0].start, numbers[-1].start + numbers[-1].size
    # One row for each byte: what is done to a byte of all frames is done to a run of memory.
    payload = raw[starts[frames] + np.arange(first, last)[:, np.newaxis]] - _OFFSET_33
    value = np.zeros((len(numbers), len(frames)), dtype=np.int64)
    valid = np.zeros((len(numbers), len(frames)), dtype=np.bool_)
    good = np.ones(len(frames), dtype=np.bool_)
    for row, number in enumerate(numbers):
        digits = payload[number.start - first : number.start - first + number.size]
        missing = (digits == 0xFF).all(axis=0)
        value[row], decimal = _from_bcd(digits, signed=number.signed)
        valid[row] = ~missing
        good &= decimal | missing
    if not good.all():
        frames, value, valid = frames[good], value[:, good], valid[:, good]
    value[~valid] = 0
    return _Batch(frames, numbers, value, valid)


def _from_bcd(digits: _Bytes, *, signed: bool) -> tuple[_Ints, NDArray[np.bool_]]:
    """Numbers from packed digits, low byte in the first row; and which of them are decimal."""
    negative = None
    if signed:
        negative = digits[-1] >= _SIGN
        digits = digits.copy()
        digits[-1] &= ~_SIGN
    high, low = digits >> 4, digits & 0x0F
    decimal: NDArray[np.bool_] = np.logical_and.reduce((high <= 9) & (low <= 9))
    pairs = high * np.uint8(10) + low
    value = np.zeros(digits.shape[1], dtype=np.int64)
    for pair in pairs[::-1]:
        value *= 100
        value += pair
    if negative is not None:
        np.negative(value, out=value, where=negative)
    return value, decimal


def _other(data: bytes, start: int, stop: int) -> Other:
    frame = parse(data[start:stop])  # cannot raise: these bytes have passed every test
    try:
        return Other(start, frame, tuple(values_of(frame)))
    except DecodeError as problem:
        return Other(start, frame, problem=problem)


def _columns(
    raw: _Bytes, starts: _Ints, batches: list[_Batch], others: tuple[Other, ...], stray_bytes: int
) -> Columns:
    """Put the rows of all batches into the order of the line."""
    counts = np.zeros(len(starts), dtype=np.int64)
    for batch in batches:
        counts[batch.frames] = len(batch.numbers)
    rows = int(counts.sum())
    first = np.cumsum(counts) - counts
    identifier = np.zeros(rows, dtype=np.uint32)
    value = np.zeros(rows, dtype=np.int64)
    scale = np.zeros(rows, dtype=np.int8)
    valid = np.zeros(rows, dtype=np.bool_)
    for batch in batches:
        at = first[batch.frames]
        for column, number in enumerate(batch.numbers):
            identifier[at + column] = number.identifier
            value[at + column] = batch.value[column]
            valid[at + column] = batch.valid[column]
            scale[at + column] = np.where(batch.valid[column], number.scale, 0)
    return Columns(
        address=np.repeat(_numbers(raw, starts + 1), counts),
        identifier=identifier,
        value=value,
        scale=scale,
        offset=np.repeat(starts, counts),
        valid=valid,
        others=others,
        frames=len(starts),
        stray_bytes=stray_bytes,
    )
