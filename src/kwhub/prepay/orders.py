"""Conversations that change a meter through its element: relay, parameters, keys, infrared port.

Source: as in ``conversations``; DL/T 645-2007, clause 7 (codes 14 and 1C).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.domain.machine import Conversation
from kwhub.exchange.change import Change, carry_out
from kwhub.exchange.read import read_clock
from kwhub.exchange.relay import RelayCommand, RelayState, proof_of, read_relay
from kwhub.exchange.transfer import order
from kwhub.prepay import ciphers
from kwhub.prepay.keys import Purpose
from kwhub.prepay.master_crypto import ControlOrder, MasterCrypto, update_header
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.sessions import (
    ForgedAnswerError,
    SecurityRefusal,
    Session,
    Target,
    ask,
    log_in,
    retried,
)
from kwhub.prepay.trip_tickets import TripTicket
from kwhub.prepay.wire import PLAIN_FILES, file_bytes, sealed_file, sealed_parameter
from kwhub.prepay.wire.answers import InfraredShown
from kwhub.prepay.wire.requests import (
    KEYS_MAX,
    AuthenticateInfrared,
    KeyPackage,
    RequestInfrared,
    UpdateKeys,
)
from kwhub.protocols.dlt645.authority import CIPHER_LEVEL, Authority, Key
from kwhub.protocols.dlt645.orders import ControlRelay
from kwhub.protocols.dlt645.writing import WriteData

__all__ = [
    "VALID_FOR",
    "control",
    "open_infrared",
    "sealed_control",
    "switch",
    "update_keys",
    "write_parameter",
]

VALID_FOR = timedelta(minutes=5)
"""How long an order holds by the meter's own clock."""

_WORD = "010000"
_NO_WORD = "000000"
_MAC_LEVEL = CIPHER_LEVEL + 1


def sealed_control(target: Target, sealed: bytes, *, wants_word: bool = True) -> ControlRelay:
    """The request that carries an order of 20 sealed bytes.

    Args:
        target: the meter.
        sealed: cipher and MAC.
        wants_word: whether a refusal is to say why, in two bytes.
    """
    key = Key(CIPHER_LEVEL, _WORD if wants_word else _NO_WORD)
    return ControlRelay(target.address, Authority(key, target.operator), sealed[::-1])


def control(
    master: MasterCrypto,
    target: Target,
    command: int,
    *,
    delay: int = 0,
    valid_for: timedelta = VALID_FOR,
    ticket: TripTicket | None = None,
) -> Conversation[None]:
    """Give an order to the relay. Never sent twice: whoever gets no answer looks at the relay.

    Args:
        master: seals; a trip only with its ticket.
        target: the meter.
        command: N1, such as 1A (trip) or 1B (permit closing).
        delay: N2, five minutes each.
        valid_for: by the meter's clock, which is read first; a ticket has a deadline of its own.
        ticket: of the guard, for a trip.

    Raises:
        Refusal: with the reason, of the meter or of the master crypto.
        NoAnswer: the order may have been carried out all the same.
    """
    if ticket is None:
        until = (yield from read_clock(target.address)) + valid_for
        deadline = bytes.fromhex(f"{until:%y%m%d%H%M%S}")
    else:
        deadline = ticket.deadline
    session = yield from log_in(master, target)
    made = ControlOrder(command, delay, deadline)
    sealed = master.control(session.login, session.nonce, made, ticket)
    yield from order(sealed_control(target, sealed))


def switch(
    master: MasterCrypto,
    target: Target,
    command: RelayCommand,
    deadline: bytes,
    ticket: TripTicket | None = None,
) -> Conversation[Change[RelayState]]:
    """Give an order to the relay under cipher, and read its state before and after.

    Args:
        master: seals, once; a trip only with its ticket.
        target: the meter.
        command: one without a time to restore.
        deadline: by the meter's clock, six bytes; that of the ticket, where there is one.
        ticket: of the guard, for a trip.

    Raises:
        SecurityRefusal, NoAnswer, DecodeError: the meter lets nobody log in; nothing was ordered.
        Refusal: the master crypto does not seal it.
    """
    session = yield from log_in(master, target)
    made = ControlOrder(command.value, 0, deadline)
    request = sealed_control(target, master.control(session.login, session.nonce, made, ticket))
    return (
        yield from carry_out(
            lambda: request,
            lambda: read_relay(target.address),
            lambda _, after: proof_of(command, after),
        )
    )


def write_parameter(
    master: MasterCrypto,
    target: Target,
    identifier: int,
    value: bytes,
    ticket: TripTicket | None = None,
) -> Conversation[None]:
    """Write value bytes, in clear with MAC or enciphered as the identifier wants it.

    With a ticket it is sealed and sent once: whoever gets no answer reads the parameter back.

    Raises:
        LocalError: the value does not fit, or the parameter has an operation of its own.
        Refusal, NoAnswer: as usual; or the parameter can open a relay, and there is no ticket for it.
    """
    place = PLAIN_FILES.get(identifier)

    def begin(session: Session) -> Conversation[None]:
        if place is None:
            plain = sealed_parameter(identifier, value)
            header = update_header(sealed_file(identifier), 0, len(plain))
            payload = master.seal_parameter(session.login, session.nonce, header, plain, ticket)[
                ::-1
            ]
            key = Key(CIPHER_LEVEL)
        else:
            content = _content(identifier, value)
            header = update_header(place.file, place.offset, len(content))
            mac = master.mac(
                session.login, session.nonce, Purpose.PARAMETER, header, content, ticket
            )
            payload, key = value + mac[::-1], Key(_MAC_LEVEL)
        authority = Authority(key, target.operator)
        yield from order(WriteData(target.address, identifier, payload, authority))

    if ticket is None:
        yield from retried(master, target, begin)
    else:
        yield from begin((yield from log_in(master, target)))


def _content(identifier: int, value: bytes) -> bytes:
    try:
        return file_bytes(PLAIN_FILES[identifier], value)
    except DecodeError as error:
        raise LocalError(f"{identifier:08X}: {error.detail}") from None


def update_keys(
    master: MasterCrypto,
    target: Target,
    version: int,
    *,
    formal: bool = True,
    purposes: Sequence[Purpose] = tuple(Purpose),
) -> Conversation[None]:
    """Give a meter its keys of another version.

    A meter that was interrupted has keys of two versions: so each of ``target.versions`` is tried for the
    key that new keys are opened with, whatever version the login needed.

    Raises:
        SecurityRefusal: no version fits.
        NoAnswer, DecodeError: as usual.
    """

    def with_version(opening: int | None) -> Callable[[Session], Conversation[None]]:
        def begin(session: Session) -> Conversation[None]:
            login = session.login if opening is None else replace(session.login, version=opening)
            packages = [
                KeyPackage(
                    len(purposes),
                    purpose,
                    formal,
                    master.key_package(login, session.nonce, purpose, version, formal=formal),
                )
                for purpose in purposes
            ]
            for at in range(0, len(packages), KEYS_MAX):
                frame = UpdateKeys(tuple(packages[at : at + KEYS_MAX]), b"")
                mac = master.sign_keys(login, session.nonce, frame.signed)
                yield from ask(target, replace(frame, mac=mac))

        return begin

    refusal: SecurityRefusal | None = None
    for opening in target.versions:
        try:
            yield from retried(master, target, with_version(opening))
        except SecurityRefusal as error:
            if SecurityError.ELEMENT not in error.error:
                raise
            refusal = error
        else:
            return
    raise refusal or LocalError("no key version to begin with")


def open_infrared(
    master: MasterCrypto, target: Target, draw: Callable[[int], bytes]
) -> Conversation[bytes]:
    """Open the infrared port, after the meter has shown that it is the one.

    Args:
        master: knows the meter's key.
        target: the meter.
        draw: random bytes.

    Returns:
        The serial of its element.

    Raises:
        ForgedAnswerError: this is another meter, or none.
        SecurityRefusal, NoAnswer, DecodeError: as usual.
    """
    random = draw(8)
    shown = yield from ask(target, RequestInfrared(random))
    for version in target.versions:
        expected = master.answer_infrared(target.factor, random, version)
        if isinstance(shown, InfraredShown) and ciphers.same(shown.cipher, expected):
            break
    else:
        raise ForgedAnswerError(f"whoever answers is not meter {target.number}")
    cipher = master.answer_infrared(target.factor, shown.challenge, version)
    yield from ask(target, AuthenticateInfrared(cipher))
    return shown.serial
