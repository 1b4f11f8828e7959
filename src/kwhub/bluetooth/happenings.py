"""What a station tells of its peers."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Happened", "What"]


class What(Enum):
    """Kinds of events."""

    CONNECTED = "connected"
    ENDED = "ended"  #: with the reason
    PAIRED = "paired"
    PAIRING_FAILED = "pairing_failed"
    BOND_LOST = "bond_lost"
    ADVERTISING_FAILED = "advertising_failed"  #: of this side; it is tried again
    TURNED_AWAY = "turned_away"  #: no room, or not secured in time


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a peer."""

    what: What
    address: str
    detail: str = ""
