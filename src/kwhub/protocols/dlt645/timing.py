"""The times of a line: how long a frame may pause, how long bytes take.

Source: DL/T 645-2007, clause 5.1: answer delay 20 to 500 ms, at most 500 ms between two bytes; a byte
is 1 start, 8 data, 1 even parity and 1 stop bit.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["BITS_PER_BYTE", "BYTE_GAP_S", "Timing"]

BITS_PER_BYTE: Final = 11
"""Start bit, eight data bits, even parity, stop bit."""

BYTE_GAP_S: Final = 0.5
"""Longest pause inside a frame, s."""

_BAUD_LOWEST: Final = 600
"""The slowest rate of the standard: what a line of unknown speed may take."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one line needs. All times in seconds.

    Attributes:
        baud: speed of the line when this end must allow for it; None when the writer waits for it.
    """

    byte_gap_s: float = BYTE_GAP_S
    baud: int | None = None

    def wire_s(self, count: int) -> float:
        """Time that bytes take on the wire; 0 when the speed is not known here."""
        return 0.0 if self.baud is None else count * BITS_PER_BYTE / self.baud

    def wire_s_at_most(self, count: int) -> float:
        """The same, taking the slowest standard speed when it is not known."""
        return count * BITS_PER_BYTE / (self.baud or _BAUD_LOWEST)
