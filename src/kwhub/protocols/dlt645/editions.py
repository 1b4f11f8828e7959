"""The two editions of the standard that meters in the field speak.

Source: DL/T 645-1997 and DL/T 645-2007, title pages.
"""

from enum import Enum

__all__ = ["Edition"]


class Edition(Enum):
    """Which edition a meter, a request or an item belongs to."""

    E2007 = "dlt645-2007"
    E1997 = "dlt645-1997"

    @property
    def identifier_bytes(self) -> int:
        """Number of bytes of a data identifier: four in 2007, two in 1997."""
        return 4 if self is Edition.E2007 else 2
