"""The information field R: what the path of a message is to be, or was.

Source: Q/GDW 1376.2-2013, clause 4.3.4 (tables of R), read in the text of Q/GDW 10376.2-2019.
"""

from dataclasses import dataclass

from kwhub.domain.errors import LocalError

__all__ = ["ROUTE_BYTES", "DownRoute", "UpRoute"]

ROUTE_BYTES = 6


def _pack(*fields: tuple[int, int]) -> int:
    """Bits from (value, width), lowest first. Raises LocalError."""
    packed, at = 0, 0
    for value, width in fields:
        if not 0 <= value < 1 << width:
            raise LocalError(f"{value} does not fit {width} bits of R")
        packed |= value << at
        at += width
    return packed


@dataclass(frozen=True, slots=True)
class DownRoute:
    """R as it goes down; the defaults are those of a command to the module itself."""

    sequence: int = 0
    bypass: bool = False  #: D0: the module does not route
    sub_node: bool = False  #: D1: it is for a node below the slave
    to_slave: bool = False  #: D2, module flag: for a slave, the address field is there
    conflict: bool = False  #: D3: collision detection
    relay_level: int = 0  #: D7-D4
    channel: int = 0  #: 0: none
    coding: int = 0  #: 0 none, 1 RS
    answer_bytes: int = 0  #: expected answer, for the wait; 0 default
    rate: int = 0  #: 0 default
    rate_in_kbps: bool = False

    @classmethod
    def from_bytes(cls, raw: bytes) -> "DownRoute":
        """Read six bytes; reserved bits are dropped."""
        first, speed = raw[0], int.from_bytes(raw[3:5], "little")
        return cls(
            raw[5],
            bool(first & 1),
            bool(first & 2),
            bool(first & 4),
            bool(first & 8),
            first >> 4,
            raw[1] & 0x0F,
            raw[1] >> 4,
            raw[2],
            speed & 0x7FFF,
            bool(speed & 0x8000),
        )

    def to_bytes(self) -> bytes:
        """Six bytes. Raises LocalError."""
        flags = ((self.bypass, 1), (self.sub_node, 1), (self.to_slave, 1), (self.conflict, 1))
        word = _pack(
            *flags,
            (self.relay_level, 4),
            (self.channel, 4),
            (self.coding, 4),
            (self.answer_bytes, 8),
            (self.rate, 15),
            (self.rate_in_kbps, 1),
            (self.sequence, 8),
        )
        return word.to_bytes(ROUTE_BYTES, "little")


@dataclass(frozen=True, slots=True)
class UpRoute:
    """R as it comes up."""

    sequence: int = 0
    bypass: bool = False
    from_slave: bool = False  #: D2, module flag
    relay_level: int = 0
    channel: int = 0
    phase: int = 0  #: 0 unknown, 1 to 3
    feature: int = 0  #: of the meter: 1 single-phase, 2 to 4 three-phase
    command_quality: int = 0  #: 0 none, 1 worst to 15
    answer_quality: int = 0
    events_wait: bool = False  #: slaves have events

    @classmethod
    def from_bytes(cls, raw: bytes) -> "UpRoute":
        """Read six bytes; reserved bits are dropped."""
        first = raw[0]
        return cls(
            raw[5],
            bool(first & 1),
            bool(first & 4),
            first >> 4,
            raw[1] & 0x0F,
            raw[2] & 0x0F,
            raw[2] >> 4,
            raw[3] & 0x0F,
            raw[3] >> 4,
            bool(raw[4] & 1),
        )

    def to_bytes(self) -> bytes:
        """Six bytes. Raises LocalError."""
        word = _pack(
            (self.bypass, 1),
            (0, 1),
            (self.from_slave, 1),
            (0, 1),
            (self.relay_level, 4),
            (self.channel, 8),
            (self.phase, 4),
            (self.feature, 4),
            (self.command_quality, 4),
            (self.answer_quality, 4),
            (self.events_wait, 8),
            (self.sequence, 8),
        )
        return word.to_bytes(ROUTE_BYTES, "little")
