"""Frames of the infrared thermometer module: like Modbus RTU, but with the high byte of the sum first.

    FE..FE  address  control  length  DATA  CRC high  CRC low

DATA begins with an item number; numbers of several bytes have the low byte first.  Control: bit 7
error, bit 6 answer, bits 5..0 the function (03 read, 06 write).

Source: published protocol of the infrared module, clauses 2 to 4 (single source).  Its five printed
examples fix the order of the sum's bytes.
"""

from dataclasses import dataclass
from typing import Final

from kwhub.domain.errors import DecodeError, LocalError

__all__ = [
    "ADDRESS_MAX",
    "ANSWER",
    "BROADCAST",
    "DATA_BYTES_MAX",
    "ERROR",
    "OVERHEAD_BYTES",
    "PREAMBLE",
    "READ",
    "WRITE",
    "ModuleFrame",
    "crc16",
    "parse",
]

PREAMBLE: Final = 0xFE
READ: Final = 0x03
WRITE: Final = 0x06
ANSWER: Final = 0x40
ERROR: Final = 0x80
FUNCTION: Final = 0x3F
BROADCAST: Final = 0
ADDRESS_MAX: Final = 247
DATA_BYTES_MAX: Final = 60
OVERHEAD_BYTES: Final = 5
PREAMBLE_MAX: Final = 4

_POLYNOMIAL: Final = 0xA001
_START: Final = 0xFFFF
_FE: Final = bytes([PREAMBLE])


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)


_TABLE: Final = _table()


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus: reflected 8005H, start FFFFH.

    >>> hex(crc16(bytes.fromhex("01030103")))
    '0x49b0'
    """
    crc = _START
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


@dataclass(frozen=True, slots=True)
class ModuleFrame:
    """One frame without its sum."""

    address: int  #: 1 to 247; 0 goes to all
    control: int  #: the control byte
    data: bytes = b""  #: up to 60 bytes
    preamble: int = 0  #: FE bytes before it

    @property
    def function(self) -> int:
        """READ or WRITE, or what else stands in bits 5..0."""
        return self.control & FUNCTION

    @property
    def is_answer(self) -> bool:
        """Whether the module sent it."""
        return self.control & ANSWER != 0

    @property
    def is_error(self) -> bool:
        """Whether the module refuses."""
        return self.control & ERROR != 0

    def to_bytes(self) -> bytes:
        """The bytes of the wire. Raises LocalError when something does not fit.

        >>> ModuleFrame(1, READ, bytes([3])).to_bytes().hex()
        '0103010349b0'
        """
        if not 0 <= self.address <= ADDRESS_MAX:
            raise LocalError(f"an address is 0 to {ADDRESS_MAX}, not {self.address}")
        if not 0 <= self.control <= 0xFF:
            raise LocalError(f"{self.control} is no control byte")
        if len(self.data) > DATA_BYTES_MAX:
            raise LocalError(f"{len(self.data)} data bytes; at most {DATA_BYTES_MAX}")
        body = bytes([self.address, self.control, len(self.data)]) + self.data
        return _FE * self.preamble + body + crc16(body).to_bytes(2, "big")


def parse(raw: bytes) -> ModuleFrame:
    """Decode exactly one frame, perhaps with FE bytes before it.

    Raises:
        DecodeError: kinds ``truncated``, ``length_too_large``, ``length_mismatch``,
            ``checksum_mismatch`` and ``bad_address``.
    """
    body = raw.lstrip(_FE)
    offset = len(raw) - len(body)
    if len(body) < OVERHEAD_BYTES:
        raise DecodeError(
            "truncated",
            f"{len(body)} bytes; a frame has at least {OVERHEAD_BYTES}",
            offset=len(raw),
        )
    if body[0] > ADDRESS_MAX:
        raise DecodeError("bad_address", f"no address is {body[0]}", field="address", offset=offset)
    length = body[2]
    if length > DATA_BYTES_MAX:
        raise DecodeError(
            "length_too_large",
            f"the length is {length}; at most {DATA_BYTES_MAX} is allowed",
            field="length",
            offset=offset + 2,
        )
    if len(body) != OVERHEAD_BYTES + length:
        raise DecodeError(
            "length_mismatch",
            f"the length says {length}, but {len(body) - OVERHEAD_BYTES} data bytes are there",
            field="length",
            offset=offset + 2,
        )
    expected, found = crc16(body[:-2]), int.from_bytes(body[-2:], "big")
    if expected != found:
        raise DecodeError(
            "checksum_mismatch",
            f"the sum is {found:04X}, it should be {expected:04X}",
            field="checksum",
            offset=len(raw) - 2,
        )
    return ModuleFrame(body[0], body[1], body[3:-2], offset)
