"""A cost-control meter, its master crypto, and a line between them, for tests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from kwhub.prepay import ciphers
from kwhub.prepay.conversations import open_account, refund
from kwhub.prepay.element.software import MEMORY_BYTES as ELEMENT_BYTES
from kwhub.prepay.element.software import SoftwareElement
from kwhub.prepay.keys import MasterKeys, Purpose, factor_of
from kwhub.prepay.master import SoftwareMaster
from kwhub.prepay.master_crypto import ControlOrder, deadline_of
from kwhub.prepay.memory import RamMemory
from kwhub.prepay.orders import VALID_FOR, control, write_parameter
from kwhub.prepay.refund_guard import RefundGuard, RefundRules
from kwhub.prepay.sessions import Target
from kwhub.prepay.tariff import TARIFF_NOW, TariffSet
from kwhub.prepay.trip_guard import TripGuard, TripRules
from kwhub.prepay.trip_tickets import (
    TicketGate,
    TicketPress,
    TripTicket,
    can_open,
    parameter_operation,
    relay_operation,
)
from kwhub.protocols.dlt645.frames import Frame645
from kwhub.protocols.dlt645.messages import Refused, TimedOut
from kwhub.protocols.dlt645.refusals import reasons, words_for
from kwhub.runtime.chance import seeded
from kwhub.sim.meter import SimulatedMeter
from kwhub.sim.prepay import PrepaymentUnit
from kwhub.sim.prepay_core import Core, Profile
from kwhub.sim.prepay_store import MEMORY_BYTES

METER = "202611200001"
OTHER_METER = "202611200002"
CUSTOMER = bytes.fromhex("000000012345")
KEYS = MasterKeys({1: bytes(range(16)), 2: bytes(range(16, 32))})
START = 1_772_323_200  # 2026-03-01 00:00 UTC
NOW = START + 36_000  # 18:00 on the wall
PERSONALISED: dict[tuple[Any, ...], bytes] = {}
FOR_EVER = 1 << 40


class PowerCutError(Exception):
    """The power is gone."""


@dataclass
class Supply:
    """How many steps of any memory there is power for."""

    left: int = FOR_EVER
    used: int = 0


class CutMemory(RamMemory):
    """A memory that loses power before a step."""

    def __init__(self, size: int, content: bytes, supply: Supply) -> None:
        super().__init__(size, content)
        self.supply = supply

    def program(self, offset: int, step: bytes) -> None:
        if not self.supply.left:
            raise PowerCutError
        self.supply.left -= 1
        self.supply.used += 1
        super().program(offset, step)


class Steady:
    """A load that never changes."""

    first_s = START
    power_factor_permille = 1000

    def __init__(self, watts: int = 0) -> None:
        self.watts = watts

    def joules(self, at_s: int) -> int:
        return max(0, at_s - START) * self.watts

    def watts10(self, at_s: int) -> int:
        return self.watts * 10 if at_s >= START else 0


def draw(*names: Any) -> Callable[[int], bytes]:
    return seeded(11, *names).randbytes


def pair_key(factor: bytes, serial: bytes) -> bytes:
    """What a medium and a meter share; nobody but their elements and the master's has it."""
    return ciphers.session_key(KEYS.child(Purpose.CARD, factor), serial)


def personalised(number: str, version: int, *, formal: bool) -> bytes:
    key = (number, version, formal)
    if key not in PERSONALISED:
        memory = RamMemory(ELEMENT_BYTES)
        keys = KEYS.key_set(factor_of(number), version, formal=formal)
        SoftwareElement(memory, draw("made")).personalise(b"SERIAL01", bytes.fromhex(number), keys)
        PERSONALISED[key] = bytes(memory.content)
    return PERSONALISED[key]


class Site:
    """One meter; ``boot`` switches it off and on again."""

    def __init__(
        self,
        number: str = METER,
        *,
        watts: int = 0,
        formal: bool = True,
        version: int = 2,
        profile: Profile | None = None,
        core: type[Core] = Core,
        opened: int | None = None,
        seed: Any = 0,
    ) -> None:
        self.number = number
        self.supply = Supply()
        self.chip = CutMemory(
            ELEMENT_BYTES, personalised(number, version, formal=formal), self.supply
        )
        self.own = CutMemory(MEMORY_BYTES, b"", self.supply)
        self.load = Steady(watts)
        self.at_s = NOW
        self.profile, self._core, self._seed, self._boots = profile, core, seed, 0
        self.guard = TripGuard(
            TripRules(10_000, delay_s=0), {"": 10_000_000}, press=TicketPress(), newest_s=NOW
        )
        assert self.guard.press
        gate = TicketGate(self.guard.press.public, lambda: self.at_s)
        self.master = SoftwareMaster(KEYS, draw("master", number, seed), gate)
        self.target = Target(number, number, "00000001")
        self.refunds = RefundGuard(self.guard.press, RefundRules(10**6, 10**9, tries_max=10**6))
        self.requests: list[Any] = []
        self.drop: Callable[[Any], str] = lambda _request: ""
        self.boot()
        if opened is not None:
            assert self.run(open_account(self.master, self.target, opened, CUSTOMER)).outcome.good
            self.boot()

    def ticket(self, operation: str, valid_for: timedelta = VALID_FOR) -> TripTicket:
        """What the guard gives for a trip of this meter, or for a parameter that can trip it."""
        order = self.guard.order(self.number, "", "ann", self.at_s)
        self.guard.release(self.at_s)
        until = datetime.fromtimestamp(self.at_s, UTC) + valid_for
        deadline = deadline_of(until, timezone(timedelta(hours=8)))
        return self.guard.ticket(order.number, operation, deadline, int(until.timestamp()))

    def refund(self, amount: int, number: int | None = None) -> Any:
        """A refund that one person has ordered and another one approved; the same again with its number."""
        guard, at_s = self.refunds, self.at_s
        if number is None:
            number = guard.order(self.number, amount, "ann", at_s).number
            guard.approve(number, "bob", at_s)
        leave = partial(guard.ticket, number, at_s)
        return refund(self.master, self.target, guard.orders[number], CUSTOMER, leave)

    def trip(self, command: int = 0x1A, delay: int = 0) -> None:
        """As the head-end does it: with a ticket."""
        ticket = self.ticket(relay_operation(command, delay))
        self.run(control(self.master, self.target, command, delay=delay, ticket=ticket))

    def write(self, identifier: int, value: bytes) -> None:
        """Write a parameter, with a ticket where that is needed."""
        ticket = self.ticket(parameter_operation(identifier)) if can_open(identifier) else None
        self.run(write_parameter(self.master, self.target, identifier, value, ticket))

    def sealed(self, session: Any, order: ControlOrder) -> bytes:
        """What somebody seals who has the keys themselves, and no guard before him."""
        login = session.login
        child = KEYS.child(Purpose.CONTROL, login.factor, login.version)
        key = ciphers.session_key(child, login.first_random)
        return ciphers.seal_order(key, session.nonce, bytes.fromhex("04D6880014"), order.plain)

    def boot(self) -> None:
        """Off and on: only the two memories stay."""
        self._boots += 1
        self.element = SoftwareElement(
            self.chip, draw("chip", self.number, self._seed, self._boots)
        )
        self.unit = PrepaymentUnit(self.element, self.own, self.profile, self._core)
        self.meter = SimulatedMeter(self.number, self.load, prepayment=self.unit)

    @property
    def store(self) -> Any:
        return self.unit.core.store

    @property
    def balance(self) -> int:
        """Hundredths, below zero when owed."""
        account = self.unit.consumption.settle(self.at_s)
        return int(account.balance // 10_000)

    @property
    def relay_open(self) -> Any:
        return self.meter.body.memory.relay.is_open

    def ask(self, request: Any, *, infrared: bool = False) -> Any:
        """The final event of a request."""
        self.requests.append(request)
        fate = self.drop(request)
        if fate == "request":
            return TimedOut(request)
        reply = self.meter.answer(request, self.at_s, infrared=infrared)
        if reply is None or fate == "answer":
            return TimedOut(request)
        message = reply.message
        if isinstance(message, Refused):
            words = words_for(request.edition, request.function, message.size)
            return Refused(message.address, message.error, reasons(message.error, words))
        return message

    def run(self, conversation: Any, *, infrared: bool = False) -> Any:
        """Run a conversation to its end."""
        event = None
        try:
            while True:
                event = self.ask(conversation.send(event), infrared=infrared)
        except StopIteration as done:
            return done.value
        finally:
            conversation.close()

    def price(self, prices: tuple[int, ...] = (5_000, 5_000, 5_000, 5_000), **tiers: Any) -> None:
        """Put prices into the meter."""
        self.unit.consumption.settle(self.at_s)
        self.store.keep_tariff(TARIFF_NOW, TariffSet(prices, **tiers).to_bytes())
        self.unit.consumption.replan()

    def later(self, seconds: int) -> None:
        """Time passes."""
        self.at_s += seconds
        self.meter.body.refresh()
        self.meter.body.advance(self.at_s)


def frame(request: Any) -> bytes:
    """The bytes of a request on the line."""
    return Frame645(request.address, request.function, request.data()).to_bytes()
