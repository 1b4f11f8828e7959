"""The files of a secure element and what may be done with each.

Source: file numbers and offsets as they stand in two public meter firmwares; lengths of the files
beyond those offsets are ours (``single source``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kwhub.prepay.keys import Purpose

__all__ = [
    "CONTROL",
    "CUSTOMER_OFFSET",
    "FILES",
    "KEY_FRAME",
    "KEY_INFORMATION",
    "METER_OFFSET",
    "PARAMETERS",
    "RUN_INFORMATION",
    "SERIAL",
    "FileFacts",
]

PARAMETERS = 0x02
KEY_INFORMATION = 0x06
"""State word of the keys and the version of each: made when it is read, never written."""
RUN_INFORMATION = 0x07
CONTROL = 0x08
KEY_FRAME = 0x16
SERIAL = 0x19

METER_OFFSET = 0x1E
CUSTOMER_OFFSET = 0x24
"""In the parameter file; both numbers have six bytes."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file."""

    length: int
    writes: Purpose | None = None  #: key of the MAC that a write needs; None: no write with MAC
    sealed: bool = False  #: a write is enciphered, too
    plain: bool = False  #: the device itself may write without a MAC


FILES: Mapping[int, FileFacts] = MappingProxyType(
    {
        PARAMETERS: FileFacts(64, Purpose.PARAMETER),
        0x03: FileFacts(200, Purpose.PARAMETER),  #: tariffs in use
        0x04: FileFacts(200, Purpose.PARAMETER),  #: tariffs to come
        KEY_INFORMATION: FileFacts(4 + len(Purpose)),
        RUN_INFORMATION: FileFacts(64, plain=True),  #: what goes back to the counter
        CONTROL: FileFacts(16, Purpose.CONTROL, sealed=True),
        0x09: FileFacts(128, Purpose.PARAMETER, sealed=True),
        0x10: FileFacts(128, Purpose.PARAMETER, sealed=True),
        0x11: FileFacts(128, Purpose.PARAMETER, sealed=True),
        0x12: FileFacts(128, Purpose.PARAMETER, sealed=True),
        0x13: FileFacts(128, Purpose.PARAMETER, sealed=True),
        0x14: FileFacts(32, Purpose.PARAMETER, sealed=True),  #: clear commands
        KEY_FRAME: FileFacts(200, Purpose.KEY_UPDATE),  #: MAC over the frames of a key update
        SERIAL: FileFacts(16),
    }
)
"""By short file identifier. The customer number within the parameters is written with the money key:
it is what binds a purchase to its buyer."""
