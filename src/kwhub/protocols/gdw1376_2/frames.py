"""Frames: whole length, control byte, information field R, addresses, AFN, DT, data, checksum.

Source: Q/GDW 1376.2-2013, clause 4.3, read in the text of Q/GDW 10376.2-2019.

    68 | L L | C | R (6) | [A1 (6) A2 (6 a relay) A3 (6)] | AFN DT1 DT2 data | CS | 16

``L`` counts the whole frame with both delimiters; CS is the sum from C to the last byte of the data.
"""

from dataclasses import dataclass

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376_2.layouts import ADDRESS
from kwhub.protocols.gdw1376_2.routes import ROUTE_BYTES, DownRoute, UpRoute
from kwhub.wire.checksums import sum8

__all__ = [
    "ADDRESS_BYTES",
    "BROADCAST",
    "END",
    "FRAME_BYTES_MIN",
    "HEAD_BYTES",
    "HPLC",
    "NARROW_BAND",
    "RADIO",
    "START",
    "Addresses",
    "Control",
    "Frame13762",
    "frame",
    "functions_of",
    "mark_of",
    "parse",
    "parse_body",
]

START, END = 0x68, 0x16
HEAD_BYTES = 3
"""68 and the length."""
FRAME_BYTES_MIN = 15
ADDRESS_BYTES = 6
BROADCAST = "999999999999"
NARROW_BAND, HPLC, RADIO = 1, 3, 10
"""Communication modes; 2 is distributed narrow-band, 20 Ethernet; 3 came with the 2019 edition."""

_BODY = 10  # index of AFN in a frame without addresses


@dataclass(frozen=True, slots=True)
class Control:
    """Control byte C.  Source: clause 4.3.3."""

    up: bool  #: DIR: from the module
    primary: bool  #: PRM: from who started the exchange
    mode: int = NARROW_BAND  #: D5-D0

    @classmethod
    def from_byte(cls, value: int) -> "Control":
        """Any byte has a meaning."""
        return cls(bool(value & 0x80), bool(value & 0x40), value & 0x3F)

    def to_byte(self) -> int:
        """The byte on the wire. Raises LocalError."""
        if not 0 <= self.mode <= 0x3F:
            raise LocalError(f"communication mode {self.mode} does not fit six bits")
        return self.up << 7 | self.primary << 6 | self.mode


@dataclass(frozen=True, slots=True)
class Addresses:
    """Address field; it stands there only while the module flag of R is set."""

    source: str  #: A1: down the master node, up the slave; 12 digits
    target: str  #: A3: down the slave, up the master node
    relays: tuple[str, ...] = ()  #: A2, only down

    def to_bytes(self) -> bytes:
        """A1, A2 and A3. Raises LocalError."""
        return b"".join(ADDRESS.encode(one) for one in (self.source, *self.relays, self.target))


@dataclass(frozen=True, slots=True)
class Frame13762:
    """One frame; ``to_bytes`` of what ``parse`` gave is the same bytes again."""

    control: Control
    info: bytes  #: the six bytes of R, reserved bits included
    afn: int
    mark: bytes  #: DT1 DT2
    data: bytes = b""
    addresses: Addresses | None = None

    @property
    def up(self) -> bool:
        """From module to concentrator."""
        return self.control.up

    @property
    def route(self) -> DownRoute | UpRoute:
        """R, taken apart by the direction of the frame."""
        return UpRoute.from_bytes(self.info) if self.up else DownRoute.from_bytes(self.info)

    @property
    def sequence(self) -> int:
        """Message sequence number, which an answer repeats."""
        return self.info[-1]

    @property
    def functions(self) -> tuple[int, ...]:
        """F numbers of DT; more than one, or none, is wrong here but occurs."""
        return functions_of(self.mark)

    @property
    def function(self) -> int:
        """The one function; 0 when DT does not name exactly one."""
        found = self.functions
        return found[0] if len(found) == 1 else 0

    def to_bytes(self) -> bytes:
        """The whole frame. Raises LocalError."""
        has_addresses = bool(self.info[0] & 4)
        if len(self.info) != ROUTE_BYTES or has_addresses != (self.addresses is not None):
            raise LocalError("the module flag of R and the address field contradict")
        where = self.addresses.to_bytes() if self.addresses else b""
        user = bytes([self.control.to_byte()]) + self.info + where
        user += bytes([self.afn]) + self.mark + self.data
        size = len(user) + HEAD_BYTES + 2
        if size > 0xFFFF:
            raise LocalError(f"{size} bytes, a frame has at most 65535")
        return b"\x68" + size.to_bytes(2, "little") + user + bytes([sum8(user), END])


def functions_of(mark: bytes) -> tuple[int, ...]:
    """Functions of DT1 DT2, ascending.

    >>> functions_of(bytes.fromhex("0201")), functions_of(bytes.fromhex("800D"))
    ((10,), (112,))
    """
    return tuple(mark[1] * 8 + bit + 1 for bit in range(8) if mark[0] >> bit & 1)


def mark_of(function: int) -> bytes:
    """DT1 DT2 of a function. Raises LocalError."""
    if not 1 <= function <= 2048:
        raise LocalError(f"there is no F{function}")
    return bytes([1 << (function - 1) % 8, (function - 1) // 8])


def frame(
    control: Control,
    route: DownRoute | UpRoute,
    content: tuple[int, int, bytes],
    addresses: Addresses | None = None,
) -> Frame13762:
    """A frame from its parts; ``content`` is AFN, function and data. Raises LocalError."""
    afn, function, data = content
    return Frame13762(control, route.to_bytes(), afn, mark_of(function), data, addresses)


def parse(raw: bytes) -> Frame13762:
    """Decode exactly one frame.

    Raises:
        DecodeError: with the kind ``truncated``, ``start_missing``, ``length_too_small``,
            ``length_mismatch``, ``checksum_mismatch``, ``end_missing``, ``trailing_bytes`` or
            ``address_too_short``.
    """
    if raw and raw[0] != START:
        raise DecodeError("start_missing", f"{raw[0]:02X} where 68 belongs", offset=0)
    if len(raw) < HEAD_BYTES:
        raise DecodeError("truncated", f"{len(raw)} bytes are not even a head")
    stated = int.from_bytes(raw[1:3], "little")
    if stated < FRAME_BYTES_MIN:
        detail = f"L is {stated}, the shortest frame has {FRAME_BYTES_MIN} bytes"
        raise DecodeError("length_too_small", detail, field="L", offset=1)
    _check_size(raw, stated)
    if raw[-1] != END:
        raise DecodeError("end_missing", f"{raw[-1]:02X} where 16 belongs", offset=stated - 1)
    if (total := sum8(raw[HEAD_BYTES:-2])) != raw[-2]:
        detail = f"checksum {raw[-2]:02X}, computed {total:02X}"
        raise DecodeError("checksum_mismatch", detail, field="CS", offset=stated - 2)
    return parse_body(raw)


def _check_size(raw: bytes, stated: int) -> None:
    found = len(raw)
    if found == stated:
        return
    if found > stated and raw[stated - 1] == END and sum8(raw[3 : stated - 2]) == raw[stated - 2]:
        detail = f"{found - stated} bytes after the frame"
        raise DecodeError("trailing_bytes", detail, offset=stated)
    closed = found >= FRAME_BYTES_MIN and raw[-1] == END and sum8(raw[3:-2]) == raw[-2]
    if found < stated and not closed:
        raise DecodeError("truncated", f"{found} bytes of a frame of {stated}")
    detail = f"L says {stated} bytes, the frame has {found} (L counts the whole frame)"
    raise DecodeError("length_mismatch", detail, field="L", offset=1)


def parse_body(raw: bytes) -> Frame13762:
    """Decode a frame whose length, checksum and end are right. Raises DecodeError."""
    control, info = Control.from_byte(raw[3]), raw[4:_BODY]
    at, addresses = _BODY, None
    if info[0] & 4:
        relays = 0 if control.up else info[0] >> 4
        at += ADDRESS_BYTES * (2 + relays)
        if at + 5 > len(raw):
            detail = f"no room for the address field with {relays} relays"
            raise DecodeError("address_too_short", detail, field="A", offset=_BODY)
        found = [ADDRESS.decode(raw[one : one + 6]) for one in range(_BODY, at, ADDRESS_BYTES)]
        addresses = Addresses(found[0], found[-1], tuple(found[1:-1]))
    return Frame13762(control, info, raw[at], raw[at + 1 : at + 3], raw[at + 3 : -2], addresses)
