"""What is sent and what happens: requests, answers and events of both roles.

Source: EN 13757-2, link services.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kwhub.protocols.mbus.frames import FrameMbus

__all__ = [
    "Acknowledged",
    "Answered",
    "Asked",
    "Pause",
    "Paused",
    "Read",
    "Repeated",
    "Reply",
    "Reset",
    "Retune",
    "Retuned",
    "Send",
    "Sent",
    "TimedOut",
]


@dataclass(frozen=True, slots=True)
class Reset:
    """SND_NKE."""

    address: int
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Send:
    """SND_UD."""

    address: int
    ci: int
    data: bytes = b""
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """REQ_UD2, or REQ_UD1 for alarms."""

    address: int
    alarms: bool = False
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Retune:
    """Nothing is sent: from now on the line runs at another speed."""

    line_baud: int  #: a driver that can change its line's speed looks for this


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for a while, s."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retuned:
    """The waits follow another speed."""

    final: ClassVar[bool] = True
    request: Retune


@dataclass(frozen=True, slots=True)
class Paused:
    """The while is over."""

    final: ClassVar[bool] = True
    request: Pause


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """E5 came."""

    final: ClassVar[bool] = True
    request: Any


@dataclass(frozen=True, slots=True)
class Answered:
    """RSP_UD came."""

    final: ClassVar[bool] = True
    request: Any
    frame: FrameMbus
    raw: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """Said to all; nobody answers."""

    final: ClassVar[bool] = True
    request: Any


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No good answer; what was ``heard`` instead points to several that answered at once."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    request: Any
    heard: bytes = b""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A master's frame, in the slave's role."""

    final: ClassVar[bool] = False
    frame: FrameMbus
    raw: bytes


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same frame came again; the slave's session has given the last answer again by itself."""

    final: ClassVar[bool] = False
    frame: FrameMbus
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A slave's frame."""

    frame: FrameMbus
