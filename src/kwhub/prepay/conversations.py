"""Conversations that move money: recharge, open an account, initialise the wallet, refund.

Each is a generator that yields requests of control code 03 and is sent their final events. None holds a
key: whatever needs one is asked of the ``MasterCrypto``. A purchase is done when the meter says so with a MAC;
"this purchase is in already" is success, and after a lost answer the meter is asked, never guessed.

Source: State Grid filings on security as public master-station code and meter firmware use them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kwhub.domain.errors import NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.prepay.master_crypto import MasterCrypto
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.refund_guard import RefundOrder
from kwhub.prepay.sessions import (
    ATTEMPTS_MAX,
    Account,
    Begin,
    ForgedAnswerError,
    SecurityRefusal,
    Session,
    Target,
    ask,
    log_in,
    read_status,
    retried,
)
from kwhub.prepay.trip_tickets import TripTicket
from kwhub.prepay.wire.requests import InitialiseWallet, OpenAccount, Purchase, Refund

__all__ = ["Outcome", "Result", "initialise_wallet", "open_account", "recharge", "refund"]


class Outcome(Enum):
    """What became of a purchase."""

    DONE = "done"  #: now
    ALREADY = "already"  #: it was in before: as good as done
    REFUSED = "refused"
    UNKNOWN = "unknown"  #: no answer: ask again later, with the same number

    @property
    def good(self) -> bool:
        """Whether the money is in the meter."""
        return self in (Outcome.DONE, Outcome.ALREADY)


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a purchase.

    Attributes:
        account: of the meter afterwards; None when it could not be asked.
        error: why it was refused.
        before: of the meter in the same session, without this purchase; with ``account`` it shows that this purchase
            was brought here and now, because whoever else had come in between would have ended the session.
        lost: it was sent, and its session was lost before the meter could sign what became of it.
    """

    outcome: Outcome
    account: Account | None = None
    error: SecurityError | None = None
    before: Account | None = None
    lost: bool = False


def recharge(
    master: MasterCrypto, target: Target, amount: int, count: int, customer: bytes
) -> Conversation[Result]:
    """Bring a purchase into the meter; may be called with the same number until it ends well.

    Args:
        master: signs.
        target: the meter.
        amount: hundredths of the currency.
        count: number of this purchase: one above the meter's.
        customer: six bytes.

    Raises:
        LocalError: amount or count is not possible.
        RemoteError: the meter says what it must not say.
    """

    def once(session: Session) -> Conversation[None]:
        signed = master.recharge(session.login, session.nonce, amount, count, customer)
        macs = (signed.money_mac, signed.customer_mac)
        yield from ask(target, Purchase(amount, count, macs[0], customer, macs[1]))

    return (yield from _exactly_once(master, target, count, once))


def open_account(
    master: MasterCrypto, target: Target, amount: int, customer: bytes
) -> Conversation[Result]:
    """Open an account with its first purchase, which is number 1. As ``recharge``."""

    def once(session: Session) -> Conversation[None]:
        signed = master.recharge(session.login, session.nonce, amount, 1, customer)
        macs = (signed.money_mac, signed.customer_mac)
        yield from ask(target, OpenAccount(amount, 1, macs[0], customer, macs[1]))

    return (yield from _exactly_once(master, target, 1, once, customer))


def refund(
    master: MasterCrypto,
    target: Target,
    order: RefundOrder,
    customer: bytes,
    leave: Callable[[], TripTicket],
) -> Conversation[Result]:
    """Take money back; the number of the order makes a repeat harmless.

    Args:
        master: signs, each time with a ticket.
        target: the meter.
        order: of the guard, approved.
        customer: six bytes.
        leave: asks the guard for a ticket, see ``RefundGuard.ticket``.

    Raises:
        Refusal: the guard gives no ticket.
        LocalError, RemoteError: as ``recharge``.
    """
    amount = order.amount

    def begin(session: Session) -> Conversation[Result]:
        before = yield from read_status(master, session)
        count = before.count
        mac = master.refund(session.login, session.nonce, amount, leave())
        customer_mac = master.confirm_customer(session.login, session.nonce, customer)
        request = Refund(order.number, amount, count, mac, customer, customer_mac)
        outcome, error = Outcome.DONE, None
        try:
            yield from ask(target, request)
        except SecurityRefusal as refusal:
            outcome, error = _refused(refusal), refusal.error
        account = yield from read_status(master, session)
        return Result(outcome, account, None if outcome.good else error)

    try:
        return (yield from retried(master, target, begin))
    except NoAnswer:
        return Result(Outcome.UNKNOWN)
    except SecurityRefusal as refusal:
        return Result(Outcome.REFUSED, None, refusal.error)


def initialise_wallet(master: MasterCrypto, target: Target, amount: int) -> Conversation[Account]:
    """Give a meter with test keys its first money and purchase count 0. Raises as ``retried``."""

    def begin(session: Session) -> Conversation[Account]:
        macs = master.initialise_wallet(session.login, session.nonce, amount)
        yield from ask(target, InitialiseWallet(amount, macs[0], 0, macs[1]))
        return (yield from read_status(master, session))

    return (yield from retried(master, target, begin))


def _refused(refusal: SecurityRefusal) -> Outcome:
    return Outcome.ALREADY if SecurityError.REPEATED in refusal.error else Outcome.REFUSED


def _exactly_once(
    master: MasterCrypto,
    target: Target,
    count: int,
    once: Begin[None],
    customer: bytes | None = None,
) -> Conversation[Result]:
    """Log in, try, and believe only what the element has signed: its purchase count before and after."""
    tried = lost = False
    for _ in range(ATTEMPTS_MAX):
        try:
            session = yield from log_in(master, target)
            before = yield from _asked_again(master, session)
            if lost and _is_in(before, count, customer):
                return Result(Outcome.DONE, before, lost=True)
            tried, was_lost = True, lost
            outcome, error = yield from _once(once, session)
            lost = was_lost or outcome in (Outcome.DONE, Outcome.UNKNOWN)
            account = yield from _asked_again(master, session)
        except NoAnswer:
            continue
        except SecurityRefusal as refusal:
            if not tried:
                return Result(Outcome.REFUSED, None, refusal.error)
            continue  # the meter has forgotten the session: begin anew
        lost, is_in = was_lost, _is_in(account, count, customer)
        if outcome.good and not is_in:
            raise ForgedAnswerError(
                f"meter {target.number} agrees to purchase {count} but has signed {account.count}"
            )
        if outcome is Outcome.UNKNOWN and not is_in:
            continue
        done = Outcome.DONE if outcome is Outcome.UNKNOWN else outcome
        shown = before if before.count == count - 1 else None
        return Result(done, account, error, shown, lost)
    return Result(Outcome.UNKNOWN, lost=lost)


def _once(
    once: Begin[None], session: Session
) -> Conversation[tuple[Outcome, SecurityError | None]]:
    try:
        yield from once(session)
    except NoAnswer:
        return Outcome.UNKNOWN, None
    except SecurityRefusal as refusal:
        outcome = _refused(refusal)
        return outcome, None if outcome.good else refusal.error
    return Outcome.DONE, None


def _asked_again(master: MasterCrypto, session: Session) -> Conversation[Account]:
    """The account within the session of the purchase, also when one answer is lost or an old one. Raises as ``read_status``."""
    try:
        return (yield from read_status(master, session))
    except (NoAnswer, ForgedAnswerError):
        return (yield from read_status(master, session))


def _is_in(account: Account, count: int, customer: bytes | None) -> bool:
    """Whether the meter has this purchase, and, where that matters, this customer."""
    return account.count >= count and customer in (None, account.customer)
