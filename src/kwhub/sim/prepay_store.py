"""What a cost-control meter keeps besides its secure element: account, intent, failures, purchases.

Every record lies in two slots, so a power cut leaves the old one or the new. Money moves in two memories,
the element's and this one; the intent is written before the element is told, and at the next start tells
whether the account still has to follow the element.

Source: kwhub; the rule that the meter's copy is saved at once after a purchase comes from public meter
firmware, whose makers had lost money without it.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple

from kwhub.prepay.memory import Memory, TwoSlots
from kwhub.prepay.tariff import MICRO, TARIFF_BYTES, TARIFF_NOW, TARIFF_STANDBY, TariffSet

__all__ = [
    "MEMORY_BYTES",
    "NEVER_S",
    "PURCHASES_MAX",
    "Account",
    "Failures",
    "Intent",
    "Kind",
    "Limits",
    "MeterStore",
    "Purchased",
]

MEMORY_BYTES: Final = 4_096
PURCHASES_MAX: Final = 10
NEVER_S: Final = -1
"""No moment yet."""


@dataclass(frozen=True, slots=True)
class Account:
    """Money and the consumption that it is for.

    Attributes:
        balance: millionths of the currency; below zero when it is owed.
        count: of the last purchase that is in the balance.
        paid: all purchases so far, hundredths.
        refunded: number of the last refund order.
        settled_s: up to this moment the consumption is paid for.
        ticks: of each tariff at that moment.
        period_s: begin of the period of the tiers, wall seconds.
        period_ticks: all ticks at its begin.
        is_local: the meter handles money; else the head-end does.
        cut_off: the meter has tripped for want of money.
        warned: it has tripped once to warn, and not been recharged since.
    """

    balance: int = 0
    count: int = 0
    paid: int = 0
    refunded: int = 0
    settled_s: int = NEVER_S
    ticks: tuple[int, ...] = (0, 0, 0, 0)
    period_s: int = NEVER_S
    period_ticks: int = 0
    customer: bytes = bytes(6)
    is_open: bool = False
    is_local: bool = True
    cut_off: bool = False
    warned: bool = False

    @property
    def cents(self) -> int:
        """What is left, whole hundredths; zero when money is owed."""
        return max(0, self.balance // MICRO)

    @property
    def owed(self) -> int:
        """What is owed, hundredths."""
        return max(0, -(self.balance // MICRO))

    _FORM = ">qIQIq4Iqq6sB"

    def to_bytes(self) -> bytes:
        """The record."""
        flags = self.is_open | self.is_local << 1 | self.cut_off << 2 | self.warned << 3
        return struct.pack(
            self._FORM,
            self.balance,
            self.count,
            self.paid,
            self.refunded,
            self.settled_s,
            *self.ticks,
            self.period_s,
            self.period_ticks,
            self.customer,
            flags,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Account":
        """From the record."""
        balance, count, paid, refunded, settled_s, *more = struct.unpack(cls._FORM, raw)
        *ticks, period_s, period_ticks, customer, flags = more
        return cls(
            balance=balance,
            count=count,
            paid=paid,
            refunded=refunded,
            settled_s=settled_s,
            ticks=tuple(ticks),
            period_s=period_s,
            period_ticks=period_ticks,
            customer=customer,
            is_open=bool(flags & 1),
            is_local=bool(flags & 2),
            cut_off=bool(flags & 4),
            warned=bool(flags & 8),
        )


class Kind(IntEnum):
    """What is about to happen to the element's wallet."""

    NOTHING = 0
    CREDIT = 1
    OPEN = 2
    REFUND = 3
    INITIALISE = 4


class Intent(NamedTuple):
    """Written before the element is told.

    Attributes:
        number: of the purchase.
        money: in the wallet before.
        at_s: when it was ordered.
        order: which refund.
    """

    kind: int = Kind.NOTHING
    amount: int = 0
    number: int = 0
    money: int = 0
    at_s: int = 0
    order: int = 0
    customer: bytes = bytes(6)


class Failures(NamedTuple):
    """Wrong MACs and the like: on one day of the meter's clock, and ever."""

    day: int = 0
    today: int = 0
    ever: int = 0


class Limits(NamedTuple):
    """In hundredths; hoarding 0 stands for what the display can show."""

    overdraft: int = 0
    hoarding: int = 0
    closing: int = 0


class Purchased(NamedTuple):
    """One purchase; money in hundredths."""

    at_s: int
    number: int
    amount: int
    before: int
    after: int
    paid: int


_INTENT, _FAILURES, _LIMITS, _PURCHASE = ">BIIIqI6s", ">III", ">III", ">qIIIIQ"


class MeterStore:
    """The records of one meter in a memory of ``MEMORY_BYTES``."""

    def __init__(self, memory: Memory) -> None:
        self._place = 0

        def slots(length: int) -> TwoSlots:
            made = TwoSlots(memory, self._place, length)
            self._place += made.size
            return made

        self._account = slots(len(Account().to_bytes()))
        self._intent = slots(struct.calcsize(_INTENT))
        self._failures = slots(struct.calcsize(_FAILURES))
        self._limits = slots(struct.calcsize(_LIMITS))
        self._tariffs = {file: slots(TARIFF_BYTES) for file in (TARIFF_NOW, TARIFF_STANDBY)}
        self._purchases = [slots(struct.calcsize(_PURCHASE)) for _ in range(PURCHASES_MAX)]
        raw = self._account.read()
        self._now = Account() if raw is None else Account.from_bytes(raw)
        self._sets: dict[int, TariffSet] = {}

    @property
    def account(self) -> Account:
        """The account."""
        return self._now

    def keep(self, account: Account) -> None:
        """Replace the account."""
        self._account.write(account.to_bytes())
        self._now = account

    @property
    def intent(self) -> Intent:
        """What was about to happen."""
        raw = self._intent.read()
        return Intent() if raw is None else Intent(*struct.unpack(_INTENT, raw))

    def intend(self, intent: Intent) -> None:
        """Say what is about to happen."""
        self._intent.write(struct.pack(_INTENT, *intent))

    @property
    def failures(self) -> Failures:
        """How often the element has said no."""
        raw = self._failures.read()
        return Failures() if raw is None else Failures(*struct.unpack(_FAILURES, raw))

    def keep_failures(self, failures: Failures) -> None:
        """Replace the counts."""
        self._failures.write(struct.pack(_FAILURES, *failures))

    @property
    def limits(self) -> Limits:
        """The limits of the account."""
        raw = self._limits.read()
        return Limits() if raw is None else Limits(*struct.unpack(_LIMITS, raw))

    def keep_limits(self, limits: Limits) -> None:
        """Replace the limits."""
        self._limits.write(struct.pack(_LIMITS, *limits))

    def tariff_bytes(self, file: int) -> bytes:
        """A tariff set, as the element has it."""
        return self._tariffs[file].read() or bytes(TARIFF_BYTES)

    def tariff(self, file: int) -> TariffSet:
        """A tariff set; of file 3 (in use) or 4 (to come)."""
        if file not in self._sets:
            self._sets[file] = TariffSet.from_bytes(self.tariff_bytes(file))
        return self._sets[file]

    def keep_tariff(self, file: int, raw: bytes) -> None:
        """Replace a set that has been checked."""
        self._tariffs[file].write(raw)
        self._sets.pop(file, None)

    def purchase(self, last: int) -> Purchased | None:
        """The last purchase (1) or an earlier one, of ``PURCHASES_MAX``."""
        found = sorted(self._kept(), key=lambda each: -each.number)
        return found[last - 1] if 1 <= last <= len(found) else None

    def keep_purchase(self, bought: Purchased) -> None:
        """Remember a purchase; the one ten before it is forgotten. Twice the same is once."""
        place = self._purchases[bought.number % PURCHASES_MAX]
        place.write(struct.pack(_PURCHASE, *bought))

    def forget_purchases(self) -> None:
        """The wallet begins anew."""
        for place in self._purchases:
            place.write(bytes(struct.calcsize(_PURCHASE)))

    def _kept(self) -> list[Purchased]:
        raws = [place.read() for place in self._purchases]
        found = [Purchased(*struct.unpack(_PURCHASE, raw)) for raw in raws if raw is not None]
        return [each for each in found if each.number]

    def follow(self, intent: Intent) -> None:
        """The element has done what was intended: so does the account, and the intent is over.

        Each step leaves a state from which the same call ends at the same place.
        """
        now = self.account
        if intent.kind in (Kind.CREDIT, Kind.OPEN) and now.count != intent.number:
            now = self._bought(now, intent)
        elif intent.kind == Kind.OPEN:
            now = replace(now, customer=intent.customer, is_open=True)
        elif intent.kind == Kind.REFUND and now.refunded != intent.order:
            now = replace(now, balance=now.balance - intent.amount * MICRO, refunded=intent.order)
        elif intent.kind == Kind.INITIALISE:
            self.forget_purchases()
            now = replace(
                now, balance=intent.amount * MICRO, count=0, paid=0, refunded=0, is_open=False
            )
        if now != self.account:
            self.keep(now)
        self.intend(Intent())

    def _bought(self, now: Account, intent: Intent) -> Account:
        paid = now.paid + intent.amount
        after = replace(
            now, balance=now.balance + intent.amount * MICRO, count=intent.number, paid=paid
        )
        if intent.kind == Kind.OPEN:
            after = replace(after, customer=intent.customer, is_open=True)
        row = (intent.at_s, intent.number, intent.amount, now.cents, after.cents, paid)
        self.keep_purchase(Purchased(*row))
        return after
