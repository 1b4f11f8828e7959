"""Value bytes of an item to single named values, and back.

Source: DL/T 645-2007, annex A and annex B; DL/T 645-1997, annex A (blocks closed by AA).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.load_record import CLASSES, LoadRecord, decode_records
from kwhub.protocols.dlt645.notation import FieldCodec, Plain

__all__ = [
    "Block",
    "Label",
    "Layout",
    "LoadRecords",
    "Opaque",
    "OpenBlock",
    "Repeating",
    "Shape",
    "Single",
    "Slot",
    "Value",
    "take_values",
    "wrong_length",
]

_NEW = tuple.__new__
"""Makes a named tuple in half the time."""

BLOCK_END = 0xAA
"""Some 1997 meters close a block with it; no BCD digit pair looks like it."""


class Value(NamedTuple):
    """One decoded value."""

    register: str | None  #: OBIS code, None where no register is known
    identifier: str  #: as people write it, high byte first: ``00010000``
    name_en: str
    name_zh: str
    value: Plain
    unit: str


class Label(NamedTuple):
    """What a value is called: a ``Value`` without its value."""

    register: str | None
    identifier: str
    name_en: str
    name_zh: str
    unit: str

    def value(self, value: Plain) -> Value:
        """The value under this name."""
        return Value(self.register, self.identifier, self.name_en, self.name_zh, value, self.unit)


class Slot(NamedTuple):
    """What stands for one field: how to read it and what it is called."""

    codec: FieldCodec
    label: Label

    def value(self, raw: bytes) -> Value:
        """The named value of the bytes of the field."""
        return self.label.value(self.codec.decode(raw))


class Shape(NamedTuple):
    """Bytes and values of a layout: those that are always there, and those of each further round."""

    size: int
    round_size: int = 0
    values: int = 1
    round_values: int = 0

    def rounds(self, length: int) -> tuple[int, int]:
        """Number of rounds in so many bytes, and what is left over (not 0 when it does not fit)."""
        if not self.round_size:
            return 0, length - self.size
        return divmod(length - self.size, self.round_size) if length >= self.size else (0, 1)


class Layout(Protocol):
    """Value bytes of one item, identifier left out."""

    @property
    def shape(self) -> Shape:
        """Bytes and values."""

    def decode(self, payload: bytes) -> list[Value]:
        """Every value. Raises DecodeError; a length that the table does not know is one."""

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of the values that ``decode`` gives. Raises LocalError."""


def wrong_length(payload: bytes, expected: str) -> DecodeError:
    """The error for a length that the tables do not know."""
    return DecodeError(
        "value_length_mismatch", f"{len(payload)} value bytes came where {expected} belong"
    )


def take_values(values: Sequence[Plain], count: int) -> Sequence[Plain]:
    """Insist on a number of values. Raises LocalError."""
    if len(values) != count:
        raise LocalError(f"{count} values belong to this item, not {len(values)}")
    return values


class Single:
    """One field. By far the most common item, so everything is worked out before."""

    def __init__(self, slot: Slot) -> None:
        self.shape = Shape(slot.codec.size)
        self._size = slot.codec.size
        self._codec = slot.codec
        self._read = slot.codec.decode
        self._register, self._identifier, self._name_en, self._name_zh, self._unit = slot.label

    def decode(self, payload: bytes) -> list[Value]:
        """The one value."""
        if len(payload) != self._size:
            raise wrong_length(payload, str(self._size))
        return [
            _NEW(
                Value,
                (
                    self._register,
                    self._identifier,
                    self._name_en,
                    self._name_zh,
                    self._read(payload),
                    self._unit,
                ),
            )
        ]

    def value(self, raw: bytes) -> Value:
        """The value of exactly the bytes of the field."""
        return _NEW(
            Value,
            (
                self._register,
                self._identifier,
                self._name_en,
                self._name_zh,
                self._read(raw),
                self._unit,
            ),
        )

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of the one value."""
        return self._codec.encode(take_values(values, 1)[0])


class Repeating:
    """Fields in a row, then perhaps a group that repeats to the end of the bytes.

    Args:
        fixed: the fields that are always there.
        round_slots: the slots of the n-th round of the repeated group, counted from 0.
        rounds_max: most rounds there can be; 0 when nothing repeats.
    """

    def __init__(
        self,
        fixed: Sequence[Slot],
        round_slots: Callable[[int], Sequence[Slot]] | None = None,
        rounds_max: int = 0,
    ) -> None:
        self._fixed = tuple(fixed)
        self._round_slots = round_slots
        self._rounds_max = rounds_max
        self._rounds_made: list[tuple[Slot, ...]] = []
        first = self.round_slots(0)
        self.shape = Shape(
            sum(slot.codec.size for slot in self._fixed),
            sum(slot.codec.size for slot in first),
            len(self._fixed),
            len(first),
        )

    def decode(self, payload: bytes) -> list[Value]:
        """The values of the fixed fields, then those of each round."""
        rounds = self._rounds(payload)
        values: list[Value] = []
        position = 0
        for slot in self._slots(rounds):
            stop = position + slot.codec.size
            values.append(slot.value(payload[position:stop]))
            position = stop
        return values

    def encode(self, values: Sequence[Plain]) -> bytes:
        """As many rounds as there are values for."""
        rounds = (len(values) - self.shape.values) // max(self.shape.round_values, 1)
        slots = list(self._slots(rounds))
        take_values(values, len(slots))
        return b"".join(slot.codec.encode(value) for slot, value in zip(slots, values, strict=True))

    def round_slots(self, number: int) -> Sequence[Slot]:
        """The slots of the n-th round, counted from 0."""
        while len(self._rounds_made) <= number and self._round_slots:
            self._rounds_made.append(tuple(self._round_slots(len(self._rounds_made))))
        return self._rounds_made[number] if self._rounds_made else ()

    def _slots(self, rounds: int) -> Iterator[Slot]:
        yield from self._fixed
        for number in range(rounds):
            yield from self.round_slots(number)

    def _rounds(self, payload: bytes) -> int:
        rounds, rest = self.shape.rounds(len(payload))
        nothing = self.shape.round_size > 0 and not payload
        if rest or nothing or rounds > self._rounds_max:
            size, each = self.shape[:2]
            raise wrong_length(payload, f"{size} and {each} for each round" if each else str(size))
        return rounds


class Opaque:
    """Bytes whose layout the tables do not give: shown in the order of the wire.

    Args:
        size: number of bytes; None when it varies.
    """

    def __init__(self, label: Label, size: int | None) -> None:
        self._label = label._replace(register=None, unit="")
        self._size = size
        self.shape = Shape(size or 0, 0 if size else 1, 1)

    def decode(self, payload: bytes) -> list[Value]:
        """One value: the hexadecimal digits."""
        if self._size is not None and len(payload) != self._size:
            raise wrong_length(payload, str(self._size))
        return [self._label.value(payload.hex().upper())]

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of the hexadecimal digits."""
        (value,) = take_values(values, 1)
        try:
            raw = bytes.fromhex(str(value))
        except ValueError:
            raise LocalError(f"{value!r} is not made of hexadecimal digits") from None
        if self._size is not None and len(raw) != self._size:
            raise LocalError(f"{len(raw)} bytes where {self._size} belong")
        return raw


class LoadRecords:
    """Records of class 06; their own module knows the layout."""

    shape = Shape(0, 1, 0, 1)

    def __init__(self, label: Label) -> None:
        self._identifier = label.identifier

    def decode(self, payload: bytes) -> list[Value]:
        """For each record its time, then every value that was stored."""
        return [value for record in decode_records(payload) for value in self._values(record)]

    def encode(self, values: Sequence[Plain]) -> bytes:
        """Not from loose values: ``load_record.encode_record`` takes the classes."""
        raise LocalError(
            f"a load record is made by encode_record, not of {len(values)} loose values"
        )

    def _values(self, record: LoadRecord) -> Iterator[Value]:
        time = f"{record.time:%Y-%m-%d %H:%M}"
        yield Value(None, self._identifier, "record time", "记录时间", time, "")
        for number, values in record.classes.items():
            for field, value in zip(CLASSES[number], values, strict=True):
                names = (field.name_en, field.name_zh)
                yield Value(field.register, self._identifier, *names, value, field.unit)


class Block:
    """The values of other items, one after the other; rounds that repeat are equally many in each.

    Args:
        members: the items, in the order of the wire.
        optional: items that follow on some meters.
        otherwise: takes over when the length fits no number of rounds.
        closed: the block may end with AA (1997).
    """

    def __init__(
        self,
        members: Sequence[Layout],
        *,
        optional: Sequence[Layout] = (),
        otherwise: Layout | None = None,
        closed: bool = False,
    ) -> None:
        self._members = tuple(members)
        self._closed = closed
        self._longer = (*self._members, *optional)
        self._otherwise = otherwise
        self.shape = _sum(self._members)

    def decode(self, payload: bytes) -> list[Value]:
        """The values of every member, each under its own identifier."""
        members = self._members
        if self._closed and len(payload) == self.shape.size + 1 and payload[-1] == BLOCK_END:
            payload = payload[:-1]
        if len(payload) > self.shape.size and not self.shape.round_size:
            members = self._longer
        shape = _sum(members)
        rounds, rest = shape.rounds(len(payload))
        if rest and self._otherwise is not None:
            return self._otherwise.decode(payload)
        if rest:
            raise wrong_length(payload, str(shape.size))
        values: list[Value] = []
        position = 0
        for member in members:
            stop = position + member.shape.size + rounds * member.shape.round_size
            values += member.decode(payload[position:stop])
            position = stop
        return values

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of all values, in the order that ``decode`` gives them."""
        members = self._members if len(values) <= self.shape.values else self._longer
        shape = _sum(members)
        rounds = (len(values) - shape.values) // max(shape.round_values, 1)
        raw = b""
        position = 0
        for member in members:
            stop = position + member.shape.values + rounds * member.shape.round_values
            raw += member.encode(values[position:stop])
            position = stop
        take_values(values, position)
        return raw


class OpenBlock:
    """As many members as the meter has in use: tariffs, slots, zones, holidays.

    Args:
        runs: all members that there could be, once for each settlement day that the block covers.
        closed: the block may end with AA (1997).
    """

    def __init__(self, runs: Sequence[Sequence[Layout]], *, closed: bool = False) -> None:
        self._runs = tuple(tuple(run) for run in runs)
        self._closed = closed
        self._size = self._runs[0][0].shape.size
        self._unit = self._size * len(self._runs)
        self.shape = Shape(0, self._unit, 0, len(self._runs))
        self._in_use = lru_cache(maxsize=None)(self._members)

    def decode(self, payload: bytes) -> list[Value]:
        """The values of every member, each under its own identifier."""
        if self._closed and len(payload) % self._unit == 1 and payload[-1] == BLOCK_END:
            payload = payload[:-1]
        count, rest = divmod(len(payload), self._unit)
        if rest or not 0 < count <= len(self._runs[0]):
            raise wrong_length(payload, f"{self._unit} for each that the meter has in use")
        return [
            value for member, part in self._in_use(count) for value in member.decode(payload[part])
        ]

    def _members(self, count: int) -> tuple[tuple[Layout, slice], ...]:
        """The members of a block with so many in use, and where their bytes stand."""
        members = [member for run in self._runs for member in run[:count]]
        starts = range(0, self._size * len(members), self._size)
        return tuple(
            (member, slice(start, start + self._size))
            for start, member in zip(starts, members, strict=True)
        )

    def encode(self, values: Sequence[Plain]) -> bytes:
        """The bytes of as many members as there are values for."""
        each = self._runs[0][0].shape.values
        count = len(values) // (len(self._runs) * each)
        if not 0 < count <= len(self._runs[0]):
            raise LocalError(f"{len(values)} values do not fill this block")
        members = self._in_use(count)
        take_values(values, len(members) * each)
        return b"".join(
            member.encode(values[number * each : (number + 1) * each])
            for number, (member, _) in enumerate(members)
        )


def _sum(members: Sequence[Layout]) -> Shape:
    return Shape(
        *(sum(column) for column in zip(*(member.shape for member in members), strict=True))
    )
