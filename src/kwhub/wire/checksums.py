"""Sums at the end of frames."""

import binascii

__all__ = ["crc16_x25", "sum8"]

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def sum8(data: bytes) -> int:
    """Sum of all bytes modulo 256 (DL/T 645, Q/GDW 1376.1, M-Bus).

    >>> hex(sum8(bytes.fromhex("6838000000000068110433333433")))
    '0xea'
    """
    return sum(data) & 0xFF


def crc16_x25(data: bytes) -> int:
    """CRC-16/X-25 (the FCS of HDLC and DL/T 698.45): reflected 1021H, start and final FFFFH.

    Uses the C routine for the unreflected polynomial on bit-reversed bytes.

    >>> hex(crc16_x25(b"123456789"))
    '0x906e'
    """
    crc = binascii.crc_hqx(data.translate(_REVERSED), 0xFFFF)
    low, high = crc & 0xFF, crc >> 8
    return ((_REVERSED[low] << 8) | _REVERSED[high]) ^ 0xFFFF
