"""Provinces and editions by name, and what they change in the meter archive.

Source: Q/GDW 1376.1-2013 clauses 4.3 and 5.5; the four-byte terminal address of Jilin, the heat and water
profile of F10 and the codes of provinces are single source.
"""

from types import MappingProxyType

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376 import afn_02
from kwhub.protocols.gdw1376.afn_04 import METER_PROTOCOLS, MeterArchive
from kwhub.protocols.gdw1376.editions import Edition
from kwhub.protocols.gdw1376.frames import STANDARD, Frame1376, Profile, TerminalAddress
from kwhub.protocols.gdw1376.receiver import Received, Receiver

__all__ = [
    "CJT188",
    "DEFAULT",
    "PROFILES",
    "PROTOCOL_CODES",
    "cjt188_address",
    "cjt188_record",
    "other_profile",
    "profile_named",
    "terminal_max",
]

PROFILES: MappingProxyType[str, Profile] = MappingProxyType(
    {
        "2013": STANDARD,
        "2009": Profile(edition=Edition.E2009),
        "2005": Profile(protocol_ids=frozenset({1}), password_bytes=2, edition=Edition.E2009),
        "jilin": Profile(terminal_bytes=4),
    }
)
"""``jilin``: A2 of four bytes, so that the address field has seven."""

DEFAULT = "2013"
"""Name of the profile that is meant when none is named."""

_LINK_FUNCTIONS = {(afn_02.LOGIN,), (afn_02.LOGOUT,), (afn_02.HEARTBEAT,)}

CJT188 = 32
"""Protocol code of CJ/T 188 in F10 (single source)."""

PROTOCOL_CODES: MappingProxyType[int, tuple[str, str]] = MappingProxyType(
    METER_PROTOCOLS | {CJT188: ("CJ/T 188", "CJ/T 188")}
)
"""Protocol of a meter by the code in F10 byte 5, those of provinces included."""


def profile_named(name: str) -> Profile:
    """A profile of PROFILES. Raises LocalError."""
    found = PROFILES.get(name)
    if found is None:
        raise LocalError(f"unknown profile {name!r}; there are {', '.join(PROFILES)}")
    return found


def terminal_max(profile: Profile) -> int:
    """The largest A2 of one terminal; one more is everybody."""
    return int((1 << 8 * profile.terminal_bytes) - 2)


def other_profile(raw: bytes, own: Profile) -> tuple[str, TerminalAddress] | None:
    """Which profile a terminal speaks that logs in, or beats, in a way of which ours makes no sense.

    Args:
        raw: what was received.
        own: our profile.

    Returns:
        the name of the first profile by which a frame in it is a link test (AFN 02 with F1, F2 or F3 of p0), and
        who sent it; None when ours is among them, or none is.
    """
    if _link_test(raw, own) is not None:
        return None
    found = ((name, _link_test(raw, profile)) for name, profile in PROFILES.items())
    return next(((name, address) for name, address in found if address is not None), None)


def _link_test(raw: bytes, profile: Profile) -> TerminalAddress | None:
    """Whose link test is in some bytes."""
    for item in Receiver(profile).feed(raw):
        if isinstance(item, Received) and _is_link_test(item.frame):
            return item.frame.address
    return None


def _is_link_test(frame: Frame1376) -> bool:
    return (
        frame.up
        and frame.control.primary
        and frame.afn == afn_02.AFN
        and len(frame.units) == 1
        and frame.units[0].points == (0,)
        and frame.units[0].functions in _LINK_FUNCTIONS
    )


def cjt188_address(record: MeterArchive) -> tuple[str, int]:
    """The fourteen digits of a CJ/T 188 meter and its type T: A6 stands in byte 19, T in byte 26.

    Raises:
        DecodeError: byte 19 is not two decimal digits.
    """
    if record.digits >> 4 > 9 or record.digits & 0x0F > 9:
        raise DecodeError("not_bcd", f"{record.digits:02X} is no part of an address", offset=19)
    return f"{record.digits:02x}{record.address}", record.user_class


def cjt188_record(  # what the record has beside the address
    index: int, point: int, line: int, address: str, kind: int
) -> MeterArchive:
    """The record of a CJ/T 188 meter.

    Args:
        index: 1 to 2040.
        point: measuring point.
        line: baud code and port.
        address: fourteen digits.
        kind: type T of the meter.

    Raises:
        LocalError: the address has not fourteen digits.
    """
    if len(address) != 14 or not address.isdecimal():
        raise LocalError(f"{address!r} has not fourteen digits")
    sixth = int(address[:2], 16)
    return MeterArchive(index, point, line, CJT188, address[2:], bytes(6), 0, sixth, "0" * 12, kind)
