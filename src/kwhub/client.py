"""Reading meters from a program: a line, the meters on it, what they say.

>>> async def show() -> None:
...     async with connect("serial:/dev/ttyUSB0?baud=2400&parity=even") as line:
...         reading = await line.meter("000000000038").read("1-0:1.8.0")
...         print(reading.value, reading.unit)
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Concatenate, ParamSpec, TypeVar

from kwhub.catalog.registers import parse_register
from kwhub.domain.answer_times import ANSWER_TIMEOUT_FIRST_S, AnswerTimes
from kwhub.domain.errors import LocalError
from kwhub.domain.machine import Conversation
from kwhub.domain.readings import Outcome, Quality, Reading
from kwhub.exchange.read import (
    CurvePoint,
    DayFreeze,
    RegisterAnswer,
    read_address,
    read_clock,
    read_curve,
    read_day_freeze,
    read_registers,
)
from kwhub.exchange.transfer import transfer
from kwhub.links.address import open_link
from kwhub.links.base import Link
from kwhub.links.drive import ATTEMPTS, Driver
from kwhub.protocols.dlt645.addresses import normalise
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import Value, decode
from kwhub.protocols.dlt645.session import Role, Session
from kwhub.runtime.clock import Clock, SystemClock

__all__ = ["Line", "Meter", "connect"]

T = TypeVar("T")
P = ParamSpec("P")


class Line:
    """A link with DL/T 645 meters on it. Tasks may share it: one conversation runs at a time.

    Attributes:
        link: the way; whoever opened it closes it.
        driver: counts requests, retries, discarded frames and bytes.
        answer_times: how fast each meter answers; the waits follow it.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_FIRST_S,
        attempts: int = ATTEMPTS,
        told: Callable[[Any], None] | None = None,
    ) -> None:
        """Speak on an open link.

        Args:
            link: stays open.
            clock: gives the time to waits and readings.
            answer_timeout_s: wait for a meter that has not answered yet.
            attempts: how often a request is sent before its silence is believed.
            told: hears every event of the session, discarded frames too.
        """
        self.link = link
        self.clock = clock
        self.answer_times = AnswerTimes(answer_timeout_s)
        session = Session(Role.MASTER, answer_times=self.answer_times, baud=link.facts.baud)
        self.driver = Driver(link, session, clock, attempts=attempts, told=told)
        self._turn = asyncio.Lock()

    async def run(self, conversation: Conversation[T]) -> T:
        """Run any conversation of ``kwhub.exchange`` to its end.

        Raises:
            LinkDown: the link went away.
            KwhubError: what the conversation raises.
        """
        async with self._turn:
            return await self.driver.run(conversation)

    def meter(self, address: str, protocol: str = Edition.E2007.value) -> "Meter":
        """A meter on this line; nothing is sent yet.

        Args:
            address: up to 12 digits; ``AAAAAAAAAAAA`` asks the only meter.
            protocol: ``dlt645-2007`` or ``dlt645-1997``.

        Raises:
            LocalError: this is no address, or no protocol.
        """
        try:
            edition = Edition(protocol)
        except ValueError:
            known = ", ".join(edition.value for edition in Edition)
            raise LocalError(f"unknown protocol {protocol!r}; there are {known}") from None
        return Meter(self, normalise(address), edition)

    async def find(self) -> "Meter":
        """The only meter on the line, asked for its address (2007).

        Raises:
            NoAnswer: there is none, or there are several that garble each other.
        """
        return Meter(self, await self.run(read_address()), Edition.E2007)


class Meter:
    """One meter of a line. A call raises what went wrong: Refusal, NoAnswer, RemoteError, LinkDown.

    Attributes:
        line: the way to it.
        address: as printed on it.
        edition: of the standard that it speaks.
    """

    def __init__(self, line: Line, address: str, edition: Edition) -> None:
        self.line = line
        self.address = address
        self.edition = edition

    async def run(
        self,
        conversation: Callable[Concatenate[str, P], Conversation[T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run a conversation of ``kwhub.exchange`` with this meter: its address is put in front."""
        return await self.line.run(conversation(self.address, *args, **options))

    async def read(self, register: str) -> Reading:
        """Read one register now.

        Args:
            register: OBIS code, alias such as ``energy_active_import_total``, or data identifier.
        """
        (outcome,) = await self.read_all([register])
        if isinstance(outcome, Reading):
            return outcome
        raise outcome

    async def read_all(self, registers: Sequence[str]) -> list[Outcome]:
        """Read registers with as few requests as possible; what went wrong with one is its value.

        Raises:
            LocalError: a register is unknown, or the edition has no identifier for it.
            LinkDown: the link went away.
        """
        wanted = [parse_register(register) for register in registers]
        answers = await self.line.run(read_registers(self.address, wanted, self.edition))
        now = self.line.clock.now()
        return [self._outcome(answer, now) for answer in answers]

    def _outcome(self, answer: RegisterAnswer, now: datetime) -> Outcome:
        if isinstance(answer.error, LocalError):
            raise answer.error
        if answer.error is not None:
            return answer.error
        value = answer.value if isinstance(answer.value, Decimal) else None
        return Reading(
            meter=self.address,
            register=answer.register,
            value=value,
            unit=answer.unit,
            captured_at=now,
            quality=Quality.NULL if value is None else Quality.ACTUAL,
            received_at=now,
            source=f"dlt645:{answer.identifier}",
            raw=b"".join(answer.raw),
        )

    async def values(self, identifier: int) -> list[Value]:
        """Read any item of the tables, blocks and follow-up frames included.

        Args:
            identifier: such as 0x0201FF00, or 0x901F of a 1997 meter.
        """
        done = await self.line.run(transfer(self.address, identifier, edition=self.edition))
        return decode(identifier, done.payload, self.edition)

    async def clock(self) -> datetime:
        """The wall time that the meter shows; naive, for the meter knows no zone."""
        return await self.line.run(read_clock(self.address, self.edition))

    async def curve(self, start: datetime, count: int, load_class: int = 4) -> list[CurvePoint]:
        """Load records from a wall time of the meter on; see ``exchange.read.read_curve``."""
        return await self.run(read_curve, start, count, load_class)

    async def day_freeze(self, index: int = 1) -> DayFreeze:
        """Energies at a midnight; 1 is the last one."""
        return await self.run(read_day_freeze, index)


@asynccontextmanager
async def connect(
    link: str,
    *,
    answer_timeout_s: float = ANSWER_TIMEOUT_FIRST_S,
    attempts: int = ATTEMPTS,
    clock: Clock | None = None,
    told: Callable[[Any], None] | None = None,
) -> AsyncIterator[Line]:
    """Open a link and speak DL/T 645 on it, in an ``async with``; closes the link at the end.

    Args:
        link: ``serial:/dev/ttyUSB0?baud=2400&parity=even``, ``tcp:10.0.0.7:4001``, ...
        answer_timeout_s: wait for a meter that has not answered yet; later its own times count.
        attempts: how often a request is sent before its silence is believed.
        clock: that of the machine when left out.
        told: hears every event of the session, discarded frames too.

    Raises:
        ConfigError: the text is no link address; says what is wrong with it.
        LinkDown: the link cannot be opened.
    """
    used = clock or SystemClock()
    opened = await open_link(link, clock=used)
    try:
        yield Line(opened, used, answer_timeout_s=answer_timeout_s, attempts=attempts, told=told)
    finally:
        await opened.aclose()
