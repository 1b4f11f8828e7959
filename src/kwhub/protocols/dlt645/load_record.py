"""The body of a load record: one stored moment with up to six classes of values.

Source: DL/T 645-2007, annex B (format of load record blocks), with table A.7 for the identifiers.
Single source: no capture of a real load record was found.

One record on the wire, low byte of each value first::

    A0 A0 | length | YY MM DD hh mm | class 1 AA | class 2 AA | ... | class 6 AA | sum | E5

``E0 E0`` at the head marks a record that the meter itself found faulty. A class that the mode word
04000901 leaves out has no bytes before its AA. The sum is taken over everything from the first
byte to the last AA.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.wire.checksums import sum8
from kwhub.wire.codecs import Bcd, fmt

__all__ = [
    "CLASSES",
    "LoadField",
    "LoadRecord",
    "class_bytes",
    "decode_records",
    "encode_record",
    "record_bytes",
]

HEAD = b"\xa0\xa0"
FAULTY_HEAD = b"\xe0\xe0"
SEPARATOR = 0xAA
TAIL = 0xE5

HEAD_BYTES = 3
"""Two start bytes and the length."""
TIME_BYTES = 5
TAIL_BYTES = 2
"""The sum and E5."""

LENGTH_SURPLUS = (0, 1, TAIL_BYTES, HEAD_BYTES + TAIL_BYTES)
"""What the length byte may count beyond the bytes from the time to the last AA.

The standard does not say where counting stops. We send 0; of a peer we accept also the sum, the sum
and E5, or the whole record: the sum and E5 at the expected place decide which of them it was.
"""


class LoadField(NamedTuple):
    """One value of a class."""

    register: str  #: OBIS code
    name_en: str
    name_zh: str
    unit: str
    codec: Bcd


_VOLTAGE = fmt("XXX.X")
_CURRENT = fmt("XXX.XXX", signed=True)
_POWER = fmt("XX.XXXX", signed=True)
_FACTOR = fmt("X.XXX", signed=True)
_FREQUENCY = fmt("XX.XX")
_ENERGY = fmt("XXXXXX.XX")
_NET_ENERGY = fmt("XXXXXX.XX", signed=True)

CLASSES: Mapping[int, tuple[LoadField, ...]] = MappingProxyType(
    {
        1: (
            LoadField("1-0:32.7.0", "voltage A", "A相电压", "V", _VOLTAGE),
            LoadField("1-0:52.7.0", "voltage B", "B相电压", "V", _VOLTAGE),
            LoadField("1-0:72.7.0", "voltage C", "C相电压", "V", _VOLTAGE),
            LoadField("1-0:31.7.0", "current A", "A相电流", "A", _CURRENT),
            LoadField("1-0:51.7.0", "current B", "B相电流", "A", _CURRENT),
            LoadField("1-0:71.7.0", "current C", "C相电流", "A", _CURRENT),
            LoadField("1-0:14.7.0", "grid frequency", "电网频率", "Hz", _FREQUENCY),
        ),
        2: (
            LoadField("1-0:16.7.0", "active power total", "总有功功率", "kW", _POWER),
            LoadField("1-0:36.7.0", "active power A", "A相有功功率", "kW", _POWER),
            LoadField("1-0:56.7.0", "active power B", "B相有功功率", "kW", _POWER),
            LoadField("1-0:76.7.0", "active power C", "C相有功功率", "kW", _POWER),
            LoadField("1-0:131.7.0", "reactive power total", "总无功功率", "kvar", _POWER),
            LoadField("1-0:151.7.0", "reactive power A", "A相无功功率", "kvar", _POWER),
            LoadField("1-0:171.7.0", "reactive power B", "B相无功功率", "kvar", _POWER),
            LoadField("1-0:191.7.0", "reactive power C", "C相无功功率", "kvar", _POWER),
        ),
        3: (
            LoadField("1-0:13.7.0", "power factor total", "总功率因数", "", _FACTOR),
            LoadField("1-0:33.7.0", "power factor A", "A相功率因数", "", _FACTOR),
            LoadField("1-0:53.7.0", "power factor B", "B相功率因数", "", _FACTOR),
            LoadField("1-0:73.7.0", "power factor C", "C相功率因数", "", _FACTOR),
        ),
        4: (
            LoadField(
                "1-0:1.8.0", "forward active energy, total", "正向有功总电能", "kWh", _ENERGY
            ),
            LoadField(
                "1-0:2.8.0", "reverse active energy, total", "反向有功总电能", "kWh", _ENERGY
            ),
            LoadField(
                "1-0:3.8.0",
                "combined reactive 1 energy, total",
                "组合无功1总电能",
                "kvarh",
                _NET_ENERGY,
            ),
            LoadField(
                "1-0:4.8.0",
                "combined reactive 2 energy, total",
                "组合无功2总电能",
                "kvarh",
                _NET_ENERGY,
            ),
        ),
        5: (
            LoadField(
                "1-0:5.8.0",
                "quadrant 1 reactive energy, total",
                "第一象限无功总电能",
                "kvarh",
                _ENERGY,
            ),
            LoadField(
                "1-0:6.8.0",
                "quadrant 2 reactive energy, total",
                "第二象限无功总电能",
                "kvarh",
                _ENERGY,
            ),
            LoadField(
                "1-0:7.8.0",
                "quadrant 3 reactive energy, total",
                "第三象限无功总电能",
                "kvarh",
                _ENERGY,
            ),
            LoadField(
                "1-0:8.8.0",
                "quadrant 4 reactive energy, total",
                "第四象限无功总电能",
                "kvarh",
                _ENERGY,
            ),
        ),
        6: (
            LoadField("1-0:1.4.0", "present active demand", "当前有功需量", "kW", _POWER),
            LoadField("1-0:3.4.0", "present reactive demand", "当前无功需量", "kvar", _POWER),
        ),
    }
)
"""The values of each class in wire order; bit ``class - 1`` of the mode word 04000901 selects it."""

ALL_CLASSES = (1 << len(CLASSES)) - 1


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One stored moment.

    Attributes:
        time: wall time of the meter at which the values were stored.
        classes: values of each class that was stored, in the order of ``CLASSES``; None where the
            meter says that there is no value.
        faulty: the meter marked the record as faulty (E0 E0).
    """

    time: datetime
    classes: Mapping[int, tuple[Decimal | None, ...]]
    faulty: bool = False


def class_bytes(number: int) -> int:
    """Bytes of the values of one class, without the AA."""
    return sum(field.codec.size for field in CLASSES[number])


def record_bytes(classes: Sequence[int]) -> int:
    """Bytes of a whole record that holds these classes, from A0 A0 to E5."""
    body = TIME_BYTES + len(CLASSES) + sum(class_bytes(number) for number in classes)
    return HEAD_BYTES + body + TAIL_BYTES


def encode_record(
    time: datetime,
    classes: Mapping[int, Sequence[Decimal | None]],
    *,
    faulty: bool = False,
) -> bytes:
    """Bytes of one record.

    Args:
        time: naive wall time of the meter; seconds are not stored.
        classes: class number (1 to 6) -> its values in the order of ``CLASSES``.
        faulty: mark the record with E0 E0.

    Raises:
        LocalError: unknown class, wrong number of values, or a value that does not fit.
    """
    unknown = set(classes) - set(CLASSES)
    if unknown:
        raise LocalError(f"load record classes are 1 to {len(CLASSES)}, not {sorted(unknown)}")
    body = bytearray(bytes.fromhex(f"{time:%y%m%d%H%M}"))
    for number in CLASSES:
        body += _encode_class(number, classes[number]) if number in classes else b""
        body.append(SEPARATOR)
    head = FAULTY_HEAD if faulty else HEAD
    record = head + bytes([len(body)]) + body
    return record + bytes([sum8(record), TAIL])


def _encode_class(number: int, values: Sequence[Decimal | None]) -> bytes:
    fields = CLASSES[number]
    if len(values) != len(fields):
        raise LocalError(f"class {number} has {len(fields)} values, not {len(values)}")
    return b"".join(field.codec.encode(value) for field, value in zip(fields, values, strict=True))


def decode_records(payload: bytes, mode: int | None = None) -> list[LoadRecord]:
    """All records of an answer, in the order of the wire.

    Args:
        payload: value bytes of the whole answer, follow-up frames joined, identifier left out.
            Nothing at all means that no record matches (DL/T 645-2007, code 11).
        mode: mode word 04000901 if it is known; otherwise it is worked out from the lengths.

    Raises:
        DecodeError: ``load_record_head``, ``load_record_truncated``, ``load_record_tail`` or
            ``load_record_layout``, with the offset in the payload.
    """
    records: list[LoadRecord] = []
    start = 0
    while start < len(payload):
        record, start = _decode_one(payload, start, mode)
        records.append(record)
    return records


def _decode_one(payload: bytes, start: int, mode: int | None) -> tuple[LoadRecord, int]:
    head = payload[start : start + 2]
    if head not in (HEAD, FAULTY_HEAD):
        raise DecodeError(
            "load_record_head",
            f"a record starts with A0 A0, not {head.hex(' ').upper()}",
            offset=start,
        )
    body_stop = _body_stop(payload, start)
    body = payload[start + HEAD_BYTES : body_stop]
    try:
        time, classes = _decode_body(body, mode)
    except DecodeError as error:
        raise DecodeError(error.kind, error.detail, field="load record", offset=start) from error
    return LoadRecord(time, classes, faulty=head == FAULTY_HEAD), body_stop + TAIL_BYTES


def _body_stop(payload: bytes, start: int) -> int:
    """Offset behind the last AA, where the sum stands."""
    if start + HEAD_BYTES > len(payload):
        raise DecodeError("load_record_truncated", "the record ends in its head", offset=start)
    length = payload[start + 2]
    reachable = False
    for surplus in LENGTH_SURPLUS:
        stop = start + HEAD_BYTES + length - surplus
        if stop + TAIL_BYTES > len(payload) or stop <= start + HEAD_BYTES:
            continue
        reachable = True
        if payload[stop + 1] == TAIL and payload[stop] == sum8(payload[start:stop]):
            return stop
    if not reachable:
        raise DecodeError(
            "load_record_truncated", f"a record of {length} bytes is cut short", offset=start
        )
    raise DecodeError("load_record_tail", "sum and E5 do not close the record", offset=start)


def _decode_body(
    body: bytes, mode: int | None
) -> tuple[datetime, Mapping[int, tuple[Decimal | None, ...]]]:
    time = _decode_time(body[:TIME_BYTES])
    found = list(_readings(body[TIME_BYTES:], mode))
    if len(found) != 1:
        why = "fits no set of classes" if not found else "fits more than one set of classes"
        raise DecodeError("load_record_layout", f"a record body of {len(body)} bytes {why}")
    return time, MappingProxyType(found[0])


def _decode_time(raw: bytes) -> datetime:
    """YY MM DD hh mm, high byte first (unlike every other time of the standard)."""
    digits = raw.hex()
    try:
        return datetime.fromisoformat(f"20{digits[:6]}T{digits[6:]}")
    except ValueError:
        raise DecodeError("bad_time", f"{raw.hex().upper()} is no YYMMDDhhmm") from None


def _readings(body: bytes, mode: int | None) -> Iterator[dict[int, tuple[Decimal | None, ...]]]:
    """Every way to read the classes of a body; AA is no BCD digit pair, so one way is the rule."""
    wanted = None if mode is None else _chosen(mode & ALL_CLASSES)
    for chosen in _LAYOUTS.get(len(body), ()):
        if wanted is not None and chosen != wanted:
            continue
        values = _try_layout(body, chosen)
        if values is not None:
            yield values


def _try_layout(
    body: bytes, chosen: tuple[int, ...]
) -> dict[int, tuple[Decimal | None, ...]] | None:
    values: dict[int, tuple[Decimal | None, ...]] = {}
    position = 0
    for number, fields in CLASSES.items():
        if number in chosen:
            try:
                values[number] = _decode_class(body[position:], fields)
            except DecodeError:
                return None
            position += _CLASS_BYTES[number]
        if body[position] != SEPARATOR:
            return None
        position += 1
    return values


def _decode_class(raw: bytes, fields: tuple[LoadField, ...]) -> tuple[Decimal | None, ...]:
    values: list[Decimal | None] = []
    position = 0
    for field in fields:
        values.append(field.codec.decode(raw[position : position + field.codec.size]))
        position += field.codec.size
    return tuple(values)


def _chosen(mask: int) -> tuple[int, ...]:
    return tuple(number for number in CLASSES if mask >> (number - 1) & 1)


def _layouts() -> dict[int, tuple[tuple[int, ...], ...]]:
    """The sets of classes that a body of so many bytes (without time) may hold."""
    layouts: dict[int, tuple[tuple[int, ...], ...]] = {}
    for chosen in map(_chosen, range(ALL_CLASSES + 1)):
        size = len(CLASSES) + sum(_CLASS_BYTES[number] for number in chosen)
        layouts[size] = (*layouts.get(size, ()), chosen)
    return layouts


_CLASS_BYTES = {number: class_bytes(number) for number in CLASSES}
_LAYOUTS = _layouts()
