"""Conversations with a cost-control meter: log in, recharge, open, ask, update keys, write, order, read back.

Each is a generator that yields requests of control code 03, 14 or 1C and is sent their final events. None
holds a key: whatever needs one is asked of the ``MasterCrypto``. A purchase is done when the meter says so
with a MAC; "this purchase is in already" is success, and after a lost answer the meter is asked, never guessed.

Source: State Grid filings on security as public master-station code and meter firmware use them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, TypeVar

from kwhub.domain.errors import LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.transfer import fail
from kwhub.prepay.element.driver import file_header, record_header
from kwhub.prepay.element.files import PARAMETERS
from kwhub.prepay.keys import Purpose, factor_of
from kwhub.prepay.master import Login, MasterCrypto, update_header
from kwhub.prepay.reasons import SecurityError, words
from kwhub.prepay.run_information import MINUTES
from kwhub.prepay.wire import decode_answer
from kwhub.prepay.wire.answers import Ended, IdentityShown, ReadBackData, Status
from kwhub.prepay.wire.layout import Layout
from kwhub.prepay.wire.requests import (
    AuthenticateIdentity,
    EndAuthentication,
    InitialiseWallet,
    OpenAccount,
    Purchase,
    QueryStatus,
    ReadBack,
    Refund,
    SetValidity,
)
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.dlt645.orders import Authenticate

__all__ = [
    "ATTEMPTS_MAX",
    "Account",
    "Begin",
    "ForgedAnswerError",
    "Outcome",
    "Result",
    "SecurityRefusal",
    "Session",
    "Target",
    "ask",
    "end_session",
    "initialise_wallet",
    "log_in",
    "open_account",
    "read_back",
    "read_status",
    "recharge",
    "refund",
    "retried",
    "set_validity",
]

T = TypeVar("T")
Answer = TypeVar("Answer", bound=Layout)

ATTEMPTS_MAX = 4
"""How often a conversation begins anew after a lost answer."""
_DIRECTORY = 0xDF01


class SecurityRefusal(Refusal):
    """The meter refuses a security command.

    Attributes:
        error: the bits of SERR.
    """

    def __init__(self, error: SecurityError, *, raw: bytes = b"") -> None:
        super().__init__(words(error), raw=raw)
        self.error = error


class ForgedAnswerError(RemoteError):
    """What the meter seems to say is not signed by its element."""


@dataclass(frozen=True, slots=True)
class Target:
    """A meter.

    Attributes:
        address: on the line, 12 digits.
        number: of the meter, which its keys belong to, 12 digits.
        operator: 8 digits, for its records.
        versions: of its keys, the likeliest first; None for the newest.
    """

    address: str
    number: str
    operator: str = "00000000"
    versions: tuple[int | None, ...] = (None,)

    @property
    def factor(self) -> bytes:
        """What its keys are dispersed by."""
        return factor_of(self.number)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session with a meter.

    Attributes:
        nonce: protected writes are made over it.
        serial: of the meter's element.
    """

    target: Target
    login: Login = field(repr=False)
    nonce: bytes
    serial: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """The wallet of a meter; money and count are signed by its element.

    Attributes:
        money: hundredths.
        key_state: bit n set: key n is formal.
    """

    money: int
    count: int
    customer: bytes
    key_state: int


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
    """

    outcome: Outcome
    account: Account | None = None
    error: SecurityError | None = None


def ask(target: Target, request: Layout, identifier: int | None = None) -> Conversation[Layout]:
    """Send one security command.

    Args:
        target: the meter.
        request: its data.
        identifier: when it is not the one of the layout.

    Returns:
        The data of the answer.

    Raises:
        SecurityRefusal: the meter says no.
        NoAnswer: it does not say anything.
        DecodeError: its answer has another layout.
    """
    name = request.IDENTIFIER if identifier is None else identifier
    event = yield Authenticate(target.address, name, request.payload(), target.operator)
    if isinstance(event, Data):
        return decode_answer(name, event.payload)
    if isinstance(event, Refused):
        raise SecurityRefusal(SecurityError(event.error), raw=event.raw)
    raise fail(event, target.address)


def _ask_for(target: Target, request: Layout, wanted: type[Answer]) -> Conversation[Answer]:
    answer = yield from ask(target, request)
    if not isinstance(answer, wanted):
        raise LocalError(f"{type(request).__name__} is not answered by {wanted.__name__}")
    return answer


def log_in(master: MasterCrypto, target: Target) -> Conversation[Session]:
    """Open a session, with the key version that the meter has.

    Raises:
        SecurityRefusal: no version fits, or a terminal is in session.
        NoAnswer, DecodeError: as usual.
    """
    refusal: SecurityRefusal | None = None
    for version in target.versions:
        login = master.login(target.factor, version)
        request = AuthenticateIdentity(login.cipher, login.first_random, login.factor)
        try:
            shown = yield from _ask_for(target, request, IdentityShown)
        except SecurityRefusal as error:
            if SecurityError.IDENTITY not in error.error:
                raise
            refusal = error
            continue
        return Session(target, login, shown.nonce, shown.serial)
    raise refusal or LocalError("no key version to log in with")


def read_status(master: MasterCrypto, session: Session) -> Conversation[Account]:
    """Ask for money and count, and check that the element has signed them.

    Raises:
        ForgedAnswerError: it has not.
        SecurityRefusal, NoAnswer, DecodeError: as usual.
    """
    told = yield from _ask_for(session.target, QueryStatus(), Status)
    signed = ((1, told.money, told.money_mac), (3, told.count, told.count_mac))
    for record, value, mac in signed:
        header = record_header(record)
        if not master.verify_read_back(session.login, header, value.to_bytes(4), mac):
            raise ForgedAnswerError(f"the status of meter {session.target.number} is not signed")
    return Account(told.money, told.count, told.customer, told.key_state)


def read_back(
    master: MasterCrypto, session: Session, file: int, start: int, length: int
) -> Conversation[bytes]:
    """Read a part of a file of the element and check its MAC; the wallet is read by ``read_status``.

    Raises:
        ForgedAnswerError: the MAC is wrong.
        SecurityRefusal, NoAnswer, DecodeError: as usual.
    """
    request = ReadBack(length, start, file, _DIRECTORY)
    told = yield from _ask_for(session.target, request, ReadBackData)
    header = file_header(file, start, length)
    good = len(told.data) == length
    if not (good and master.verify_read_back(session.login, header, told.data, told.mac)):
        raise ForgedAnswerError(f"file {file:02X} of meter {session.target.number} is not signed")
    return told.data


def end_session(session: Session) -> Conversation[Ended]:
    """End the session. What it tells of the account is not signed. Raises as usual."""
    return (yield from _ask_for(session.target, EndAuthentication(), Ended))


def set_validity(master: MasterCrypto, session: Session, minutes: int) -> Conversation[None]:
    """Set how long an authentication lasts. Raises as usual."""
    data = bytes.fromhex(f"{minutes:04d}")
    header = update_header(PARAMETERS, MINUTES, len(data))
    mac = master.mac(session.login, session.nonce, Purpose.PARAMETER, header, data)
    yield from ask(session.target, SetValidity(minutes, mac))


Begin: TypeAlias = Callable[[Session], Conversation[T]]
"""What is done within a session."""


def retried(master: MasterCrypto, target: Target, begin: Begin[T]) -> Conversation[T]:
    """Do something that may be done twice, in a new session after each lost answer.

    Raises:
        NoAnswer: nothing came back, ``ATTEMPTS_MAX`` times.
        SecurityRefusal, RemoteError: as the conversation raises them.
    """
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            session = yield from log_in(master, target)
            return (yield from begin(session))
        except NoAnswer:
            continue
    session = yield from log_in(master, target)
    return (yield from begin(session))


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
    master: MasterCrypto, target: Target, amount: int, order: int, customer: bytes
) -> Conversation[Result]:
    """Take money back; the order number makes a repeat harmless. As ``recharge``."""

    def begin(session: Session) -> Conversation[Result]:
        before = yield from read_status(master, session)
        count = before.count
        mac = master.refund(session.login, session.nonce, amount)
        customer_mac = master.recharge(session.login, session.nonce, 1, 1, customer).customer_mac
        request = Refund(order, amount, count, mac, customer, customer_mac)
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
    """Log in, try, and believe only what the element has signed: its purchase count."""
    tried = False
    for _ in range(ATTEMPTS_MAX):
        try:
            session = yield from log_in(master, target)
            if tried:  # an answer was lost: has it arrived?
                account = yield from read_status(master, session)
                if _is_in(account, count, customer):
                    return Result(Outcome.DONE, account)
            tried = True
            outcome, error = yield from _once(once, session)
            account = yield from read_status(master, session)
        except NoAnswer:
            continue
        except SecurityRefusal as refusal:
            if not tried:
                return Result(Outcome.REFUSED, None, refusal.error)
            continue  # the meter has forgotten the session: begin anew
        if outcome.good and not _is_in(account, count, customer):
            raise ForgedAnswerError(
                f"meter {target.number} agrees to purchase {count} but has signed {account.count}"
            )
        return Result(outcome, account, error)
    return Result(Outcome.UNKNOWN)


def _once(
    once: Begin[None], session: Session
) -> Conversation[tuple[Outcome, SecurityError | None]]:
    try:
        yield from once(session)
    except SecurityRefusal as refusal:
        outcome = _refused(refusal)
        return outcome, None if outcome.good else refusal.error
    return Outcome.DONE, None


def _is_in(account: Account, count: int, customer: bytes | None) -> bool:
    """Whether the meter has this purchase, and, where that matters, this customer."""
    return account.count >= count and customer in (None, account.customer)
