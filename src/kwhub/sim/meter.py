"""A meter that answers: requests in, answers out, the moment as an argument.

Source: DL/T 645-2007, clause 7 (codes 11, 12, 13; ERR) and DL/T 645-1997, clause 6 (codes 01, 03).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, TypeAlias

from kwhub.protocols.dlt645.addresses import matches
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import encode, find
from kwhub.protocols.dlt645.messages import (
    AddressFound,
    Data,
    ReadAddress,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    Refused,
)
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.electrical import Connection
from kwhub.sim.faults import MeterFaults
from kwhub.sim.load import Load
from kwhub.sim.quantities import Plain
from kwhub.sim.readout import NoSuchData, Readout
from kwhub.sim.records import LoadRecords
from kwhub.sim.registers import EnergyRegisters

__all__ = ["PART_BYTES_MAX", "Message", "Reply", "SimulatedMeter"]

PART_BYTES_MAX = 195
"""Value bytes in one frame: 200 data bytes less four of the identifier and one of the sequence."""
_PARTS_MAX = 256  #: the frame of the first answer and 255 follow-ups
_LOAD_RECORD = 0x06

Message: TypeAlias = Data | Refused | AddressFound

#: Identifiers of 1997: the same item of 2007, and decimals where 1997 shows fewer (else None).
_OLD_ITEMS: dict[int, tuple[int, int | None]] = {
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
    0xC032: (0x0400_0402, None),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a meter says and how."""

    message: Message
    extra_delay_s: float = 0.0  #: later than usual


class SimulatedMeter:
    """One meter of one edition.

    Args:
        address: 12 digits, as printed on it.
        load: what flows through it, as it counts it.
        seed: of everything that is its own.
        phases: 1 or 3.
        ratio: of the current transformers before it.
        clock: its own; right and in the zone of China when left out.
        initial: ticks of 0.01 kWh that its four tariffs showed when the load started.
        faults: what is wrong with it.
        edition: of the protocol that it speaks.
    """

    def __init__(  # noqa: PLR0913 - a meter has this many properties; all but two by name
        self,
        address: str,
        load: Load,
        *,
        seed: int = 0,
        phases: int = 1,
        ratio: int = 1,
        clock: MeterClock | None = None,
        initial: Sequence[int] = (0, 0, 0, 0),
        faults: MeterFaults | None = None,
        edition: Edition = Edition.E2007,
    ) -> None:
        self.address = address
        self.load = load
        self.seed = seed
        self.phases = phases
        self.ratio = ratio
        self.clock = clock or MeterClock()
        self.faults = faults or MeterFaults()
        self.edition = edition
        offset_s = self.clock.utc_offset_s
        self.registers = EnergyRegisters(load, ratio=ratio, initial=initial, utc_offset_s=offset_s)
        self.readout = Readout(
            address,
            Connection(load, phases=phases, seed=seed, ratio=ratio, utc_offset_s=offset_s),
            self.registers,
            self.clock,
            self.faults.reset_s,
        )
        self._records = LoadRecords(self.readout)
        self._asked = 0
        self._long: tuple[int, bytes] | None = None
        self._last: Message | None = None

    def is_meant(self, address: str) -> bool:
        """Whether a request to this address, perhaps with wildcard digits, is for this meter."""
        return address == self.address or matches(address, self.address)

    def answer(self, request: Any, at_s: int) -> Reply | None:
        """What the meter replies to a request.

        Args:
            request: a message of ``kwhub.protocols.dlt645.messages``.
            at_s: the moment, whole seconds since 1970-01-01 UTC.

        Returns:
            None when it stays silent: dead, or asked in an edition that it does not speak.
        """
        self._asked += 1
        if request.edition is not self.edition:
            return None
        if self.faults.silent(self.seed, self._asked, at_s):
            return None
        message = self._last = self._message(request, at_s)
        if self.faults.wrong_address(self.seed, self._asked):
            message = replace(message, address=self._next_address())
        return Reply(message, self.faults.extra_delay_s(self.seed, self._asked))

    def _message(self, request: Any, at_s: int) -> Message:
        try:
            match request:
                case ReadData():
                    message: Message = self._read(request, at_s)
                case ReadFollowUp():
                    message = self._follow_up(request)
                case ReadAddress():
                    message = AddressFound(self.address)
                case ReadAgain():
                    message = self._again()
                case _:  # nothing but reading is allowed without a key
                    message = self._refusal(Error2007.NOT_AUTHORISED)
        except NoSuchData:
            return self._refusal(Error2007.NO_SUCH_DATA)
        return message

    def _again(self) -> Message:
        if self._last is None:
            raise NoSuchData("nothing was said before")
        return self._last

    def _refusal(self, error: Error2007) -> Refused:
        """A refusal; the two bits that are used here have the same place in both editions."""
        return Refused(self.address, int(error))

    def _read(self, request: ReadData, at_s: int) -> Data:
        identifier = request.identifier
        if self.edition is Edition.E1997:
            return Data(self.address, identifier, self._old_payload(identifier, at_s))
        if identifier >> 24 == _LOAD_RECORD:
            payload = self._records.payload(identifier, request.argument, at_s)
            payload = payload[: PART_BYTES_MAX * _PARTS_MAX]
        else:
            payload = self._payload(identifier, at_s)
        self._long = (identifier, payload) if len(payload) > PART_BYTES_MAX else None
        more = self._long is not None
        return Data(self.address, identifier, payload[:PART_BYTES_MAX], more)

    def _payload(self, identifier: int, at_s: int) -> bytes:
        values = self.readout.values(identifier, at_s)
        if find(identifier) is None:
            raise NoSuchData(f"{identifier:08X}")
        return encode(identifier, values)

    def _follow_up(self, request: ReadFollowUp) -> Data:
        """The next part of the last long answer; asking for the same part again gives it again."""
        if self._long is None or self._long[0] != request.identifier:
            raise NoSuchData(f"{request.identifier:08X}: nothing follows")
        payload = self._long[1]
        start = request.sequence * PART_BYTES_MAX
        if start >= len(payload):
            raise NoSuchData(f"{request.identifier:08X}: part {request.sequence}")
        more = start + PART_BYTES_MAX < len(payload)
        part = payload[start : start + PART_BYTES_MAX]
        return Data(self.address, request.identifier, part, more, request.sequence)

    def _old_payload(self, identifier: int, at_s: int) -> bytes:
        """Value bytes of an identifier of 1997."""
        row = _OLD_ITEMS.get(identifier)
        if row is None or find(identifier, Edition.E1997) is None:
            raise NoSuchData(f"{identifier:04X}")
        modern, places = row
        values = [_coarse(value, places) for value in self.readout.values(modern, at_s)]
        return encode(identifier, values, Edition.E1997)

    def _next_address(self) -> str:
        return f"{(int(self.address) + 1) % 10**12:012d}"


def _coarse(value: Plain, places: int | None) -> Plain:
    """A number with fewer decimals; anything else as it is."""
    if places is None or not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN)
