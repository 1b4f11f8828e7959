"""The frame that both editions share: encode, and decode exactly one.

    FE..FE  68  A0 A1 A2 A3 A4 A5  68  C  L  DATA  CS  16

Every DATA byte travels with 33H added; CS is the sum of all bytes from the first 68 to the last data
byte; FE bytes before the first 68 wake the line and belong to neither the frame nor the sum.

Source: DL/T 645-2007, clause 5.2 (frame format); the 1997 edition has the same frame.
"""

from typing import Final, NamedTuple

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.addresses import address_bytes
from kwhub.wire.offset33 import add33, sub33

__all__ = [
    "ABNORMAL",
    "ANSWER",
    "DATA_BYTES_MAX",
    "END",
    "FRAME_BYTES_MAX",
    "MORE",
    "OVERHEAD_BYTES",
    "PREAMBLE",
    "START",
    "Frame645",
    "parse",
    "try_parse",
]

START: Final = 0x68
END: Final = 0x16
PREAMBLE: Final = 0xFE

ANSWER: Final = 0x80
"""Bit 7 of the control byte: an answer from a meter."""
ABNORMAL: Final = 0x40
"""Bit 6 of the control byte: the meter refuses."""
MORE: Final = 0x20
"""Bit 5 of the control byte: more frames follow."""
FUNCTION: Final = 0x1F
"""Bits 4..0 of the control byte: what is asked or answered."""

OVERHEAD_BYTES: Final = 12
"""Bytes of a frame that are not data."""
DATA_BYTES_MAX: Final = 200
"""L is at most 200 for reads (clause 5.2.4); nothing that follows the standard is longer."""
FRAME_BYTES_MAX: Final = OVERHEAD_BYTES + DATA_BYTES_MAX
"""The longest frame without its preamble, bytes."""

_FE: Final = bytes([PREAMBLE])
_NEW: Final = tuple.__new__


class Frame645(NamedTuple):
    """One frame of either edition, without its checks.

    A tuple with names, because it is made three times as fast as a frozen dataclass, and one is
    made for every frame that comes.

    Attributes:
        address: twelve characters as printed on the meter; ``A`` for a wildcard digit.
        control: the control byte C.
        data: the data field with the 33H offset taken off, in the order of the wire.
        preamble: number of FE bytes before the frame.
    """

    address: str
    control: int
    data: bytes = b""
    preamble: int = 0

    @property
    def function(self) -> int:
        """The function code, bits 4..0 of C."""
        return self.control & FUNCTION

    @property
    def is_answer(self) -> bool:
        """Whether a meter sent it (bit 7 of C)."""
        return self.control & ANSWER != 0

    @property
    def is_abnormal(self) -> bool:
        """Whether it is a refusal (bit 6 of C)."""
        return self.control & ABNORMAL != 0

    @property
    def has_more(self) -> bool:
        """Whether more frames follow (bit 5 of C)."""
        return self.control & MORE != 0

    def to_bytes(self) -> bytes:
        """The bytes of the wire. Raises LocalError when something does not fit.

        >>> Frame645("000000000038", 0x11, bytes.fromhex("00000100")).to_bytes().hex()
        '6838000000000068110433333433ea16'
        """
        data = self.data
        if len(data) > DATA_BYTES_MAX:
            raise LocalError(f"{len(data)} data bytes; a frame holds at most {DATA_BYTES_MAX}")
        if not 0 <= self.control <= 0xFF:
            raise LocalError(f"{self.control} is no control byte")
        body = b"\x68%b\x68%c%c%b" % (
            address_bytes(self.address),
            self.control,
            len(data),
            add33(data),
        )
        return b"%b%b%c\x16" % (_FE * self.preamble, body, sum(body) & 0xFF)


def parse(raw: bytes) -> Frame645:
    """Decode exactly one frame, perhaps with FE bytes before it.

    Raises:
        DecodeError: kinds ``no_frame``, ``preamble_only``, ``start_missing``, ``duplicate_start``,
            ``second_start_missing``, ``truncated``, ``length_too_large``, ``length_mismatch``,
            ``checksum_mismatch``, ``end_missing``, ``truncated_or_shifted`` and
            ``stray_trailing_bytes``.

    >>> parse(bytes.fromhex("FEFEFE 6838000000000068 91 08 333334336B333333 72 16")).data.hex()
    '0000010038000000'
    """
    decoded = try_parse(raw)
    if decoded is None:
        frame = raw.lstrip(_FE)
        raise _diagnosis(frame, len(raw) - len(frame))
    return decoded


def try_parse(raw: bytes) -> Frame645 | None:
    """Like ``parse``, but None when the bytes are anything but one good frame."""
    frame = raw.lstrip(_FE)
    size = len(frame)
    if (
        size >= OVERHEAD_BYTES
        and frame[0] == START == frame[7]
        and frame[9] == size - OVERHEAD_BYTES <= DATA_BYTES_MAX
        and frame[-1] == END
        and sum(frame[:-2]) & 0xFF == frame[-2]
    ):
        return Frame645(frame[6:0:-1].hex().upper(), frame[8], sub33(frame[10:-2]), len(raw) - size)
    return None


def _diagnosis(frame: bytes, offset: int) -> DecodeError:
    """Why these bytes (after the preamble) are not one frame."""
    if not frame or frame[0] != START:
        return _start_problem(frame, offset)
    if frame[7:8] not in (b"", b"\x68"):
        kind = "second_start_missing"
        if frame[1] == START and len(frame) > 8 and frame[8] == START:
            kind = "duplicate_start"
        return DecodeError(
            kind, f"byte 7 of the frame is {frame[7]:02X}, not 68", field="start", offset=offset + 7
        )
    if len(frame) < OVERHEAD_BYTES:
        return DecodeError(
            "truncated",
            f"{len(frame)} bytes after the preamble; a frame has at least {OVERHEAD_BYTES}",
            field="data",
            offset=offset + len(frame),
        )
    if frame[9] > DATA_BYTES_MAX:
        return DecodeError(
            "length_too_large",
            f"the length is {frame[9]}; at most {DATA_BYTES_MAX} is allowed",
            field="length",
            offset=offset + 9,
        )
    return _end_problem(frame, offset)


def _start_problem(frame: bytes, offset: int) -> DecodeError:
    if not frame:
        if offset:
            return DecodeError("preamble_only", "nothing follows the FE bytes", offset=offset)
        return DecodeError("truncated", "there are no bytes", offset=0)
    place = frame.find(START)
    if place < 0:
        return DecodeError("no_frame", "there is no start byte 68", field="start", offset=offset)
    return DecodeError(
        "start_missing",
        f"the first byte is {frame[0]:02X}, not 68; a 68 comes {place} bytes later",
        field="start",
        offset=offset,
    )


def _end_problem(frame: bytes, offset: int) -> DecodeError:
    """The head is good; look at length, checksum and end together, for one explains another."""
    length, size = frame[9], len(frame)
    total = OVERHEAD_BYTES + length
    # With the length that the bytes have, does the checksum fit (it may cover either length)?
    summed_as = sum(frame[:-2]) & 0xFF
    corrected = (summed_as - length + size - OVERHEAD_BYTES) & 0xFF
    fits = frame[-1] == END and frame[-2] in (summed_as, corrected)
    expected = sum(frame[: total - 2]) & 0xFF
    summed = size >= total - 1 and frame[total - 2] == expected
    ended = size >= total and frame[total - 1] == END
    if fits and not (summed and ended):
        return DecodeError(
            "length_mismatch",
            f"the length says {length}, but {size - OVERHEAD_BYTES} data bytes stand in the frame",
            field="length",
            offset=offset + 9,
        )
    if size < total:
        return DecodeError(
            "truncated",
            f"length {length} needs {total} bytes, only {size} came",
            field="data",
            offset=offset + size,
        )
    return _checksum_problem(frame[:total], expected, size - total, offset)


def _checksum_problem(frame: bytes, expected: int, stray: int, offset: int) -> DecodeError:
    """All bytes of the frame are there; its sum or its end is wrong, or bytes follow it."""
    total = len(frame)
    summed, ended = frame[-2] == expected, frame[-1] == END
    wrong_sum = f"the checksum is {frame[-2]:02X}, it should be {expected:02X}"
    wrong_end = f"the end byte is {frame[-1]:02X}, not 16"
    if not summed and not ended:
        return DecodeError(
            "truncated_or_shifted",
            f"{wrong_sum}, and {wrong_end}: bytes were lost or added on the way",
            field="checksum",
            offset=offset + total - 2,
        )
    if not summed:
        return DecodeError(
            "checksum_mismatch", wrong_sum, field="checksum", offset=offset + total - 2
        )
    if not ended:
        return DecodeError("end_missing", wrong_end, field="end", offset=offset + total - 1)
    return DecodeError(
        "stray_trailing_bytes",
        f"{stray} bytes follow a complete frame",
        field="end",
        offset=offset + total,
    )
