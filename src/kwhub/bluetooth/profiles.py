"""GATT profiles of transparent transmission as a table: which characteristic takes and which gives.

Source: Nordic UART Service (public specification of its maker); HC-08 manual (service FFE0,
characteristic FFE1 for both directions); Ebyte E104-BT5032A manual (service FFF0, notify FFF1,
write FFF2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["ATT_HEADER_BYTES", "MTU_WANTED", "PROFILES", "VALUE_BYTES_MAX", "Profile", "chunks"]

VALUE_BYTES_MAX = 512
"""An attribute is at most this long, whatever the MTU.  Source: Core 5.4, Vol 3, Part F, 3.2.9."""

ATT_HEADER_BYTES = 3
"""Of a write command, a write request and a notification: operation code and handle."""

MTU_LEAST = 23
"""Without a word every device takes so much; one that says less is wrong.  Source: Core 5.4, Vol 3, Part G, 5.2.1."""

MTU_WANTED = 247
"""One link-layer packet of 251 bytes less the L2CAP header."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Where bytes go in and come out. UUIDs are in hex, of 16 or 128 bits."""

    name: str
    service: str
    takes: str  #: characteristic that a master writes
    gives: str  #: characteristic that notifies; may be the same

    @property
    def is_single(self) -> bool:
        """Whether one characteristic serves both directions."""
        return self.takes == self.gives


_ROWS = (
    Profile(
        "nus",
        "6E400001-B5A3-F393-E0A9-E50E24DCCA9E",
        "6E400002-B5A3-F393-E0A9-E50E24DCCA9E",
        "6E400003-B5A3-F393-E0A9-E50E24DCCA9E",
    ),
    Profile("ffe0", "FFE0", "FFE1", "FFE1"),
    Profile("fff0", "FFF0", "FFF2", "FFF1"),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({row.name: row for row in _ROWS})
"""The profiles by name, the one that is tried first in front."""


def chunks(data: bytes, mtu: int) -> Iterator[bytes]:
    """Cut bytes into values that one ATT packet carries.

    Longer values than 512 bytes are silently lost as write commands, so an MTU of 517 does not
    give 514.

    >>> [len(part) for part in chunks(bytes(600), 517)]
    [512, 88]
    """
    size = min(max(mtu, MTU_LEAST) - ATT_HEADER_BYTES, VALUE_BYTES_MAX)
    for at in range(0, len(data), size):
        yield data[at : at + size]
