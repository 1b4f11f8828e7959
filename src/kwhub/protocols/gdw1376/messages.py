"""What is sent and what happens: requests, answers and events of both roles.

Source: Q/GDW 1376.1-2013, clauses 4.3.4, 4.4 and 5.

A request that waits for the other side ends with exactly one event whose ``final`` is True and whose
``request`` is that very object: several may be queued, so compare with ``is``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypeAlias

from kwhub.domain.errors import Refusal
from kwhub.protocols.gdw1376.afn_00 import ItemResult
from kwhub.protocols.gdw1376.frames import Frame1376, TerminalAddress
from kwhub.protocols.gdw1376.units import HasUnit, Unit

__all__ = [
    "Answer",
    "Answered",
    "Asked",
    "Beat",
    "Confirm",
    "Confirmed",
    "Denied",
    "Deny",
    "Heartbeat",
    "HeartbeatDue",
    "Initiated",
    "LoggedIn",
    "LoggedOut",
    "Login",
    "Logout",
    "Lost",
    "Report",
    "Reported",
    "Request",
    "TimedOut",
]

Units: TypeAlias = tuple[Unit | HasUnit, ...]


# --- requests of the terminal


@dataclass(frozen=True, slots=True)
class Login:
    """02-F1."""


@dataclass(frozen=True, slots=True)
class Logout:
    """02-F2."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """02-F3."""

    clock: datetime | None = None  #: naive wall time of the site; None: without clock, as in 2009


@dataclass(frozen=True, slots=True)
class Report:
    """Spontaneous data that the station has to confirm (CON = 1)."""

    units: Units
    afn: int = 0x0D


# --- requests of the station


@dataclass(frozen=True, slots=True)
class Request:
    """Anything that the station asks or orders."""

    afn: int
    units: Units
    password: bytes | None = field(default=None, repr=False)  #: PW; None: zeros where PW is needed


Initiated: TypeAlias = Login | Logout | Heartbeat | Report | Request


# --- answers of either role


@dataclass(frozen=True, slots=True)
class Answer:
    """The terminal's data for a request; split over several frames where it is too long for one."""

    frame: Frame1376  #: the request
    units: Units
    event_counters: tuple[int, int] | None = None  #: EC, when important events wait (ACD = 1)


@dataclass(frozen=True, slots=True)
class Confirm:
    """00-F1, or 00-F3 when there are results item by item."""

    frame: Frame1376  #: what is confirmed
    results: tuple[ItemResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Deny:
    """00-F2."""

    frame: Frame1376


# --- events of both roles


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The other side confirmed with AFN 00."""

    final: ClassVar[bool] = True
    request: Initiated
    raw: bytes


@dataclass(frozen=True, slots=True)
class Denied:
    """The other side denied with AFN 00."""

    final: ClassVar[bool] = True
    request: Initiated
    raw: bytes
    results: tuple[ItemResult, ...] = ()  #: of 00-F3

    @property
    def refusal(self) -> Refusal:
        """The same as an error that can be raised or kept."""
        wrong = [result for result in self.results if result.error]
        words = tuple(
            f"p{','.join(map(str, result.points))} F{','.join(map(str, result.functions))} denied"
            for result in wrong
        )
        return Refusal(words or ("denied",), raw=self.raw)


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nothing came back, after every repetition."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    request: Initiated


# --- events of the terminal


@dataclass(frozen=True, slots=True)
class HeartbeatDue:
    """Time for a heartbeat: the shell, which has the clock, sends `Heartbeat`."""

    final: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the station arrived; the shell sends `Answer`, `Confirm` or `Deny` for its frame."""

    final: ClassVar[bool] = False
    frame: Frame1376
    raw: bytes
    repeated: bool = False  #: the same bytes as the request before


@dataclass(frozen=True, slots=True)
class Lost:
    """The station does not react any more: close the link and connect anew."""

    final: ClassVar[bool] = False


# --- events of the station


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """02-F1; the shell sends `Confirm` or `Deny` for its frame."""

    final: ClassVar[bool] = False
    address: TerminalAddress
    frame: Frame1376
    raw: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """02-F2."""

    final: ClassVar[bool] = False
    address: TerminalAddress
    frame: Frame1376
    raw: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """02-F3."""

    final: ClassVar[bool] = False
    address: TerminalAddress
    clock: datetime | None  #: naive wall time that the terminal shows; None when it sends none
    frame: Frame1376
    raw: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """Spontaneous data; the shell stores it and then sends `Confirm`, when ``frame.sequence.confirm``."""

    final: ClassVar[bool] = False
    address: TerminalAddress
    frame: Frame1376
    units: tuple[Unit, ...]
    raw: bytes
    repeated: bool = False  #: the same bytes as the frame before: the confirmation was lost


@dataclass(frozen=True, slots=True)
class Answered:
    """All frames of an answer, joined."""

    final: ClassVar[bool] = True
    request: Request
    units: tuple[Unit, ...]
    raws: tuple[bytes, ...]
