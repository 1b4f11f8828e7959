"""A meter that answers: requests in, answers out, the moment as an argument.

Source: DL/T 645-2007, clause 7 (codes 03, 08, 11 to 1D; ERR) and DL/T 645-1997, clause 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from kwhub.domain.errors import LocalError
from kwhub.protocols.dlt645.addresses import matches
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.messages import (
    AddressFound,
    Data,
    ReadAddress,
    ReadAgain,
    ReadData,
    ReadFollowUp,
    Refused,
)
from kwhub.protocols.dlt645.obedience import Done
from kwhub.sim.answers import PART_BYTES_MAX, Answers
from kwhub.sim.body import Body
from kwhub.sim.clockwork import MeterClock
from kwhub.sim.commands import Commands
from kwhub.sim.denial import Denied, NoSuchData
from kwhub.sim.electrical import Connection
from kwhub.sim.faults import MeterFaults
from kwhub.sim.load import Load
from kwhub.sim.memory import Memory, StateFile
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.quantities import Plain
from kwhub.sim.readout import Readout
from kwhub.sim.registers import EnergyRegisters
from kwhub.sim.settings import Settings

__all__ = ["KEY_S", "PART_BYTES_MAX", "Message", "Reply", "SimulatedMeter"]

KEY_S = 14_400
"""How long the programming key works after it was pressed, unless it is told otherwise."""

Message: TypeAlias = Data | Refused | AddressFound | Done

_RATE = 0x0400_0703


@dataclass(frozen=True, slots=True)
class Reply:
    """What a meter says and how."""

    message: Message
    extra_delay_s: float = 0.0  #: later than usual


def _own(address: str, ratio: int) -> dict[int, Plain]:
    """Parameters that differ from meter to meter."""
    numbers = dict.fromkeys((0x0400_0401, 0x0400_0402, 0xC032), address)
    return {0x0400_0306: Decimal(ratio), **numbers}


class SimulatedMeter:
    """One meter of one edition.

    Args:
        address: 12 digits, as printed on it; a state file may know a newer one.
        load: what flows through it, as it counts it.
        seed: of everything that is its own.
        phases: 1 or 3.
        ratio: of the current transformers before it.
        clock: its own; right and in the zone of China when left out.
        initial: ticks of 0.01 kWh that its four tariffs showed when the load started.
        faults: what is wrong with it.
        edition: of the protocol that it speaks.
        has_programming_key: whether parameters are written only after a key on it was pressed.
        state: file in which it keeps everything that is not a function of the moment; None: nowhere.
        deviations: what its maker does differently from the standard.
        part_bytes: value bytes in one frame of a long answer; the standard leaves it to the maker.
        prepayment: makes it a cost-control meter (2007 only).

    Raises:
        ConfigError: the state file is none.
        LocalError: ``part_bytes`` or an event of ``faults`` is impossible.

    Attributes:
        body: its parts; covers are opened, the power is cut and keys are pushed there.
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
        has_programming_key: bool = True,
        state: Path | None = None,
        deviations: Deviations = STANDARD,
        part_bytes: int = PART_BYTES_MAX,
        prepayment: PrepaymentUnit | None = None,
    ) -> None:
        self.load = load
        self.seed = seed
        self.phases = phases
        self.ratio = ratio
        self.faults = faults or MeterFaults()
        self.edition = edition
        self.deviations = deviations
        self._file = None if state is None else StateFile(state)
        memory = (self._file.load() if self._file else None) or Memory(address)
        self._memory = memory
        if memory.since_s is None:
            memory.since_s = load.first_s
        clock = clock or MeterClock()
        offset_s = clock.utc_offset_s
        self.registers = EnergyRegisters(load, ratio=ratio, initial=initial, utc_offset_s=offset_s)
        connection = Connection(load, phases=phases, seed=seed, ratio=ratio, utc_offset_s=offset_s)
        self.readout = Readout(
            connection,
            self.registers,
            clock,
            memory=memory,
            settings=Settings(memory, _own(address, ratio), deviations),
            reset_s=self.faults.reset_s,
        )
        self.body = Body(memory, connection, self.readout, edition)
        self.body.disturbances.plan(self.faults.events)
        self._answers = Answers(self.body, part_bytes)
        self._commands = Commands(self.body, has_programming_key=has_programming_key)
        self.prepayment = prepayment
        self._build_in()
        self._asked = 0
        self._last: Message | None = None

    def _build_in(self) -> None:
        if self.prepayment is not None:
            self.prepayment.build_in(self.body, self._commands.write_checked)
        self.body.refresh()

    @property
    def address(self) -> str:
        """The address that it answers to."""
        return self._memory.address

    @property
    def clock(self) -> MeterClock:
        """Its own clock."""
        return self.readout.clock

    @property
    def baud(self) -> int:
        """The speed that it was last told to go to. Raises LocalError: its word is none of its maker's."""
        baud = self.deviations.baud(self.body.settings.word(_RATE))
        if baud is None:
            raise LocalError("its state file is from a meter with other words for the speed")
        return baud

    def press_programming_key(self, at_s: int, for_s: int = KEY_S) -> None:
        """From this moment on parameters may be written for a while."""
        self._memory.key_until_s = at_s + for_s
        self.keep()

    def keep(self) -> None:
        """Write the state file, if there is one; done after every order by itself."""
        if self._file is not None:
            self._file.save(self._memory)

    def is_meant(self, address: str) -> bool:
        """Whether a request to this address, perhaps with wildcard digits, is for this meter."""
        return address == self.address or matches(address, self.address)

    def answer(self, request: Any, at_s: int, *, infrared: bool = False) -> Reply | None:
        """What the meter replies to a request.

        Args:
            request: a message of ``kwhub.protocols.dlt645``.
            at_s: the moment, whole seconds since 1970-01-01 UTC.
            infrared: it came through the infrared port, which cost-control meters guard.

        Returns:
            None when it stays silent: dead, without power, asked in an edition that it does not
            speak, or told something that nobody answers.
        """
        self._asked += 1
        body = self.body
        if request.edition is not self.edition or body.power.is_cut:
            return None
        if self.faults.silent(self.seed, self._asked, at_s):
            return None
        if body.due_s is not None and body.due_s <= at_s:
            body.advance(at_s)
            self.keep()
        try:
            message = self._secured(request, at_s, infrared=infrared) or self._said(request, at_s)
        except Denied as denied:
            message = Refused(self.address, denied.error, size=denied.size)
        if message is None:
            return None
        self._last = message
        if self.faults.wrong_address(self.seed, self._asked):
            message = replace(message, address=self._next_address())
        return Reply(message, self.faults.extra_delay_s(self.seed, self._asked))

    def _secured(self, request: Any, at_s: int, *, infrared: bool) -> Message | None:
        """What the prepayment unit says, if there is one and it is asked."""
        if self.prepayment is None:
            return None
        try:
            said: Message | None = self.prepayment.answer(request, at_s, infrared=infrared)
        finally:
            self.body.refresh()
            if not isinstance(request, ReadData):
                self.keep()
        return said

    def _said(self, request: Any, at_s: int) -> Message | None:
        match request:
            case ReadData():
                return self._answers.read(request, at_s)
            case ReadFollowUp():
                return self._answers.follow_up(request)
            case ReadAddress():
                return AddressFound(self.address)
            case ReadAgain():
                return self._again()
            case _:
                return self._obey(request, at_s)

    def _again(self) -> Message:
        if self._last is None:
            raise NoSuchData("nothing was said before")
        return self._last

    def _obey(self, request: Any, at_s: int) -> Message | None:
        """Carry out an order; what it changed is kept before it is answered."""
        try:
            return self._commands.obey(request, at_s)
        finally:
            self.keep()

    def _next_address(self) -> str:
        return f"{(int(self.address) + 1) % 10**12:012d}"
