"""Requests in, answers out: who is meant, reading or writing, long answers in parts.

Source: DL/T 645-2007, clause 7 (codes 08, 11 to 14, 16, 18; ERR).
"""

from typing import Any, Final, TypeAlias

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.addresses import BROADCAST, WILDCARD, is_wildcard, matches
from kwhub.protocols.dlt645.messages import (
    AddressFound,
    Data,
    ReadAddress,
    ReadData,
    ReadFollowUp,
    Refused,
)
from kwhub.protocols.dlt645.obedience import Done
from kwhub.protocols.dlt645.orders import SetTime
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.terminal.box import Box
from kwhub.terminal.guard import Denied, Guard
from kwhub.terminal.items import Items, no_such_data
from kwhub.terminal.memory import MemoryFault
from kwhub.terminal.orders import Orders

__all__ = ["PART_BYTES_MAX", "Answer", "Desk"]

PART_BYTES_MAX: Final = 195
"""Value bytes in one frame: 200 data bytes less four of the identifier and one of the sequence."""

Answer: TypeAlias = Data | Refused | AddressFound | Done


class Desk:
    """Answers for one terminal and its measuring points."""

    def __init__(self, box: Box, guard: Guard) -> None:
        self._box = box
        self._items = Items(box)
        self._orders = Orders(box, guard)
        self._long: dict[tuple[str, int], bytes] = {}

    def knows(self, address: str) -> bool:
        """Whether an address is that of the terminal or of a point; a wildcard means the terminal."""
        box = self._box
        return address == box.address or address in box.points or matches(address, box.address)

    def answer(self, request: Any, true_us: int, now_us: int) -> Answer | None:
        """What is said to a request; None for silence.

        Args:
            request: of ``kwhub.protocols.dlt645``.
            true_us: the moment.
            now_us: the same on the clock of the inputs.
        """
        address = request.address
        point = self._box.points.index(address) + 1 if address in self._box.points else 0
        own = address if point else self._box.address
        try:
            return self._said(request, own, point, true_us, now_us)
        except Denied as denied:
            error = denied.error
        except (LocalError, MemoryFault):
            error = Error2007.OTHER
        if address == BROADCAST or isinstance(request, SetTime):
            return None
        return Refused(own, error)

    def _said(self, request: Any, own: str, point: int, true_us: int, now_us: int) -> Answer | None:
        match request:
            case ReadAddress():
                return AddressFound(own)
            case ReadData():
                payload = self._items.payload(
                    request.identifier, request.argument, point, true_us, now_us
                )
                return self._first(own, request.identifier, payload)
            case ReadFollowUp():
                return self._part(own, request.identifier, request.sequence)
            case _:
                return self._obeyed(request, own, point, true_us)

    def _obeyed(self, request: Any, own: str, point: int, true_us: int) -> Answer | None:
        if is_wildcard(request.address) or request.address == WILDCARD:
            return None  # only reading may be asked by wildcard
        self._orders.obey(request, point, true_us)
        return Done(own, request.function)

    def _first(self, own: str, identifier: int, payload: bytes) -> Data:
        more = len(payload) > PART_BYTES_MAX
        self._long = {(own, identifier): payload} if more else {}
        return Data(own, identifier, payload[:PART_BYTES_MAX], more)

    def _part(self, own: str, identifier: int, number: int) -> Data:
        payload = self._long.get((own, identifier), b"")
        start = number * PART_BYTES_MAX
        if start >= len(payload):
            raise no_such_data(identifier)
        part = payload[start : start + PART_BYTES_MAX]
        more = start + PART_BYTES_MAX < len(payload)
        return Data(own, identifier, part, more, number)
