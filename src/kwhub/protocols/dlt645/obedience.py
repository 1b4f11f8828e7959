"""The answer of a meter that obeys, and what all commands share.

Source: DL/T 645-2007, clause 7 (normal answers of codes 14 to 1D); DL/T 645-1997, clause 6. Answers to
16 to 1D: single source.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import accepts_address

__all__ = ["Command", "Done", "little_endian"]


@dataclass(frozen=True, slots=True)
class Done:
    """The meter has obeyed. For a meter to send, ``Done(address)`` is enough.

    Attributes:
        function: the function that was obeyed; None stands for that of the newest request that fits.
        data: the data field of the answer; None stands for what the standard wants there.
    """

    final: ClassVar[bool] = True
    more: ClassVar[bool] = False
    address: str
    function: int | None = None
    data: bytes | None = None
    raw: bytes = b""

    def data_for(self, request: Any) -> bytes:
        """The data field when this answers the request. Raises LocalError when it does not fit."""
        if not isinstance(request, Command):
            raise LocalError(f"{request} asks for data, not for obedience")
        if self.function not in (None, getattr(request, "function", None)):
            raise LocalError(f"{self} does not answer {request}")
        return request.acknowledgement() if self.data is None else self.data


class Command:
    """What all commands share; a subclass adds address, edition, function, data and from_frame.

    A command is not sent again blindly: when only its answer was lost, the second one would freeze
    twice, set the clock late, or be refused because the password is a new one already. Whoever
    commands looks at what has become of the meter first.
    """

    __slots__ = ()
    repeatable: ClassVar[bool] = False

    def accepts(self: Any, address: str) -> bool:
        """Whether an answer from this address can be the answer."""
        return accepts_address(self.address, address)

    def acknowledgement(self) -> bytes:
        """The data field of the normal answer."""
        return b""

    def answer(self, frame: Frame645, raw: bytes) -> Done:
        """The meter has obeyed. Raises DecodeError when it says that it did something else."""
        wanted = self.acknowledgement()
        if wanted and frame.data and frame.data != wanted:
            raise DecodeError(
                "other_parameter", "the meter repeats other data than it was sent", field="data"
            )
        return Done(frame.address, frame.function, frame.data, raw)


def little_endian(value: int, size: int) -> bytes:
    """An unsigned number, low byte first. Raises LocalError when it does not fit."""
    try:
        return value.to_bytes(size, "little")
    except OverflowError:
        raise LocalError(f"{value:X} does not fit into {size} bytes") from None
