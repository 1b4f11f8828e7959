"""A purchase that goes over the line, through head-end and concentrator, beside the medium.

The number is reserved before anything is sent and confirmed only by what the meter's element has signed before and after
it, in one session; a head-end that stops in between goes on with the same numbers. Nothing is ever sent under a second number because an answer is missing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from kwhub.domain.errors import LocalError, NoAnswer, Refusal
from kwhub.domain.machine import Conversation
from kwhub.headend.vending_crypto import CountingMaster
from kwhub.headend.vending_evidence import Source
from kwhub.headend.vending_ledger import LINE
from kwhub.headend.vending_store import VendingStore
from kwhub.prepay.conversations import Outcome, Result, open_account, recharge
from kwhub.prepay.element.driver import ALL_FORMAL
from kwhub.prepay.sessions import Account, Session, Target, read_status, retried
from kwhub.prepay.vending import Purchase, State

__all__ = ["Bought", "RemoteDesk", "Runner"]

T = TypeVar("T")


class Runner(Protocol):
    """What carries a conversation to a meter: ``kwhub.headend.front.relay.Relay``."""

    def run(self, conversation: Conversation[T]) -> Awaitable[T]:
        """Run a conversation to its end; raises what it raises."""


@dataclass(frozen=True, slots=True)
class Bought:
    """The end of a remote purchase.

    Attributes:
        purchase: as the books have it now.
        outcome: what the line says.
        account: signed by the meter; None when it could not be asked.
    """

    purchase: Purchase
    outcome: Outcome
    account: Account | None


class RemoteDesk:
    """Sells over the line.

    Args:
        store: the books of the counter.
        crypto: signs, after it has written its own book.
        now: the present moment, UTC.
    """

    def __init__(
        self, store: VendingStore, crypto: CountingMaster, now: Callable[[], datetime]
    ) -> None:
        self.store, self.crypto, self._now = store, crypto, now

    async def sell(
        self, line: Runner, target: Target, amount: int, operator: str, payment: str
    ) -> Bought:
        """Sell for a meter and bring it there; the same payment again is the same purchase.

        Args:
            line: the way to the meter.
            target: the meter.
            amount: hundredths.
            operator: who sells.
            payment: its reference.

        Raises:
            LocalError, Refusal: as ``VendingStore.reserve``; or the purchase was cancelled.
            RemoteError: the meter says what it must not say.
        """
        target = self._with_versions(target)
        account: Account | None = None
        if not self.store.was_read(target.number):
            try:
                account = await self._look(line, target)
            except NoAnswer:
                raise LocalError(
                    "the meter does not tell its purchase number: nothing was sold"
                ) from None
        signed = self.crypto.signed_for(target.number)
        self.store.check_whole(target.number, signed, payment, amount)
        purchase = self.store.reserve(target.number, amount, operator, payment, self._now())
        if purchase.state is State.CANCELLED:
            raise Refusal(("the purchase is cancelled",))
        if purchase.state is State.CONFIRMED:
            return Bought(purchase, Outcome.ALREADY, None)
        return await self.bring(line, target, purchase, account)

    async def bring(
        self, line: Runner, target: Target, purchase: Purchase, account: Account | None = None
    ) -> Bought:
        """Carry a purchase that stands in the books; may be called until it ends well.

        Args:
            line: the way to the meter.
            target: the meter.
            purchase: not cancelled.
            account: as the meter has told it just now; None: it is read first.

        Raises:
            LocalError, Refusal, RemoteError: as ``sell``.
        """
        target = self._with_versions(target)
        is_signed = self.crypto.has_signed(purchase.meter, purchase.count)
        try:
            account = account or await self._look(line, target)
        except NoAnswer:
            return Bought(self.store.purchase(purchase.payment), Outcome.UNKNOWN, None)
        is_ours = is_signed or account.count == purchase.count - 1
        if not (is_ours and account.key_state & ALL_FORMAL == ALL_FORMAL):
            # Somebody else's number, or keys with which the meter takes no money: nothing is signed.
            return Bought(self.store.purchase(purchase.payment), Outcome.REFUSED, account)
        issued = self.store.issued(purchase, self._now(), LINE)
        result: Result = await line.run(self._conversation(target, issued))
        if result.before is None and not result.lost:
            self.store.not_brought(issued, self._now())
        if result.account is not None:
            before = None if result.before is None else result.before.money
            self._saw(target, result.account, confirms=result.outcome.good, before=before)
        return Bought(self.store.purchase(issued.payment), result.outcome, result.account)

    def _with_versions(self, target: Target) -> Target:
        """A meter may have keys of any version whose roots are there."""
        is_told = target.versions != (None,)
        return target if is_told else replace(target, versions=self.crypto.versions)

    async def _look(self, line: Runner, target: Target) -> Account:
        """Read the meter before its next number is signed."""
        account, version = await line.run(retried(self.crypto, target, self._status))
        self._saw(target, account, confirms=False, version=version)
        return account

    def _status(self, session: Session) -> Conversation[tuple[Account, int]]:
        account = yield from read_status(self.crypto, session)
        return account, session.login.version

    def _saw(
        self,
        target: Target,
        account: Account,
        *,
        confirms: bool,
        version: int | None = None,
        before: int | None = None,
    ) -> None:
        count, money = account.count, account.money
        source = Source(before=before, keys=account.key_state, version=version)
        self.store.saw_count(
            target.number, count, self._now(), money=money, source=source, confirms=confirms
        )

    @property
    def pending(self) -> list[Purchase]:
        """What was reserved or issued and is not confirmed: a head-end that starts brings these again."""
        return self.store.pending

    def _conversation(self, target: Target, purchase: Purchase) -> Conversation[Result]:
        customer = bytes.fromhex(purchase.customer)
        if purchase.count == 1:
            return open_account(self.crypto, target, purchase.amount, customer)
        return recharge(self.crypto, target, purchase.amount, purchase.count, customer)
