"""Parameters under control code 14 with levels 99 (in clear with MAC) and 98 (enciphered).

Level 99 goes straight into a file of the element; there each item stands high byte first. Level 98 goes into
a file that DI2 chooses; its first bytes are length and identifier, then the value, high byte first as a whole.

Source: two public meter firmwares (files and offsets, DI2 mod 5); places of tiers, and the order of a
level-98 value of several items: kwhub.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.prepay.ciphers import BLOCK_BYTES
from kwhub.prepay.element.files import CUSTOMER_OFFSET, METER_OFFSET, PARAMETERS
from kwhub.prepay.run_information import ALARM_1, ALARM_2, CURRENT, POTENTIAL, SWITCH_TIME
from kwhub.prepay.tariff import PRICES, TARIFF_NOW, TARIFF_STANDBY, TIERS, TIERS_OFFSET

__all__ = [
    "PLAIN_FILES",
    "FilePlace",
    "file_bytes",
    "open_parameter",
    "sealed_file",
    "sealed_parameter",
    "value_bytes",
]

SEALED_FILES = (0x09, 0x10, 0x11, 0x12, 0x13)
_HEAD_BYTES = 5  #: length and identifier
_PRICES_OFFSET = 4


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a parameter lives in the element.

    Attributes:
        widths: bytes of each item; the last one repeats.
    """

    file: int
    offset: int
    widths: tuple[int, ...]
    size_max: int


def _prices(file: int) -> FilePlace:
    return FilePlace(file, _PRICES_OFFSET, (4,), 4 * PRICES)


def _tiers(file: int) -> FilePlace:
    widths = (*(4,) * (2 * TIERS - 1), *(3,) * 4)
    return FilePlace(file, TIERS_OFFSET, widths, sum(widths))


def _item(offset: int, size: int) -> FilePlace:
    return FilePlace(PARAMETERS, offset, (size,), size)


PLAIN_FILES: Mapping[int, FilePlace] = MappingProxyType(
    {
        0x0400_0108: _item(SWITCH_TIME, 5),
        0x0400_0306: _item(CURRENT, 3),
        0x0400_0307: _item(POTENTIAL, 3),
        0x0400_0402: _item(METER_OFFSET, 6),
        0x0400_040E: _item(CUSTOMER_OFFSET, 6),
        0x0400_1001: _item(ALARM_1, 4),
        0x0400_1002: _item(ALARM_2, 4),
        0x0405_01FF: _prices(TARIFF_NOW),
        0x0405_02FF: _prices(TARIFF_STANDBY),
        0x0406_04FF: _tiers(TARIFF_NOW),
        0x0406_05FF: _tiers(TARIFF_STANDBY),
    }
)
"""Parameters of level 99."""


def _turned(value: bytes, widths: tuple[int, ...]) -> bytes:
    parts, place = [], 0
    for index in range(len(value)):
        if place >= len(value):
            break
        size = widths[min(index, len(widths) - 1)]
        parts.append(value[place : place + size][::-1])
        place += size
    return b"".join(parts)


def file_bytes(place: FilePlace, value: bytes) -> bytes:
    """Value bytes of the wire as they stand in the file.

    Raises:
        DecodeError: ``value_length_mismatch``.
    """
    fixed = len(place.widths) > 1 or place.size_max == place.widths[0]
    wrong = len(value) != place.size_max if fixed else len(value) % place.widths[0]
    if wrong or not 0 < len(value) <= place.size_max:
        raise DecodeError("value_length_mismatch", f"{len(value)} bytes do not fit the file")
    return _turned(value, place.widths)


def value_bytes(place: FilePlace, content: bytes) -> bytes:
    """Content of the file as value bytes of the wire."""
    return _turned(content, place.widths)


def sealed_file(identifier: int) -> int:
    """The file that a parameter of level 98 is opened in: DI2 chooses it."""
    return SEALED_FILES[(identifier >> 16 & 0xFF) % len(SEALED_FILES)]


def sealed_parameter(identifier: int, value: bytes) -> bytes:
    """What is enciphered: length, identifier, value, filled up to whole blocks. Raises LocalError."""
    plain = bytes((4 + len(value),)) + identifier.to_bytes(4) + value[::-1]
    plain += bytes(-len(plain) % BLOCK_BYTES)
    if len(plain) > 8 * BLOCK_BYTES:
        raise LocalError(f"a value of {len(value)} bytes does not fit into one frame")
    return plain


def open_parameter(identifier: int, plain: bytes) -> bytes:
    """The value bytes out of what was enciphered.

    Raises:
        DecodeError: ``value_length_mismatch``, or ``other_identifier`` than the frame's.
    """
    length, found = plain[0], int.from_bytes(plain[1:_HEAD_BYTES])
    if not 4 <= length < len(plain):
        raise DecodeError("value_length_mismatch", f"{length} bytes in {len(plain)}")
    if found != identifier:
        raise DecodeError("other_identifier", f"the cipher is about {found:08X}")
    return plain[_HEAD_BYTES : 1 + length][::-1]
