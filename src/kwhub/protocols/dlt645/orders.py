"""What a meter is told to do: take the time, freeze, clear, trip or close, show a signal, authenticate.

Each request knows its bytes and its own answer, as in ``messages``; ``services`` says which function
code belongs to which class.

Source: DL/T 645-2007, clause 7 and annex (control codes 03, 08, 16, 19 to 1D); DL/T 645-1997, clause 6
(codes 08, 10). Answers to 16 and to 19 to 1D: single source.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645 import control as codes
from kwhub.protocols.dlt645.addresses import BROADCAST
from kwhub.protocols.dlt645.authority import Authority, Key
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import Data, accepts_address
from kwhub.protocols.dlt645.obedience import Command, little_endian
from kwhub.protocols.dlt645.times import wall_time, wall_time_bytes

__all__ = [
    "ALL_EVENTS",
    "Authenticate",
    "ClearDemand",
    "ClearEvents",
    "ClearMeter",
    "ControlRelay",
    "Freeze",
    "SetOutput",
    "SetTime",
]

ALL_EVENTS = 0xFFFFFFFF
"""Clear the records of every kind of event."""

_E2007 = Edition.E2007


@dataclass(frozen=True, slots=True)
class SetTime(Command):
    """Tell all meters (or one) the time. Code 08; nobody answers.

    A meter takes it once a day, and only when its clock is not far off (5 minutes in 2007).
    """

    time: datetime  #: the wall time that the meters shall show
    address: str = BROADCAST
    edition: Edition = _E2007
    function: ClassVar[int] = codes.BROADCAST_TIME

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return wall_time_bytes(self.time)

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked. Raises DecodeError for no time."""
        return cls(wall_time(frame.data), frame.address, edition)


@dataclass(frozen=True, slots=True)
class Freeze(Command):
    """Freeze the registers at a moment. 2007 only: code 16.

    Attributes:
        pattern: month, day, hour and minute, two digits each; 99 from the left stands for "every",
            99999999 for "now".
    """

    address: str
    pattern: str = "99999999"
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.FREEZE

    def data(self) -> bytes:
        """The data field, without the 33H offset: minute first."""
        if len(self.pattern) != 8 or not self.pattern.isdecimal():
            raise LocalError(f"{self.pattern!r} is not made of month, day, hour and minute")
        return bytes.fromhex(self.pattern)[::-1]

    @classmethod
    def from_frame(cls, frame: Frame645, _edition: Edition) -> Self:
        """The request in a frame whose length has been checked. Raises DecodeError for no digits."""
        pattern = frame.data[::-1].hex().upper()
        if not pattern.isdecimal():
            raise DecodeError("time_not_valid", f"{pattern} is not decimal", field="data")
        return cls(frame.address, pattern)


@dataclass(frozen=True, slots=True)
class ClearDemand(Command):
    """Set the maximum demands to zero. 2007: code 19; 1997: code 10.

    Attributes:
        cipher: ciphertext and MAC, for level 98.
    """

    address: str
    authority: Authority
    cipher: bytes = b""
    edition: Edition = _E2007

    @property
    def function(self) -> int:
        """The function code."""
        return codes.CLEAR_DEMAND if self.edition is _E2007 else codes.CLEAR_DEMAND_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return self.authority.to_bytes(self.edition) + self.cipher

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        authority, cipher = _authority(frame, edition)
        return cls(frame.address, authority, cipher, edition)


@dataclass(frozen=True, slots=True)
class ClearMeter(Command):
    """Set the energies, demands and records to zero. 2007 only: code 1A.

    Attributes:
        cipher: ciphertext and MAC, for level 98.
    """

    address: str
    authority: Authority
    cipher: bytes = b""
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.CLEAR_METER

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return self.authority.to_bytes(self.edition) + self.cipher

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address, *_authority(frame, edition))


@dataclass(frozen=True, slots=True)
class ClearEvents(Command):
    """Clear event records. 2007 only: code 1B.

    Attributes:
        events: the kind (DI0 is FF), or ALL_EVENTS; unused when there is a cipher.
        cipher: ciphertext and MAC, for level 98; they name the kind themselves.
    """

    address: str
    authority: Authority
    events: int = ALL_EVENTS
    cipher: bytes = b""
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.CLEAR_EVENTS

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return self.authority.to_bytes(self.edition) + (
            self.cipher or little_endian(self.events, 4)
        )

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        authority, rest = _authority(frame, edition)
        if len(rest) == 4:
            return cls(frame.address, authority, int.from_bytes(rest, "little"))
        return cls(frame.address, authority, cipher=rest)


@dataclass(frozen=True, slots=True)
class ControlRelay(Command):
    """Trip, close, alarm, protect. 2007 only: code 1C.

    Attributes:
        order: ``RelayOrder.to_bytes()``, or ciphertext and MAC for level 98.
    """

    address: str
    authority: Authority
    order: bytes
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.CONTROL_RELAY

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return self.authority.to_bytes(self.edition) + self.order

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address, *_authority(frame, edition))


@dataclass(frozen=True, slots=True)
class SetOutput(Command):
    """Choose the signal of the multi-function terminal. 2007 only: code 1D.

    Attributes:
        output: one of ``contents.OUTPUTS``.
    """

    address: str
    output: int
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.SET_OUTPUT

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return little_endian(self.output, 1)

    def acknowledgement(self) -> bytes:
        """The signal in force."""
        return self.data()

    @classmethod
    def from_frame(cls, frame: Frame645, _edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address, frame.data[0])


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A security command: identity, keys, recharge. 2007 only: code 03. Answered by ``Data``.

    Attributes:
        operator: eight digits.
    """

    address: str
    identifier: int
    payload: bytes
    operator: str = "00000000"
    edition: ClassVar[Edition] = _E2007
    function: ClassVar[int] = codes.AUTHENTICATE
    repeatable: ClassVar[bool] = False

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        operator = Authority(Key(0), self.operator).to_bytes(_E2007)[4:]
        return little_endian(self.identifier, 4) + operator + self.payload

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def answer(self, frame: Frame645, raw: bytes) -> Data:
        """The data that came back. Raises DecodeError when they are those of something else."""
        found = int.from_bytes(frame.data[:4], "little")
        if found != self.identifier:
            raise DecodeError("other_identifier", f"the answer is about {found:08X}", field="data")
        return Data(frame.address, found, frame.data[4:], frame.has_more, None, raw)

    @classmethod
    def from_frame(cls, frame: Frame645, _edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        data = frame.data
        identifier = int.from_bytes(data[:4], "little")
        return cls(frame.address, identifier, data[8:], data[7:3:-1].hex().upper())


def _authority(frame: Frame645, edition: Edition) -> tuple[Authority, bytes]:
    """The authority at the front of the data field, and what follows it."""
    size = Authority.size(edition)
    return Authority.from_bytes(frame.data[:size]), frame.data[size:]
