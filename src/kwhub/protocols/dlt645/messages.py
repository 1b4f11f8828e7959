"""What is asked and what is answered when reading, as values.

A request knows its bytes and recognises its own answer; an answer knows its bytes. Times, retries
and lines are no business of theirs.

Source: DL/T 645-2007, clause 7 and annex (control codes 11, 12, 13); DL/T 645-1997, clause 6
(codes 01, 02, 03). The sequence number in answers to 12: single source.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from kwhub.domain.errors import DecodeError, LocalError, Refusal
from kwhub.protocols.dlt645.addresses import WILDCARD, address_bytes, address_text, matches
from kwhub.protocols.dlt645.control import (
    READ,
    READ_1997,
    READ_ADDRESS,
    READ_AGAIN_1997,
    READ_FOLLOW_UP,
    READ_FOLLOW_UP_1997,
)
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.refusals import reasons, words_for

__all__ = [
    "AddressFound",
    "Answer",
    "Asked",
    "Data",
    "ReadAddress",
    "ReadAgain",
    "ReadData",
    "ReadFollowUp",
    "Refused",
    "Request",
    "Sent",
    "TimedOut",
    "accepts_address",
]


class Answer(Protocol):
    """A normal answer of a meter."""

    @property
    def address(self) -> str:
        """The meter that answers."""

    @property
    def more(self) -> bool:
        """Whether more frames follow."""

    def data_for(self, request: Any) -> bytes:
        """The data field when this answers the request. Raises LocalError when it does not fit."""


class Request(Protocol):
    """What a master asks."""

    @property
    def address(self) -> str:
        """The meter that is asked, perhaps with wildcard digits."""

    @property
    def edition(self) -> Edition:
        """The edition that it is written in."""

    @property
    def function(self) -> int:
        """The function code."""

    @property
    def repeatable(self) -> bool:
        """Whether it does no harm to send it again when no answer came."""

    def data(self) -> bytes:
        """The data field, without the 33H offset."""

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""

    def answer(self, frame: Frame645, raw: bytes) -> Any:
        """The event for a normal answer whose length has been checked.

        Raises DecodeError when the frame answers something else.
        """

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition, /) -> Self:
        """The request in a frame whose length has been checked."""


def accepts_address(asked: str, answered: str) -> bool:
    """Whether the answer may come from this address.

    Asked by wildcard, a meter answers with its own address; several makes leave the wildcard in.

    >>> accepts_address("AAAAAAAAAAAA", "000000000038"), accepts_address("000000000038", "AAAAAAAAAAAA")
    (True, False)
    """
    if asked == answered:
        return True
    if asked.startswith("99") and asked == "9" * 12:
        return True
    return asked.startswith("AA") and (matches(asked, answered) or answered.startswith("AA"))


def _identifier_bytes(identifier: int, edition: Edition) -> bytes:
    try:
        return identifier.to_bytes(edition.identifier_bytes, "little")
    except OverflowError:
        raise LocalError(f"{identifier:X} is no identifier of {edition.value}") from None


def _payload(frame: Frame645, identifier: int, edition: Edition) -> bytes:
    """The data after the identifier, which must be the one that was asked for."""
    size = edition.identifier_bytes
    found = int.from_bytes(frame.data[:size], "little")
    if found != identifier:
        raise DecodeError(
            "other_identifier",
            f"the answer is about {found:0{2 * size}X}, asked was {identifier:0{2 * size}X}",
            field="data",
        )
    return frame.data[size:]


@dataclass(frozen=True, slots=True)
class ReadData:
    """Read one identifier (or a block of them). 2007: code 11; 1997: code 01.

    Attributes:
        argument: what follows the identifier: N for the newest or oldest load records,
            N mm hh DD MM YY for load records from a time.
    """

    address: str
    identifier: int
    argument: bytes = b""
    edition: Edition = Edition.E2007
    repeatable: ClassVar[bool] = True

    @property
    def function(self) -> int:
        """The function code."""
        return READ if self.edition is Edition.E2007 else READ_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        return _identifier_bytes(self.identifier, self.edition) + self.argument

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def answer(self, frame: Frame645, raw: bytes) -> "Data":
        """The values that came. Raises DecodeError when they are those of something else."""
        payload = _payload(frame, self.identifier, self.edition)
        return Data(frame.address, self.identifier, payload, frame.has_more, None, raw)

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        size = edition.identifier_bytes
        identifier = int.from_bytes(frame.data[:size], "little")
        return cls(frame.address, identifier, frame.data[size:], edition)


@dataclass(frozen=True, slots=True)
class ReadFollowUp:
    """Read what did not fit into the frame before. 2007: code 12; 1997: code 02.

    The 2007 edition counts them from 1 and repeats the number in the answer; 1997 has no number.

    Attributes:
        sequence: 1..255 in 2007; 0 in 1997.
    """

    address: str
    identifier: int
    sequence: int = 1
    edition: Edition = Edition.E2007

    @property
    def repeatable(self) -> bool:
        """Not in 1997: a meter whose answer was lost would go on behind it."""
        return self.edition is Edition.E2007

    @property
    def function(self) -> int:
        """The function code."""
        return READ_FOLLOW_UP if self.edition is Edition.E2007 else READ_FOLLOW_UP_1997

    def data(self) -> bytes:
        """The data field, without the 33H offset."""
        identifier = _identifier_bytes(self.identifier, self.edition)
        if self.edition is Edition.E1997:
            return identifier
        if not 1 <= self.sequence <= 0xFF:
            raise LocalError(f"follow-up {self.sequence}: they are counted from 1 to 255")
        return identifier + bytes([self.sequence])

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def answer(self, frame: Frame645, raw: bytes) -> "Data":
        """The next values. Raises DecodeError when they are those of another follow-up."""
        payload = _payload(frame, self.identifier, self.edition)
        if self.edition is Edition.E1997:
            return Data(frame.address, self.identifier, payload, frame.has_more, None, raw)
        if payload[-1] != self.sequence:
            raise DecodeError(
                "other_sequence",
                f"follow-up {payload[-1]} came, asked was {self.sequence}",
                field="data",
            )
        more = frame.has_more
        return Data(frame.address, self.identifier, payload[:-1], more, payload[-1], raw)

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        size = edition.identifier_bytes
        identifier = int.from_bytes(frame.data[:size], "little")
        return cls(frame.address, identifier, int.from_bytes(frame.data[size:], "little"), edition)


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """Have the last frame repeated. 1997 only: code 03 (single source).

    Attributes:
        identifier: what the last frame was about; the request itself does not carry it.
    """

    address: str
    identifier: int = 0
    edition: ClassVar[Edition] = Edition.E1997
    function: ClassVar[int] = READ_AGAIN_1997
    repeatable: ClassVar[bool] = True

    def data(self) -> bytes:
        """The data field, which is empty."""
        return b""

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def answer(self, frame: Frame645, raw: bytes) -> "Data":
        """The values that came. Raises DecodeError when they are those of something else."""
        payload = _payload(frame, self.identifier, self.edition)
        return Data(frame.address, self.identifier, payload, frame.has_more, None, raw)

    @classmethod
    def from_frame(cls, frame: Frame645, _edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address)


@dataclass(frozen=True, slots=True)
class ReadAddress:
    """Ask the only meter on the line for its address. 2007 only: code 13."""

    address: str = WILDCARD
    edition: ClassVar[Edition] = Edition.E2007
    function: ClassVar[int] = READ_ADDRESS
    repeatable: ClassVar[bool] = True

    def data(self) -> bytes:
        """The data field, which is empty."""
        return b""

    def accepts(self, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def answer(self, frame: Frame645, raw: bytes) -> "AddressFound":
        """The address in the data field; the address field of some makes is left as a wildcard."""
        return AddressFound(address_text(frame.data), raw)

    @classmethod
    def from_frame(cls, frame: Frame645, _edition: Edition) -> Self:
        """The request in a frame whose length has been checked."""
        return cls(frame.address)


@dataclass(frozen=True, slots=True)
class Data:
    """Values of one identifier: the whole or, with ``more``, a part of them."""

    final: ClassVar[bool] = True
    address: str
    identifier: int
    payload: bytes  #: what follows the identifier, offset removed
    more: bool = False  #: more frames follow: ask with ReadFollowUp
    sequence: int | None = None  #: number of the follow-up, 2007 only
    raw: bytes = b""

    def data_for(self, request: ReadData | ReadFollowUp | ReadAgain) -> bytes:
        """The data field when this answers the request. Raises LocalError when it does not fit."""
        of_this = getattr(request, "identifier", None) == self.identifier
        command = hasattr(request, "acknowledgement")  # wants obedience, not values
        if command or not (of_this or isinstance(request, ReadAgain)):
            raise LocalError(f"values of {self.identifier:X} do not answer {request}")
        data = _identifier_bytes(self.identifier, request.edition) + self.payload
        if isinstance(request, ReadFollowUp) and request.edition is Edition.E2007:
            return data + bytes([request.sequence])
        return data


@dataclass(frozen=True, slots=True)
class AddressFound:
    """A meter has told its address."""

    final: ClassVar[bool] = True
    more: ClassVar[bool] = False
    address: str
    raw: bytes = b""

    def data_for(self, request: ReadAddress) -> bytes:
        """The data field when this answers the request. Raises LocalError when it does not fit."""
        if not isinstance(request, ReadAddress):
            raise LocalError(f"an address does not answer {request}")
        return address_bytes(self.address)


@dataclass(frozen=True, slots=True)
class Refused:
    """The meter says no.

    Attributes:
        error: the error word; its bits are those of ``refusals``.
        reasons: the words of its bits, in bit order.
        size: number of bytes of the error field (two in the security and relay functions).
        function: the function that is refused; None stands for that of the newest request that fits.
    """

    final: ClassVar[bool] = True
    address: str
    error: int
    reasons: tuple[str, ...] = ()
    raw: bytes = b""
    size: int = 1
    function: int | None = None
    more: ClassVar[bool] = False

    @property
    def refusal(self) -> Refusal:
        """The same as an exception of the house."""
        return Refusal(self.reasons or reasons(self.error), raw=self.raw)

    @classmethod
    def from_frame(cls, frame: Frame645, edition: Edition, raw: bytes) -> Self:
        """The refusal in an abnormal answer whose length has been checked."""
        size = len(frame.data)
        error = int.from_bytes(frame.data, "little")
        words = words_for(edition, frame.function, size)
        return cls(frame.address, error, reasons(error, words), raw, size, frame.function)

    def data_for(self, request: Any) -> bytes:
        """The data field when this answers the request. Raises LocalError when it does not fit."""
        if self.function is not None and request.function != self.function:
            raise LocalError(f"a refusal of {self.function:02X} does not answer {request}")
        return self.error.to_bytes(self.size, "little")


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No usable answer came in time."""

    final: ClassVar[bool] = True
    timed_out: ClassVar[bool] = True
    request: Any
    attempts: int = 1  #: how often the request was sent; whoever repeats it counts


@dataclass(frozen=True, slots=True)
class Sent:
    """A request for all meters has been handed over; nobody answers it."""

    final: ClassVar[bool] = True
    request: Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for this meter has come. Answer it by ``session.send``, unless it is ``silent``."""

    final: ClassVar[bool] = False
    frame: Frame645
    request: Any
    raw: bytes
    silent: bool = False  #: it went to all meters; an answer is not allowed
