"""Which event records are made, and which of them are reported at once (04-F9).

Source: Q/GDW 1376.1-2013, clause 5.5, F9: 8 bytes of valid codes, 8 bytes of important ones; bit 0 is ERC 1.
"""

from typing import NamedTuple, Self

__all__ = ["DEFAULT_IMPORTANCE", "DEFAULT_IMPORTANT", "EVENTS_FUNCTION", "Importance"]

EVENTS_FUNCTION = 9
_MASK_BYTES = 8

DEFAULT_IMPORTANT = frozenset({2, 9, 10, 11, 12, 31, 35, 37, 38, 40, 60})
"""Codes that are reported at once as long as the head-end has not set F9."""


class Importance(NamedTuple):
    """Two masks."""

    valid: int
    important: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From the data of F9."""
        return cls(
            int.from_bytes(data[:_MASK_BYTES], "little"),
            int.from_bytes(data[_MASK_BYTES : 2 * _MASK_BYTES], "little"),
        )

    def to_bytes(self) -> bytes:
        """The data of F9."""
        return b"".join(mask.to_bytes(_MASK_BYTES, "little") for mask in self)

    def keeps(self, code: int) -> bool:
        """Whether such records are made at all."""
        return bool(self.valid >> (code - 1) & 1)

    def is_important(self, code: int) -> bool:
        """Whether they are reported at once."""
        return bool(self.important >> (code - 1) & 1)


DEFAULT_IMPORTANCE = Importance((1 << 64) - 1, sum(1 << (code - 1) for code in DEFAULT_IMPORTANT))
"""What holds until the head-end sets F9."""
