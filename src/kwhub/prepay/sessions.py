"""Sessions with a cost-control meter: log in, ask, believe only what its element has signed.

Source: State Grid filings on security as public master-station code and meter firmware use them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from kwhub.domain.errors import LocalError, NoAnswer, Refusal, RemoteError
from kwhub.domain.machine import Conversation
from kwhub.exchange.transfer import fail
from kwhub.prepay.element.driver import file_header, record_header
from kwhub.prepay.element.files import PARAMETERS
from kwhub.prepay.keys import Purpose, factor_of
from kwhub.prepay.master_crypto import Login, MasterCrypto, update_header
from kwhub.prepay.reasons import SecurityError, words
from kwhub.prepay.run_information import MINUTES
from kwhub.prepay.wire import decode_answer
from kwhub.prepay.wire.answers import Ended, IdentityShown, ReadBackData, Status
from kwhub.prepay.wire.layout import Layout
from kwhub.prepay.wire.requests import (
    AuthenticateIdentity,
    EndAuthentication,
    QueryStatus,
    ReadBack,
    SetValidity,
)
from kwhub.protocols.dlt645.messages import Data, Refused
from kwhub.protocols.dlt645.orders import Authenticate

__all__ = [
    "ATTEMPTS_MAX",
    "Account",
    "Begin",
    "ForgedAnswerError",
    "SecurityRefusal",
    "Session",
    "Target",
    "ask",
    "end_session",
    "log_in",
    "read_back",
    "read_status",
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
