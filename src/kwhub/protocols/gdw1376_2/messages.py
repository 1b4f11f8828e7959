"""What is sent and what happens: requests, answers and events of both roles.

Source: Q/GDW 1376.2-2013, clauses 4.4 and 5.

A request that waits for the other side ends with exactly one event whose ``final`` is True.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from kwhub.protocols.gdw1376_2.afn_00 import BUSY, SILENT, denial_words
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.frames import Frame13762, mark_of
from kwhub.protocols.gdw1376_2.tables import read_unit

__all__ = [
    "Answer",
    "Answered",
    "Asked",
    "Await",
    "Batch",
    "BatchEnded",
    "Confirm",
    "Confirmed",
    "Denied",
    "Deny",
    "Initiate",
    "Order",
    "Reported",
    "Request",
    "Stop",
    "TimedOut",
    "Wait",
    "Waited",
    "order_of",
]


@dataclass(frozen=True, slots=True)
class Order:
    """AFN, function and data; with a slave, the frame has an address field."""

    afn: int
    function: int
    data: bytes = b""
    slave: str = ""
    relays: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises LocalError when this is no function."""
        mark_of(self.function)


def order_of(unit: Unit, slave: str = "", relays: tuple[str, ...] = ()) -> Order:
    """An order from typed data. Raises LocalError when it does not fit the wire."""
    return Order(unit.AFN, unit.FUNCTION, unit.to_data(), slave, relays)


# --- of the concentrator


@dataclass(frozen=True, slots=True)
class Request:
    """Anything that the concentrator asks or orders; answered with the same AFN and F, or by AFN 00."""

    order: Order
    timeout_s: float = 6.0  #: 6 s where nothing goes over the air, else the slave timeout
    repeatable: bool = True
    adapts: bool = (
        False  #: the slave is waited for as long as it takes by experience, if that is less
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Several requests at once, as F1-F1 allows."""

    requests: tuple[Request, ...]
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Say nothing for a while; reports are heard and confirmed meanwhile."""

    seconds: float
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Await:
    """Listen for a report of one of these (AFN, function)."""

    kinds: frozenset[tuple[int, int]]
    timeout_s: float
    repeatable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Stop:
    """End a Wait or Await now: there is something better to do."""


# --- of the module


@dataclass(frozen=True, slots=True)
class Initiate:
    """What the module starts: a report (confirmed by AFN 00) or a question of AFN 14."""

    order: Order
    timeout_s: float = 6.0


# --- answers of both


@dataclass(frozen=True, slots=True)
class Answer:
    """Data in answer to ``frame``."""

    frame: Frame13762
    order: Order
    phase: int = 0
    quality: int = 0


@dataclass(frozen=True, slots=True)
class Confirm:
    """00-F1 in answer to ``frame``."""

    frame: Frame13762
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class Deny:
    """00-F2 in answer to ``frame``."""

    frame: Frame13762
    reason: int


# --- events

Waiting: TypeAlias = Request | Batch | Wait | Await | Initiate


@dataclass(frozen=True, slots=True)
class Answered:
    """Data came."""

    final: ClassVar[bool] = True
    request: Waiting
    frame: Frame13762
    raw: bytes

    @property
    def unit(self) -> Unit | None:
        """The data, typed; None where there is no type for it."""
        frame = self.frame
        return read_unit(frame.afn, frame.function, frame.data, up=frame.up)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """00-F1 came."""

    final: ClassVar[bool] = True
    request: Waiting
    wait_s: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """00-F2 came."""

    final: ClassVar[bool] = True
    request: Waiting
    reason: int
    raw: bytes = b""

    @property
    def busy(self) -> bool:
        """Whether it is worth trying again later."""
        return self.reason in BUSY

    @property
    def silent(self) -> bool:
        """Whether it is the meter that did not answer."""
        return self.reason in SILENT

    @property
    def words(self) -> str:
        """The reason in English."""
        return denial_words(self.reason)[0]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nothing came in time."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    request: Waiting
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """Every request of a batch has ended."""

    final: ClassVar[bool] = True
    request: Batch
    results: tuple[Answered | Confirmed | Denied | TimedOut, ...]  #: in the order of the requests


@dataclass(frozen=True, slots=True)
class Waited:
    """The time is over, or what was listened for has come."""

    final: ClassVar[bool] = True
    request: Wait | Await
    reported: "Reported | None" = None


@dataclass(frozen=True, slots=True)
class Reported:
    """CONCENTRATOR: the module said something by itself; a report is confirmed already."""

    final: ClassVar[bool] = False
    frame: Frame13762
    raw: bytes
    repeated: bool = False  #: the same frame as the last one: our confirmation was lost
    wants_answer: bool = False  #: a question of AFN 14: send an Answer

    @property
    def unit(self) -> Unit | None:
        """The data, typed; None where there is no type for it."""
        frame = self.frame
        return read_unit(frame.afn, frame.function, frame.data, up=frame.up)


@dataclass(frozen=True, slots=True)
class Asked:
    """MODULE: the concentrator wants something."""

    final: ClassVar[bool] = False
    frame: Frame13762
    raw: bytes
