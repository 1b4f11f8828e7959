"""Answers to reading: every class of identifiers of 2007, the items of 1997, follow-up frames.

Source: DL/T 645-2007, clause 7 (codes 11, 12) and annex A; DL/T 645-1997, clause 6 (codes 01, 03) and
annex A.
"""

from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import encode, find
from kwhub.protocols.dlt645.messages import Data, ReadData, ReadFollowUp
from kwhub.sim.body import Body
from kwhub.sim.denial import NoSuchData, not_authorised
from kwhub.sim.quantities import Plain
from kwhub.sim.statuses import STATUS_WORDS, status_payload

__all__ = ["PART_BYTES_MAX", "Answers"]

PART_BYTES_MAX = 195
"""Value bytes in one frame: 200 data bytes less four of the identifier and one of the sequence."""
_PARTS_MAX = 256  #: the frame of the first answer and 255 follow-ups
_EVENTS, _PARAMETERS, _FREEZES, _LOAD_RECORD = 0x03, 0x04, 0x05, 0x06
_EVENT_CLASSES = frozenset({_EVENTS, *range(0x10, 0x14), 0x18, 0x19, 0x1A, 0x1C, 0x1D, 0x1E})
_CLOCK_ITEMS: Final = frozenset({0x0400_0101, 0x0400_0102, 0x0400_010C})
_TIMED_FREEZE: Final = 0x0400_1204

#: Identifiers of 1997: the same item of 2007, and decimals where 1997 shows fewer (else None).
_OLD_ITEMS = MappingProxyType(
    {
        **{0x9010 + tariff: (0x0001_0000 + (tariff << 8), None) for tariff in range(5)},
        0x901F: (0x0001_FF00, None),
        0x9020: (0x0002_0000, None),
        0x9110: (0x0003_0000, None),
        0x9410: (0x0001_0001, None),
        0x941F: (0x0001_FF01, None),
        **{0xB610 + phase: (0x0201_0000 + (phase << 8), 0) for phase in (1, 2, 3)},
        0xB61F: (0x0201_FF00, 0),
        **{0xB620 + phase: (0x0202_0000 + (phase << 8), 2) for phase in (1, 2, 3)},
        0xB62F: (0x0202_FF00, 2),
        **{0xB630 + phase: (0x0203_0000 + (phase << 8), None) for phase in range(4)},
        0xB63F: (0x0203_FF00, None),
        **{0xB640 + phase: (0x0204_0000 + (phase << 8), 2) for phase in range(4)},
        0xB64F: (0x0204_FF00, 2),
        **{0xB650 + phase: (0x0206_0000 + (phase << 8), None) for phase in range(4)},
        0xB65F: (0x0206_FF00, None),
        0xC010: (0x0400_0101, None),
        0xC011: (0x0400_0102, None),
    }
)


class Answers:
    """What one meter tells.

    Args:
        body: of the meter.
        part_bytes: value bytes in one frame of a long answer.

    Raises:
        LocalError: no frame can carry so many.
    """

    def __init__(self, body: Body, part_bytes: int = PART_BYTES_MAX) -> None:
        if not 1 <= part_bytes <= PART_BYTES_MAX:
            raise LocalError(
                f"{part_bytes} value bytes in a frame: 1 to {PART_BYTES_MAX} are possible"
            )
        self._body = body
        self._part_bytes = part_bytes
        self._readout = body.readout
        self._memory = body.memory
        self._long: tuple[int, bytes] | None = None
        self._told = 0  #: parts of it, for follow-ups without a number (1997)

    def read(self, request: ReadData, at_s: int) -> Data:
        """The first, mostly the only part of an item. Raises Denied."""
        identifier, address = request.identifier, self._memory.address
        if request.edition is Edition.E1997:
            payload = self._old_payload(identifier, at_s)
        elif identifier < _EVENTS << 24:
            payload = self._values(identifier, at_s)
        else:
            payload = self._payload(identifier, request.argument, at_s)
        more = len(payload) > self._part_bytes
        self._long, self._told = (identifier, payload) if more else None, 1
        return Data(address, identifier, payload[: self._part_bytes], more)

    def follow_up(self, request: ReadFollowUp) -> Data:
        """The next part of the last long answer; asking for the same part again gives it again.

        Raises:
            NoSuchData: nothing follows.
        """
        is_numbered = request.edition is Edition.E2007
        number = request.sequence if is_numbered else self._told
        if self._long is None or self._long[0] != request.identifier or not number:
            raise NoSuchData(f"{request.identifier:08X}: nothing follows")
        payload = self._long[1]
        start = number * self._part_bytes
        if start >= len(payload):
            raise NoSuchData(f"{request.identifier:08X}: part {number}")
        self._told = number + 1
        more = start + self._part_bytes < len(payload)
        part = payload[start : start + self._part_bytes]
        address = self._memory.address
        return Data(address, request.identifier, part, more, number if is_numbered else None)

    def _payload(self, identifier: int, argument: bytes, at_s: int) -> bytes:
        """Value bytes of an identifier of 2007 from class 03 on."""
        group = identifier >> 24
        if group == _LOAD_RECORD:
            payload = self._body.records.payload(identifier, argument, at_s)
            return payload[: self._part_bytes * _PARTS_MAX]
        if group == _FREEZES:
            return self._body.freezes.payload(identifier, at_s)
        if group in _EVENT_CLASSES:
            return self._body.book.payload(identifier)
        return self._parameter(identifier, at_s)

    def _values(self, identifier: int, at_s: int) -> bytes:
        """What is worked out: energies, demands, variables, the clock."""
        values = self._readout.values(identifier, at_s)
        item = find(identifier)
        if item is None:
            raise NoSuchData(f"{identifier:08X}")
        return item.encode(values)

    def _parameter(self, identifier: int, at_s: int) -> bytes:
        """What is written, not worked out; and whatever belongs to no class."""
        if identifier >> 24 != _PARAMETERS or identifier in _CLOCK_ITEMS:
            return self._values(identifier, at_s)
        if identifier >> 8 == STATUS_WORDS:
            return status_payload(self._body, identifier & 0xFF, at_s)
        if identifier == _TIMED_FREEZE and self._memory.freeze_pattern:
            return bytes.fromhex(self._memory.freeze_pattern)[::-1]
        item = find(identifier)
        if item is not None and item.access == "W":
            raise not_authorised(f"{identifier:08X} is not for reading")
        return self._body.settings.raw(identifier)

    def _old_payload(self, identifier: int, at_s: int) -> bytes:
        """Value bytes of an identifier of 1997."""
        item = find(identifier, Edition.E1997)
        if item is None:
            raise NoSuchData(f"{identifier:04X}")
        if item.access == "W":
            raise not_authorised(f"{identifier:04X} is not for reading")
        row = _OLD_ITEMS.get(identifier)
        if row is None:
            return self._body.settings.raw(identifier)
        modern, places = row
        values = [_coarse(value, places) for value in self._readout.values(modern, at_s)]
        return encode(identifier, values, Edition.E1997)


def _coarse(value: Plain, places: int | None) -> Plain:
    """A number with fewer decimals; anything else as it is."""
    if places is None or not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN)
