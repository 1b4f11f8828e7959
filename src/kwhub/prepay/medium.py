"""The journey of a medium: what it says at the meter, through the infrared port.

A visit may be repeated as often as one likes: the load stays on the medium until the counter replaces it, the
meter takes its number once, and "already in" is success. So neither a power cut at either side nor
a lost, late or doubled message loses or doubles a purchase.

Source: order of the messages: 07A001, 07A002 or 078001, 07A005 as one public firmware takes them (single source).
"""

from dataclasses import dataclass
from enum import Enum

from kwhub.domain.errors import DecodeError, LocalError, NoAnswer
from kwhub.domain.machine import Conversation
from kwhub.prepay.element.files import RUN_INFORMATION
from kwhub.prepay.medium_interface import Medium
from kwhub.prepay.medium_load import NOTHING
from kwhub.prepay.reasons import SecurityError
from kwhub.prepay.run_information import RUN_INFORMATION_BYTES, RunInformation
from kwhub.prepay.sessions import ATTEMPTS_MAX, SecurityRefusal, Target, ask
from kwhub.prepay.wire.answers import ReadBackData, Returned, TerminalOpened
from kwhub.prepay.wire.requests import ReadBack

__all__ = ["Arrival", "Visit", "open_session", "visit"]

_DIRECTORY = 0xDF01
_RELAY_OPEN = 0x02


class Arrival(Enum):
    """What became of the purchase that a medium carries."""

    DONE = "done"  #: now
    ALREADY = "already"  #: it was in before: as good as done
    NOTHING = "nothing"  #: the medium carries none; the meter was read
    REFUSED = "refused"
    UNKNOWN = "unknown"  #: no answer: hold the medium to the meter again

    @property
    def good(self) -> bool:
        """Whether nothing is left to be done."""
        return self not in (Arrival.REFUSED, Arrival.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Visit:
    """The end of a visit.

    Attributes:
        told: what the meter told; checked at the counter only, which has the key for it.
        error: why it refuses.
        permitted: closing was permitted by this visit.
    """

    arrival: Arrival
    told: RunInformation | None = None
    error: SecurityError | None = None
    permitted: bool = False


def visit(medium: Medium, address: str | None = None) -> Conversation[Visit]:
    """Bring what is loaded, read the usage, and permit closing where the counter allows it.

    Args:
        medium: loaded at least once.
        address: of the meter on the line, 12 digits; otherwise its number.

    Raises:
        LocalError: the medium is blank or was never loaded.
        DecodeError, RemoteError: the meter says what it must not say.
    """
    if medium.load is None:
        raise LocalError("this medium was never loaded: go to the counter")
    number = medium.meter.hex()
    target = Target(address or number, number)
    for _ in range(ATTEMPTS_MAX):
        try:
            seen = yield from _bring(medium, target)
        except NoAnswer:
            continue
        is_open = seen.told is not None and bool(seen.told.state & _RELAY_OPEN)
        if not (medium.may_permit and is_open and seen.arrival.good):
            return seen
        permitted = yield from _permit(medium, target)
        return Visit(seen.arrival, seen.told, seen.error, permitted)
    return Visit(Arrival.UNKNOWN)


def open_session(medium: Medium, target: Target) -> Conversation[bytes]:
    """Open a session with the pair key of the version that the meter has, the newest first.

    Returns:
        The meter's random.

    Raises:
        SecurityRefusal: none of them is right, or a head-end is in session.
        NoAnswer, DecodeError: as usual.
    """
    refusal: SecurityRefusal | None = None
    for version in medium.versions:
        try:
            opened = yield from ask(target, medium.log_in(version))
        except SecurityRefusal as error:
            if SecurityError.IDENTITY not in error.error:
                raise
            refusal = error
            continue
        if not isinstance(opened, TerminalOpened):
            raise DecodeError("bad_value", "the meter does not open a session")
        return opened.nonce
    raise refusal or LocalError("this medium has no key")


def _bring(medium: Medium, target: Target) -> Conversation[Visit]:
    load = medium.load
    try:
        nonce = yield from open_session(medium, target)
    except SecurityRefusal as refusal:
        return Visit(Arrival.REFUSED, None, refusal.error)
    if load is None or load.kind == NOTHING:
        return Visit(Arrival.NOTHING, (yield from _read(medium, target)))
    try:
        yield from _read(medium, target)  # with what follows it shows whose purchase is in
        returned = yield from ask(target, medium.purchase(nonce))
    except SecurityRefusal as refusal:
        return (yield from _refused(medium, target, refusal.error, load.count))
    if not isinstance(returned, Returned):
        raise DecodeError("bad_value", "the meter does not return its usage")
    return Visit(Arrival.DONE, medium.keep(returned.run_information, returned.mac))


def _refused(
    medium: Medium, target: Target, error: SecurityError, count: int
) -> Conversation[Visit]:
    """The usage decides: a meter that has this number or a later one has the purchase."""
    try:
        told = yield from _read(medium, target)
    except SecurityRefusal:
        return Visit(Arrival.REFUSED, None, error)
    is_in = SecurityError.REPEATED in error or SecurityError.COUNT in error
    if is_in and told.count >= count:
        return Visit(Arrival.ALREADY, told)
    return Visit(Arrival.REFUSED, told, error)


def _read(medium: Medium, target: Target) -> Conversation[RunInformation]:
    request = ReadBack(RUN_INFORMATION_BYTES, 0, RUN_INFORMATION, _DIRECTORY)
    told = yield from ask(target, request)
    if not isinstance(told, ReadBackData):
        raise DecodeError("bad_value", "the meter does not read its usage back")
    return medium.keep(told.data, told.mac)


def _permit(medium: Medium, target: Target) -> Conversation[bool]:
    """In a session of its own, because a purchase uses the meter's random up."""
    try:
        nonce = yield from open_session(medium, target)
        yield from ask(target, medium.permit(nonce))
    except (NoAnswer, SecurityRefusal):
        return False
    return True
