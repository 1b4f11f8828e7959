"""Simulated water, heat, gas and electricity meters on one M-Bus.

Source: EN 13757-2 (frame count bit, selection, collisions of currents), EN 13757-3 (variable data).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from kwhub.domain.errors import LocalError
from kwhub.links.base import Link
from kwhub.links.drive import attend
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import ACK_FRAME, DATA_BYTES_MAX, FrameMbus
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.messages import Asked
from kwhub.protocols.mbus.records import encode
from kwhub.protocols.mbus.session import Role, Session
from kwhub.protocols.mbus.telegrams import read_telegram
from kwhub.protocols.mbus.values import bcd_bytes, date_bytes, time_bytes
from kwhub.runtime.clock import Clock

__all__ = ["ANSWER_DELAY_S", "MbusBus", "MbusMeter", "serve_mbus"]

ANSWER_DELAY_S = 0.02
_MORE = b"\x1f"
_INT32, _BCD8 = 0x04, 0x0C
_COUNTER_MAX = 100_000_000
_EPOCH_S = 1_577_836_800  # 2020-01-01 UTC: every counter stood at 0
# medium: VIF of the counter, its growth in units of the last place an hour
_COUNTERS: Mapping[int, tuple[bytes, int]] = MappingProxyType(
    {
        0x02: (b"\x04", 40),
        0x03: (b"\x13", 180),
        0x04: (b"\x06", 3),
        0x06: (b"\x13", 9),
        0x07: (b"\x13", 14),
    }
)


@dataclass(slots=True)
class MbusMeter:
    """One meter; its counter is a closed form of the time.

    Attributes:
        identity: secondary address; its medium says what is counted (02, 03, 04, 06, 07).
        address: primary address.
        parts: telegrams of a whole answer; the second and later carry stored values.
        deaf: answers nothing.
    """

    identity: Identity
    address: int = 0
    parts: int = 1
    deaf: bool = False
    selected: bool = False
    _bits: dict[int, tuple[int, FrameMbus]] = field(default_factory=dict)
    _part: int = 0
    _accesses: int = 0

    def counter(self, at_s: float) -> int:
        """The counter in units of its last place. Raises LocalError for an unknown medium."""
        if self.identity.medium not in _COUNTERS:
            raise LocalError(f"no counter for medium {self.identity.medium:02X}")
        growth = _COUNTERS[self.identity.medium][1]
        return max(0, int((at_s - _EPOCH_S) * growth // 3600)) % _COUNTER_MAX

    def answer(self, frame: FrameMbus, at_s: float) -> FrameMbus | None:
        """What it says to a master's frame; None when it is silent."""
        if frame.ci == c.CI_SELECT and frame.address == c.ADDRESS_SELECTED:
            return self._select(frame)
        if self.deaf or not self._is_meant(frame.address):
            return None
        if frame.control == c.SND_NKE:
            self._bits.pop(frame.address, None)
            self._part = 0
            self.selected &= frame.address != c.ADDRESS_SELECTED
            said: FrameMbus = ACK_FRAME
        else:
            said = self._counted(frame, at_s)
        return None if frame.address == c.ADDRESS_ALL else said

    def _is_meant(self, address: int) -> bool:
        if address == c.ADDRESS_SELECTED:
            return self.selected
        return address in (self.address, c.ADDRESS_ANY, c.ADDRESS_ALL)

    def _select(self, frame: FrameMbus) -> FrameMbus | None:
        wanted = read_telegram(frame).identity
        self.selected = not self.deaf and wanted is not None and wanted.matches(self.identity)
        self._part = 0
        self._bits.pop(c.ADDRESS_SELECTED, None)
        return ACK_FRAME if self.selected else None

    def _counted(self, frame: FrameMbus, at_s: float) -> FrameMbus:
        """Same frame count bit: the last answer again."""
        last = self._bits.get(frame.address)
        if last is not None and last[0] == frame.control:
            return last[1]
        said = self._obey(frame, at_s)
        self._bits[frame.address] = (frame.control, said)
        return said

    def _obey(self, frame: FrameMbus, at_s: float) -> FrameMbus:
        if frame.ci is None:
            is_data = frame.control & ~c.FCB == c.REQ_UD2
            return self._telegram(at_s) if is_data else ACK_FRAME
        if frame.ci == c.CI_RESET:
            self._part = 0
        for record in read_telegram(frame).records if frame.ci == c.CI_SEND else ():
            if record.block == b"\x01\x7a" and record.data[0] <= c.ADDRESS_MAX:
                self.address = record.data[0]
        return ACK_FRAME

    def _telegram(self, at_s: float) -> FrameMbus:
        part, self._part = self._part, (self._part + 1) % self.parts
        self._accesses = (self._accesses + 1) & 0xFF
        head = self.identity.to_bytes() + bytes([self._accesses, 0, 0, 0])
        vif = _COUNTERS[self.identity.medium][0] if self.identity.medium in _COUNTERS else b"\x13"
        stored_s = at_s - 86_400 * 30 * part
        body = encode(_BCD8, vif, bcd_bytes(self.counter(stored_s), 4), storage=part)
        moment = datetime.fromtimestamp(int(stored_s), UTC)
        day = date_bytes(moment.year, moment.month, moment.day)
        stamp = time_bytes(day, moment.hour, moment.minute)
        body += encode(_INT32, b"\x6d", stamp, storage=part)
        if part + 1 < self.parts:
            body += _MORE
        return FrameMbus.long(c.RSP_UD, self.address, c.CI_VARIABLE, (head + body)[:DATA_BYTES_MAX])


class MbusBus:
    """The answering end of a bus; a ``kwhub.domain.machine.Machine``. Answers given at once overlay each other.

    A space is a current and wins over a mark: a bit is heard as 1 only where all say 1. Equal answers
    stay whole.
    """

    def __init__(
        self, meters: Sequence[MbusMeter], *, epoch_s: float, delay_s: float = ANSWER_DELAY_S
    ) -> None:
        self.meters = tuple(meters)
        self._epoch_s = epoch_s
        self._delay_s = delay_s
        self._session = Session(Role.SLAVE)
        self._due: tuple[float, bytes] | None = None
        self._out = b""
        self._events: list[Any] = []

    def send(self, request: Any, now: float) -> None:
        """Slaves say nothing of their own accord. Raises LocalError."""
        raise LocalError(f"nobody asked for {request} (second {now})")

    def receive(self, data: bytes, now: float) -> None:
        """Take received bytes."""
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
                said = [meter.answer(event.frame, self._epoch_s + now) for meter in self.meters]
                raw = [frame.to_bytes() for frame in said if frame is not None]
                if raw:
                    self._due = (now + self._delay_s, _overlay(raw))


def _overlay(answers: Sequence[bytes]) -> bytes:
    heard = bytearray(b"\xff" * max(map(len, answers)))
    for answer in answers:
        for at, byte in enumerate(answer):
            heard[at] &= byte
    return bytes(heard)


async def serve_mbus(link: Link, meters: Sequence[MbusMeter], clock: Clock) -> None:
    """Have meters answer on a link until it goes down."""
    epoch_s = clock.now().timestamp() - clock.monotonic()
    await attend(link, MbusBus(meters, epoch_s=epoch_s), clock, lambda _event: None)
