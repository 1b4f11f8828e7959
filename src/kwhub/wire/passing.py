"""What somebody in the middle of a way needs to know of frames: nodes that forward and check them.

A protocol offers itself as a `Dialect`; whoever forwards needs to know no protocol.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kwhub.wire.events import Discarded

__all__ = ["Dialect", "Framer", "Kind", "Passing"]


class Kind(Enum):
    """What a frame is for."""

    READ = "read"
    CLOCK = "clock"
    WRITE = "write"
    CONTROL = "control"
    OTHER = "other"  #: a function that the protocol does not know


@dataclass(frozen=True, slots=True)
class Passing:
    """A whole frame on its way."""

    raw: bytes
    address: str = ""  #: of the device that is meant or that answers; empty when frames have none
    kind: Kind = Kind.OTHER
    name: str = ""  #: of its function, for people
    is_answer: bool = False
    wants_answer: bool = True
    is_shareable: bool = False  #: asking twice gives the same answer and changes nothing
    is_for_many: bool = False  #: several may answer, one after the other or all at once
    has_more: bool = False  #: an answer whose rest has to be asked for
    token: bytes = b""  #: what its answer repeats; of an answer, what it has repeated
    trouble: str = ""  #: short stable key of what is wrong inside; empty when nothing is

    @property
    def is_report(self) -> bool:
        """Whether a device says it without having been asked, and wants it confirmed."""
        return self.is_answer and self.wants_answer


class Framer(Protocol):
    """Finds frames in a stream; one for each direction of each link."""

    def feed(self, data: bytes) -> list[Passing | Discarded]:
        """Take bytes; return what they complete."""

    def flush(self) -> list[Passing | Discarded]:
        """Nothing more comes for now: return what is held."""


class Dialect(Protocol):
    """A protocol as seen by those who only pass it on."""

    @property
    def name(self) -> str:
        """Short name, such as ``dlt645``."""

    @property
    def gap_s(self) -> float:
        """Silence that ends a frame, s."""

    def framer(self) -> Framer:
        """Make a framer."""

    def matches(self, pattern: str, address: str) -> bool:
        """Whether the address of a request means a device."""

    def heartbeat(self, address: str) -> bytes:
        """A request that every device answers; empty when there is none."""

    def refusal(self, request: Passing) -> bytes:
        """What says to whoever has asked that this is not allowed; empty: the protocol has no word for it."""
