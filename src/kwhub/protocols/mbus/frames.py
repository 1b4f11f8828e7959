"""Frames of the link layer.

Source: EN 13757-2 (FT1.2 of IEC 60870-5-1): single character E5, short, control and long frame.
"""

from dataclasses import dataclass
from enum import Enum

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.mbus.control import FROM_MASTER, SND_NKE, service_of
from kwhub.wire.checksums import sum8

__all__ = [
    "ACK",
    "ACK_FRAME",
    "DATA_BYTES_MAX",
    "LONG_OVERHEAD_BYTES",
    "SHORT_BYTES",
    "START_LONG",
    "START_SHORT",
    "STOP",
    "FrameMbus",
    "Kind",
    "parse",
]

ACK, START_SHORT, START_LONG, STOP = 0xE5, 0x10, 0x68, 0x16
SHORT_BYTES = 5
LONG_OVERHEAD_BYTES = 6
"""Of a long frame, beside the bytes that L counts."""
_HEAD_BYTES = 4
_LENGTH_MIN, _LENGTH_MAX = 3, 255
DATA_BYTES_MAX = _LENGTH_MAX - _LENGTH_MIN


class Kind(Enum):
    """The four forms of a frame."""

    ACK = "ack"
    SHORT = "short"
    CONTROL = "control"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class FrameMbus:
    """One frame; an acknowledgement has no fields, a short one neither CI nor data."""

    kind: Kind
    control: int = 0
    address: int = 0
    ci: int | None = None
    data: bytes = b""

    @classmethod
    def short(cls, control: int, address: int) -> "FrameMbus":
        """A short frame."""
        return cls(Kind.SHORT, control, address)

    @classmethod
    def long(cls, control: int, address: int, ci: int, data: bytes = b"") -> "FrameMbus":
        """A long frame; without data it is a control frame. Raises LocalError when too long."""
        if len(data) > DATA_BYTES_MAX:
            raise LocalError(f"{len(data)} bytes of data; a frame carries {DATA_BYTES_MAX}")
        return cls(Kind.LONG if data else Kind.CONTROL, control, address, ci, data)

    @property
    def from_master(self) -> bool:
        """Whether a master sends such a frame."""
        return self.kind is not Kind.ACK and bool(self.control & FROM_MASTER)

    @property
    def service(self) -> str | None:
        """Name of the link service, None when the control field is none."""
        return "ACK" if self.kind is Kind.ACK else service_of(self.control)

    def to_bytes(self) -> bytes:
        """The bytes on the wire."""
        if self.kind is Kind.ACK:
            return bytes([ACK])
        body = bytes([self.control, self.address])
        if self.kind is Kind.SHORT:
            return bytes([START_SHORT, *body, sum8(body), STOP])
        body += bytes([self.ci or 0]) + self.data
        size = len(body)
        return bytes([START_LONG, size, size, START_LONG, *body, sum8(body), STOP])


ACK_FRAME = FrameMbus(Kind.ACK)


def parse(raw: bytes) -> FrameMbus:
    """Read one whole frame.

    Raises:
        DecodeError: ``truncated``, ``start_missing``, ``length_mismatch``, ``length_out_of_range``,
            ``end_missing``, ``checksum_mismatch``, ``stray_trailing_bytes`` or ``control_unknown``.
    """
    if not raw:
        raise DecodeError("truncated", "no bytes at all", field="start", offset=0)
    if raw[0] == ACK:
        _whole(raw, 1)
        return ACK_FRAME
    if raw[0] == START_SHORT:
        _whole(raw, SHORT_BYTES)
        return _closed(raw, 1)
    _check_head(raw)
    _whole(raw, raw[1] + LONG_OVERHEAD_BYTES)
    return _closed(raw, _HEAD_BYTES)


def _check_head(raw: bytes) -> None:
    if raw[0] != START_LONG:
        detail = f"begins with {raw[0]:02X}; a frame begins with 68, 10 or E5"
        raise DecodeError("start_missing", detail, field="start", offset=0)
    if len(raw) < _HEAD_BYTES:
        raise DecodeError("truncated", "the head is cut", field="length", offset=len(raw))
    if raw[1] != raw[2]:
        detail = f"the two lengths differ: {raw[1]:02X} and {raw[2]:02X}"
        raise DecodeError("length_mismatch", detail, field="length", offset=1)
    if raw[3] != START_LONG:
        detail = f"{raw[3]:02X} where the second 68 belongs"
        raise DecodeError("start_missing", detail, field="start", offset=3)
    if raw[1] < _LENGTH_MIN:
        detail = f"length {raw[1]}; the least is {_LENGTH_MIN}"
        raise DecodeError("length_out_of_range", detail, field="length", offset=1)


def _whole(raw: bytes, size: int) -> None:
    if len(raw) < size:
        detail = f"{len(raw)} bytes of {size}"
        raise DecodeError("truncated", detail, field="length", offset=len(raw))
    if len(raw) > size:
        detail = f"{len(raw) - size} bytes behind the frame"
        raise DecodeError("stray_trailing_bytes", detail, field="stop", offset=size)


def _closed(raw: bytes, at: int) -> FrameMbus:
    body, last = raw[at:-2], len(raw) - 1
    if raw[last] != STOP:
        detail = f"{raw[last]:02X} where 16 belongs"
        raise DecodeError("end_missing", detail, field="stop", offset=last)
    if sum8(body) != raw[last - 1]:
        detail = f"checksum {raw[last - 1]:02X}, computed {sum8(body):02X}"
        raise DecodeError("checksum_mismatch", detail, field="checksum", offset=last - 1)
    control = body[0]
    short = at == 1
    if service_of(control) is None or (short and not control & FROM_MASTER):
        detail = f"control field {control:02X} is no service"
        raise DecodeError("control_unknown", detail, field="control", offset=at)
    if not short and control == SND_NKE:
        detail = "a link reset is a short frame"
        raise DecodeError("control_unknown", detail, field="control", offset=at)
    if short:
        return FrameMbus.short(control, body[1])
    return FrameMbus.long(control, body[1], body[2], body[3:])
