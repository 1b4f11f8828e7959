"""What a frame carries: header and records, fixed counters, an application error, an order.

Source: EN 13757-3, clauses on CI 50 to 7A and B8 to BF; fixed data structure (CI 73).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

from kwhub.domain.errors import DecodeError
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.fixed import FIXED_BYTES, read_fixed
from kwhub.protocols.mbus.frames import FrameMbus
from kwhub.protocols.mbus.identity import HEADER_BYTES, Identity
from kwhub.protocols.mbus.records import MORE_FOLLOW, Record, read_records

__all__ = ["RECORDS_MAX", "Telegram", "read_telegram"]

RECORDS_MAX = 256
"""More than a frame can hold."""
SHORT_HEADER_BYTES = 4
_AT_DATA = 7  # of a long frame
_VENDORS_FROM = 0xA0
_HIGH_FIRST = frozenset({0x55, 0x56, 0x76, 0x77})


@dataclass(frozen=True, slots=True)
class Telegram:
    """The content of a frame.

    Attributes:
        kind: ``ack``, ``request``, ``data``, ``fixed``, ``app_error``, ``alarm``, ``order``.
        error: the first thing that is wrong in it; what stood before is there.
        more: another telegram of the same answer follows.
    """

    kind: str
    frame: FrameMbus
    identity: Identity | None = None
    access_number: int | None = None
    status: int | None = None
    signature: int | None = None
    code: int | None = None  #: of an application error, None when it says none
    records: tuple[Record, ...] = ()
    error: DecodeError | None = None
    more: bool = False
    medium: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def read_telegram(frame: FrameMbus) -> Telegram:
    """Read what a frame carries. Never raises: ``error`` says what is wrong."""
    if frame.ci is None:
        return Telegram("ack" if frame.service == "ACK" else "request", frame)
    if frame.ci in _HIGH_FIRST:
        detail = f"CI {frame.ci:02X} sends the high byte first"
        error = DecodeError("unsupported_ci", detail, field="CI", offset=6)
        return Telegram("order" if frame.from_master else "data", frame, error=error)
    if frame.from_master:
        return _order(frame)
    reader = _ANSWERS.get(frame.ci)
    if reader is not None:
        return reader(frame)
    detail = f"CI {frame.ci:02X} is no answer that the standard knows"
    return Telegram("data", frame, error=DecodeError("ci_unknown", detail, field="CI", offset=6))


def _coded(frame: FrameMbus) -> Telegram:
    kind = "app_error" if frame.ci == c.CI_ERROR else "alarm"
    return Telegram(kind, frame, code=frame.data[0] if frame.data else None)


def _variable(frame: FrameMbus) -> Telegram:
    data = frame.data
    if len(data) < HEADER_BYTES:
        # A vendor's telegram that has no header but goes by this CI.
        return Telegram("data", frame, error=_cut(HEADER_BYTES, data))
    made = Telegram(
        "data",
        frame,
        identity=Identity.from_bytes(data[:8]),
        access_number=data[8],
        status=data[9],
        signature=int.from_bytes(data[10:12], "little"),
        medium=data[7],
    )
    return _with_records(made, HEADER_BYTES)


def _short(frame: FrameMbus) -> Telegram:
    data = frame.data
    if len(data) < SHORT_HEADER_BYTES:
        return Telegram("data", frame, error=_cut(SHORT_HEADER_BYTES, data))
    signature = int.from_bytes(data[2:4], "little")
    made = Telegram("data", frame, access_number=data[0], status=data[1], signature=signature)
    return _with_records(made, SHORT_HEADER_BYTES)


def _fixed(frame: FrameMbus) -> Telegram:
    data = frame.data
    if len(data) < FIXED_BYTES:
        return Telegram("fixed", frame, error=_cut(FIXED_BYTES, data))
    medium, records = read_fixed(data)
    identity = Identity(data[3::-1].hex().upper())
    error = None
    if len(data) > FIXED_BYTES:
        detail = f"{len(data) - FIXED_BYTES} bytes behind the fixed structure"
        error = DecodeError("stray_trailing_bytes", detail, offset=_AT_DATA + FIXED_BYTES)
    made = Telegram("fixed", frame, identity, data[4], data[5], medium=medium)
    return _replaced(made, records, error)


def _order(frame: FrameMbus) -> Telegram:
    data, ci = frame.data, frame.ci or 0
    made = Telegram("order", frame)
    if ci in c.BAUD_BY_CI:
        made = Telegram("order", frame, fields={"baud": c.BAUD_BY_CI[ci]})
    elif ci == c.CI_RESET:
        made = Telegram("order", frame, code=data[0] if data else 0)
    elif ci == c.CI_SELECT and len(data) < Identity.BYTES:
        made = Telegram("order", frame, error=_cut(Identity.BYTES, data))
    elif ci == c.CI_SELECT:
        made = Telegram("order", frame, identity=Identity.from_bytes(data[: Identity.BYTES]))
        made = _with_records(made, Identity.BYTES)
    elif ci == c.CI_SEND:
        made = _with_records(made, 0)
    elif ci not in c.CI_NAMES and ci < _VENDORS_FROM:
        detail = f"CI {ci:02X} is no order that the standard knows"
        error = DecodeError("ci_unknown", detail, field="CI", offset=6)
        made = Telegram("order", frame, error=error)
    return made


def _with_records(made: Telegram, start: int) -> Telegram:
    records: list[Record] = []
    error = None
    try:
        records.extend(islice(read_records(made.frame.data[start:]), RECORDS_MAX))
    except DecodeError as problem:
        # The list keeps what came before: extend takes records one by one.
        at = None if problem.offset is None else problem.offset + start + _AT_DATA
        error = DecodeError(problem.kind, problem.detail, field=problem.field, offset=at)
    return _replaced(made, tuple(records), error)


def _replaced(made: Telegram, records: tuple[Record, ...], error: DecodeError | None) -> Telegram:
    return Telegram(
        made.kind,
        made.frame,
        made.identity,
        made.access_number,
        made.status,
        made.signature,
        made.code,
        records,
        error,
        bool(records) and records[-1].function == MORE_FOLLOW,
        made.medium,
        made.fields,
    )


def _cut(size: int, data: bytes) -> DecodeError:
    detail = f"{len(data)} bytes where at least {size} belong"
    return DecodeError("data_short", detail, field="data", offset=_AT_DATA + len(data))


_ANSWERS: Mapping[int, Callable[[FrameMbus], Telegram]] = MappingProxyType(
    {
        c.CI_ERROR: _coded,
        c.CI_ALARM: _coded,
        c.CI_VARIABLE: _variable,
        c.CI_SHORT_HEADER: _short,
        c.CI_NO_HEADER: lambda frame: _with_records(Telegram("data", frame), 0),
        c.CI_FIXED: _fixed,
    }
)
