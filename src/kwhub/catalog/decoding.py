"""Any frame of any known protocol into plain fields and values.

A frame is *valid* when its framing is right: the bytes arrived as they were sent. The *error* is the
first thing that is wrong with it, which may also lie in what a valid frame says, such as the
thirteenth month.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

from kwhub.catalog.mbus import register_of
from kwhub.catalog.names import from_gdw_curve, from_gdw_day_freeze
from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.readings import Register
from kwhub.protocols.dlt645 import diagnose, items
from kwhub.protocols.dlt645 import explain as explain_645
from kwhub.protocols.dlt645 import frames as frames_645
from kwhub.protocols.dlt645 import summary as summary_645
from kwhub.protocols.dlt645.control import edition_of
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.receiver import Received as Received645
from kwhub.protocols.dlt645.receiver import Receiver as Receiver645
from kwhub.protocols.gdw1376 import explain as explain_1376
from kwhub.protocols.gdw1376 import frames as frames_1376
from kwhub.protocols.gdw1376 import receiver as receiver_1376
from kwhub.protocols.gdw1376 import summary as summary_1376
from kwhub.protocols.gdw1376.frames import STANDARD, Profile
from kwhub.protocols.gdw1376_2 import explain as explain_13762
from kwhub.protocols.gdw1376_2 import frames as frames_13762
from kwhub.protocols.gdw1376_2 import receiver as receiver_13762
from kwhub.protocols.gdw1376_2 import summary as summary_13762
from kwhub.protocols.gdw1376_2.guess import looks_like as looks_like_13762
from kwhub.protocols.irmodule import explain as explain_module
from kwhub.protocols.irmodule import frames as frames_module
from kwhub.protocols.irmodule import receiver as receiver_module
from kwhub.protocols.mbus import explain as explain_mbus
from kwhub.protocols.mbus import frames as frames_mbus
from kwhub.protocols.mbus import receiver as receiver_mbus
from kwhub.protocols.mbus import summary as summary_mbus
from kwhub.protocols.mbus.telegrams import read_telegram
from kwhub.wire.explain import Explanation

__all__ = [
    "GDW13762",
    "MBUS",
    "PROTOCOLS",
    "Decoded",
    "DecodedValue",
    "decode",
    "detect",
    "explain",
    "split",
]

DLT645_2007 = Edition.E2007.value
DLT645_1997 = Edition.E1997.value
GDW1376 = "gdw1376.1"
GDW13762 = "gdw1376.2"
MBUS = "mbus"
IRMODULE = "irmodule"
PROTOCOLS = (DLT645_2007, DLT645_1997, GDW1376, GDW13762, MBUS, IRMODULE)

_AFN_DAY_DATA = 0x0D
_FREEZES = {0x0C: range(129, 137), _AFN_DAY_DATA: range(161, 169)}
"""Functions with the total and each tariff of one quantity, in the same order in both AFN."""
_ENERGY_UNITS = ("kWh", "kvarh")


@dataclass(frozen=True, slots=True)
class DecodedValue:
    """One value in a frame."""

    register: str | None  #: OBIS code, None where the item is no register
    identifier: str  #: as the protocol writes it: ``00010000``, ``0D-F101``
    name: str
    name_zh: str
    value: Decimal | str | None  #: None: the meter says that there is no value
    unit: str
    point: int | None = None  #: of the uplink: which measuring point
    time: str | None = None  #: of the uplink: wall time of a point of a curve
    details: Mapping[str, Any] = field(default_factory=dict)  #: what else the protocol says of it


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, or bytes that are none."""

    raw: bytes
    protocol: str
    valid: bool
    error: DecodeError | None = None
    frame: Mapping[str, Any] = field(default_factory=dict)  #: empty when there is no frame
    values: tuple[DecodedValue, ...] = ()


def detect(raw: bytes) -> str:
    """The protocol that bytes look like; a guess, DL/T 645-2007, when they look like none.

    The uplink has 68 at bytes 0 and 5 with the doubled length between; DL/T 645 has 68 at bytes 0
    and 7 after any FE, and its function code tells the edition. The module interface has one 68 and
    states its whole length; where that is right it is one, and else when the rest looks like it. M-Bus
    has 68 at bytes 0 and 3 with the doubled length between, or is a short frame or E5. Bytes without
    any 68 that carry the right sum of the infrared module are its frame.
    """
    return next((name for looks, name in _LOOKS if looks(raw)), None) or _edition_645(raw)


def _looks_like_1376(raw: bytes) -> bool:
    return len(raw) >= 8 and raw[0] == raw[5] == 0x68 and raw[1:3] == raw[3:5]


def _looks_like_645(raw: bytes) -> bool:
    frame = raw.lstrip(b"\xfe")
    return len(frame) > 8 and frame[7] == 0x68


def _edition_645(raw: bytes) -> str:
    frame = raw.lstrip(b"\xfe")
    return edition_of(frame[8]).value if _looks_like_645(raw) else DLT645_2007


_LOOKS: tuple[tuple[Callable[[bytes], bool], str | None], ...] = (
    (explain_mbus.is_whole, MBUS),
    (_looks_like_1376, GDW1376),
    (looks_like_13762, GDW13762),
    (_looks_like_645, None),  # which edition: the function code tells
    (explain_mbus.looks_like, MBUS),
    (explain_module.is_whole, IRMODULE),
)
"""The first that fits decides."""


def split(raw: bytes, profile: Profile = STANDARD) -> list[bytes]:
    """Cut bytes that are several whole frames in a row; anything else stays in one piece."""
    name = detect(raw)
    search, whole = _SEARCHES[name]
    if name == GDW1376:
        search = partial(receiver_1376.Receiver, profile)
    pieces = [item.raw for item in search().feed(raw) if isinstance(item, whole)]
    return pieces if len(pieces) > 1 and b"".join(pieces) == raw else [raw]


def decode(raw: bytes, protocol: str | None = None, *, profile: Profile = STANDARD) -> Decoded:
    """Decode one frame. Never raises for any bytes.

    Args:
        raw: the bytes.
        protocol: one of ``PROTOCOLS``; found by itself when left out.
        profile: edition or province, for frames of the uplink.

    Raises:
        LocalError: there is no such protocol.
    """
    name = detect(raw) if protocol is None else protocol
    if name not in _DECODERS:
        raise LocalError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOLS)}")
    if name == GDW1376:
        return _decode_1376(raw, None, profile)
    return _DECODERS[name](raw, None if protocol is None else name)


def explain(raw: bytes, protocol: str | None = None, *, profile: Profile = STANDARD) -> Explanation:
    """Every byte beside its meaning. Never fails."""
    name = protocol or detect(raw)
    return explain_1376.explain(raw, profile) if name == GDW1376 else _EXPLAINERS[name](raw)


def _decode_645(raw: bytes, forced: str | None) -> Decoded:
    try:
        frame, error = frames_645.parse(raw), None
    except DecodeError as problem:
        error = problem
        first = _first_frame(raw) if problem.kind == "stray_trailing_bytes" else None
        if first is None:
            return Decoded(raw, forced or detect(raw), valid=False, error=problem)
        frame = first
    summary = summary_645.summarise(frame)
    edition = Edition(forced) if forced else summary.edition
    values, problem_inside = _values_645(frame, edition)
    fields = asdict(summary)
    del fields["edition"]
    return Decoded(
        raw,
        edition.value,
        valid=True,
        error=error or diagnose.diagnose(frame) or problem_inside,
        frame=fields,
        values=values,
    )


def _first_frame(raw: bytes) -> frames_645.Frame645 | None:
    for item in Receiver645().feed(raw):
        if isinstance(item, Received645):
            return item.frame
    return None


def _values_645(
    frame: frames_645.Frame645, edition: Edition
) -> tuple[tuple[DecodedValue, ...], DecodeError | None]:
    identifier = summary_645.identifier_in(frame)
    if not frame.is_answer or frame.is_abnormal or identifier is None:
        return (), None
    payload = summary_645.payload_in(frame)
    item = items.find(identifier, edition)
    if not payload or item is None:
        return (), None
    try:
        found = items.decode(identifier, payload, edition)
    except DecodeError as problem:
        text = items.identifier_text(identifier, edition)
        unread = DecodedValue(item.register, text, item.name_en, item.name_zh, None, item.unit)
        return (unread,), problem
    return tuple(
        DecodedValue(
            value.register,
            value.identifier,
            value.name_en,
            value.name_zh,
            _plain(value.value),
            value.unit,
        )
        for value in found
    ), None


def _plain(value: Any) -> Decimal | str | None:
    if value is None or isinstance(value, Decimal | str):
        return value
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def _decode_1376(raw: bytes, _forced: str | None, profile: Profile = STANDARD) -> Decoded:
    try:
        frame = frames_1376.parse(raw, profile)
    except DecodeError as problem:
        return Decoded(raw, GDW1376, valid=False, error=problem)
    summary = asdict(summary_1376.summarise(frame, profile.edition))
    found = summary_1376.values(frame)
    values = tuple(
        DecodedValue(
            register,
            f"{frame.afn:02X}-F{value.function}",
            value.name,
            value.name_zh,
            value.value,
            value.unit,
            value.point,
            None if value.time is None else value.time.isoformat(),
        )
        for value, register in zip(found, _registers_1376(frame.afn, found), strict=True)
    )
    return Decoded(raw, GDW1376, valid=True, frame=summary, values=values)


def _registers_1376(
    afn: int, found: Sequence[summary_1376.FrameValue]
) -> Iterator[Register | None]:
    """The register of each value: a curve has one, a freeze has the total and then the tariffs."""
    freezes = _FREEZES.get(afn, range(0))
    seen: Counter[tuple[int, int]] = Counter()
    for value in found:
        if value.function in freezes and value.unit in _ENERGY_UNITS:
            key = (value.point, value.function)
            seen[key] += 1
            stem = freezes.index(value.function) + _FREEZES[_AFN_DAY_DATA].start
            yield from_gdw_day_freeze(stem, seen[key])[-1]
        elif afn == _AFN_DAY_DATA and value.time is not None:
            yield from_gdw_curve(value.function)
        else:
            yield None


def _decode_13762(raw: bytes, _forced: str | None) -> Decoded:
    try:
        frame = frames_13762.parse(raw)
    except DecodeError as problem:
        return Decoded(raw, GDW13762, valid=False, error=problem)
    fields = summary_13762.summarise(frame)
    values = [
        DecodedValue(
            None, f"{frame.afn:02X}-F{one.function}", one.name, one.name_zh, one.value, one.unit
        )
        for one in summary_13762.values(frame)
    ]
    protocol, carried = summary_13762.inner_frame(frame) or (0, b"")
    if protocol in _CARRIED_645:
        meter_frames = _decoded_inside(carried)
        if meter_frames:
            fields["inner_dlt645"] = b"".join(one.raw for one in meter_frames).hex().upper()
            fields["inner"] = [
                {"protocol": one.protocol, "frame": dict(one.frame)} for one in meter_frames
            ]
            values += [value for one in meter_frames for value in one.values]
    return Decoded(raw, GDW13762, valid=True, frame=fields, values=tuple(values))


_CARRIED_645 = frozenset({1, 2})
"""Protocol types of the module interface that are DL/T 645."""


def _decoded_inside(carried: bytes) -> list[Decoded]:
    """The DL/T 645 frames that another frame carries."""
    found = Receiver645().feed(carried)
    return [_decode_645(one.raw, None) for one in found if isinstance(one, Received645)]


def _decode_mbus(raw: bytes, _forced: str | None) -> Decoded:
    try:
        frame = frames_mbus.parse(raw)
    except DecodeError as problem:
        return Decoded(raw, MBUS, valid=False, error=problem)
    telegram = read_telegram(frame)
    maker = None if telegram.identity is None else telegram.identity.manufacturer
    values = tuple(
        DecodedValue(
            register_of(telegram.medium, record, maker),
            one.identifier,
            one.name,
            one.name_zh,
            one.value,
            one.unit,
            details=one.details,
        )
        for one, record in zip(summary_mbus.values(telegram), telegram.records, strict=True)
    )
    fields = summary_mbus.summarise(telegram)
    return Decoded(raw, MBUS, valid=True, error=telegram.error, frame=fields, values=values)


def _decode_module(raw: bytes, _forced: str | None) -> Decoded:
    try:
        frame = frames_module.parse(raw)
    except DecodeError as problem:
        return Decoded(raw, IRMODULE, valid=False, error=problem)
    fields = explain_module.summarise(frame)
    try:
        found = explain_module.values(frame)
    except DecodeError as problem:
        return Decoded(raw, IRMODULE, valid=True, error=problem, frame=fields)
    values = tuple(
        DecodedValue(None, f"{item.number}.{name}", item.name_en, item.name_zh, number, item.unit)
        for item, name, number in found
    )
    return Decoded(raw, IRMODULE, valid=True, frame=fields, values=values)


_DECODERS: Mapping[str, Callable[[bytes, str | None], Decoded]] = MappingProxyType(
    {
        DLT645_2007: _decode_645,
        DLT645_1997: _decode_645,
        GDW1376: _decode_1376,
        GDW13762: _decode_13762,
        MBUS: _decode_mbus,
        IRMODULE: _decode_module,
    }
)

_EXPLAINERS: Mapping[str, Callable[[bytes], Explanation]] = MappingProxyType(
    {
        DLT645_2007: explain_645.explain,
        DLT645_1997: explain_645.explain,
        GDW1376: explain_1376.explain,
        GDW13762: explain_13762.explain,
        MBUS: explain_mbus.explain,
        IRMODULE: explain_module.explain,
    }
)

_SEARCHES: Mapping[str, tuple[Callable[[], Any], type[Any]]] = MappingProxyType(
    {
        DLT645_2007: (Receiver645, Received645),
        DLT645_1997: (Receiver645, Received645),
        GDW1376: (receiver_1376.Receiver, receiver_1376.Received),
        GDW13762: (receiver_13762.Receiver, receiver_13762.Received),
        MBUS: (receiver_mbus.Receiver, receiver_mbus.Received),
        IRMODULE: (receiver_module.Receiver, receiver_module.Received),
    }
)
"""The receiver of each protocol, and what it calls a whole frame."""
