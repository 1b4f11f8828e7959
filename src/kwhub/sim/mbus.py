"""Simulated meters together on one M-Bus, where answers given at once overlay each other.

Source: EN 13757-2 (collisions of currents, converters that echo).
"""

from collections.abc import Callable, Sequence
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.mbus.messages import Asked
from kwhub.protocols.mbus.session import Role, Session
from kwhub.runtime.clock import Clock
from kwhub.sim.mbus_meter import MbusFaults, MbusMeter

__all__ = ["ANSWER_DELAY_S", "MbusBus", "MbusFaults", "MbusMeter", "serve_mbus"]

ANSWER_DELAY_S = 0.02


class MbusBus:
    """The answering end of a bus; a ``kwhub.domain.machine.Machine``. Answers given at once overlay each other.

    A space is a current and wins over a mark: a bit is heard as 1 only where all say 1. Equal answers
    stay whole.

    Args:
        meters: on the bus.
        epoch_s: seconds since 1970-01-01 UTC at the machine's second 0.
        delay_s: until an answer begins.
        echo: the converter gives the master's bytes back to it.
        line_baud: tells the present speed of the line; a meter at another speed hears nothing. Without
            it every meter hears everything.
    """

    def __init__(
        self,
        meters: Sequence[MbusMeter],
        *,
        epoch_s: float,
        delay_s: float = ANSWER_DELAY_S,
        echo: bool = False,
        line_baud: Callable[[], int] | None = None,
    ) -> None:
        self.meters = tuple(meters)
        self._epoch_s = epoch_s
        self._delay_s = delay_s
        self._echo = echo
        self._line_baud = line_baud
        self._session = Session(Role.SLAVE, remembers=False)
        self._due: tuple[float, bytes] | None = None
        self._out = b""
        self._events: list[Any] = []

    def send(self, request: Any, now: float) -> None:
        """Slaves say nothing of their own accord. Raises LocalError."""
        raise LocalError(f"nobody asked for {request} (second {now})")

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
        if self._echo:
            self._out += data
        self._session.receive(data, now)
        self._hear(now)

    def events(self) -> list[Any]:
        """Take what was heard; the answers to it are on their way already."""
        taken, self._events = self._events, []
        return taken

    def outgoing(self, now: float) -> bytes:  # noqa: ARG002 - the verb has the same shape everywhere
        """Take the bytes that are due."""
        taken, self._out = self._out, b""
        return taken

    def deadline(self) -> float | None:
        """When the answer is due or an unfinished frame is given up."""
        times = [self._session.deadline(), self._due[0] if self._due else None]
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Say what is due."""
        self._session.on_deadline(now)
        self._hear(now)
        if self._due is not None and self._due[0] <= now:
            self._out += self._due[1]
            self._due = None

    def _hear(self, now: float) -> None:
        for event in self._session.events():
            self._events.append(event)
            if isinstance(event, Asked):
                said = self._say(event, self._epoch_s + now)
                if said:
                    self._due = (now + self._delay_s, _overlay(said))

    def _say(self, asked: Asked, at_s: float) -> list[bytes]:
        """What comes from every meter that says something."""
        baud = None if self._line_baud is None else self._line_baud()
        hearing = [meter for meter in self.meters if meter.hears(baud, at_s)]
        return [raw for meter in hearing if (raw := meter.say(asked.frame, at_s))]


def _overlay(answers: Sequence[bytes]) -> bytes:
    heard = bytearray(b"\xff" * max(map(len, answers)))
    for answer in answers:
        for at, byte in enumerate(answer):
            heard[at] &= byte
    return bytes(heard)


async def serve_mbus(
    link: Link,
    meters: Sequence[MbusMeter],
    clock: Clock,
    *,
    delay_s: float = ANSWER_DELAY_S,
    echo: bool = False,
) -> None:
    """Have meters answer on a link until it goes down; see MbusBus."""
    epoch_s = clock.now().timestamp() - clock.monotonic()
    bus = MbusBus(meters, epoch_s=epoch_s, delay_s=delay_s, echo=echo)
    await attend(link, bus, clock, lambda _event: None)
