"""Frames of every kind of message, and the grouping of units into frames.

Source: Q/GDW 1376.1-2013, clauses 4.3.3.1 (control byte), 4.3.4.3 (SEQ) and 4.4 (transmission rules).
"""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from kwhub.domain.errors import LocalError
from kwhub.protocols.gdw1376 import afn_00, afn_02
from kwhub.protocols.gdw1376.editions import Edition
from kwhub.protocols.gdw1376.frames import (
    COUNTER_BYTES,
    STANDARD,
    TAG_BYTES,
    Control,
    Frame1376,
    Profile,
    Sequence,
    TerminalAddress,
)
from kwhub.protocols.gdw1376.messages import (
    Confirm,
    Heartbeat,
    Initiated,
    Login,
    Report,
    Request,
)
from kwhub.protocols.gdw1376.tables import PASSWORD_AFNS
from kwhub.protocols.gdw1376.units import HasUnit, Unit, as_unit

__all__ = [
    "REPORT_USER_BYTES_MAX",
    "answer_frames",
    "build_report",
    "confirm_frame",
    "deny_frame",
    "group_units",
    "initiated_frame",
]

REPORT_USER_BYTES_MAX = 1000
"""L1 of a frame with several units: below the 1024 bytes at which terminals of the field stop."""

_LINK = Control.from_byte(0xC9)
_REPORT = Control.from_byte(0xC4)
_ANSWER = Control.from_byte(0x88)
_ANSWER_WITH_EVENTS = Control.from_byte(0xA8)
_UP_CONFIRM = Control.from_byte(0x80)
_DOWN_CONFIRM = Control.from_byte(0x00)
_REQUEST_CLASS_2 = Control.from_byte(0x4B)
_REQUEST_CONTROLS = MappingProxyType(
    {
        0x01: Control.from_byte(0x41),
        0x04: Control.from_byte(0x4A),
        0x05: Control.from_byte(0x4A),
        0x0C: Control.from_byte(0x4A),
    }
)
"""Control byte of a request by AFN; the others go as a request of class 2, as in the field."""


def group_units(units: Iterable[Unit | HasUnit], bytes_max: int) -> list[tuple[Unit, ...]]:
    """Put units into as few groups as their order allows, none longer than ``bytes_max``.

    A unit that is longer alone gets a group of its own.
    """
    groups: list[tuple[Unit, ...]] = []
    room = 0
    for unit in map(as_unit, units):
        size = len(unit.to_bytes())
        if groups and size <= room:
            groups[-1] += (unit,)
        else:
            groups.append((unit,))
            room = bytes_max
        room -= size
    return groups


def build_report(
    units: Iterable[Unit | HasUnit],
    afn: int = 0x0D,
    *,
    user_bytes_max: int = REPORT_USER_BYTES_MAX,
) -> list[Report]:
    """Reports that carry the units in their order, each with L1 of at most ``user_bytes_max``."""
    room = user_bytes_max - STANDARD.user_bytes_min
    return [Report(group, afn) for group in group_units(units, room)]


def initiated_frame(
    request: Initiated, address: TerminalAddress, number: int, profile: Profile = STANDARD
) -> Frame1376:
    """The frame of something that this side starts. Raises LocalError."""
    if isinstance(request, Request):
        return _request_frame(request, address, number, profile)
    own = replace(address, msa=0)
    sequence = Sequence(number, confirm=True)
    if isinstance(request, Report):
        if not request.units:
            raise LocalError("a report without units")
        units = tuple(map(as_unit, request.units))
        return Frame1376(_REPORT, own, request.afn, sequence, units)
    if isinstance(request, Heartbeat):
        clock = None if profile.edition is Edition.E2009 else request.clock
        unit = afn_02.heartbeat_unit(clock)
    else:
        unit = afn_02.login_unit() if isinstance(request, Login) else afn_02.logout_unit()
    return Frame1376(_LINK, own, afn_02.AFN, sequence, (unit,))


def _request_frame(
    request: Request, address: TerminalAddress, number: int, profile: Profile
) -> Frame1376:
    password = request.password
    if password is None and request.afn in PASSWORD_AFNS:
        password = bytes(profile.password_bytes)
    if not request.units:
        raise LocalError("a request without units")
    return Frame1376(
        _REQUEST_CONTROLS.get(request.afn, _REQUEST_CLASS_2),
        address,
        request.afn,
        Sequence(number),
        tuple(map(as_unit, request.units)),
        password,
    )


def confirm_frame(confirm: Confirm, address: TerminalAddress) -> Frame1376:
    """AFN 00 with F1, or F3 item by item. Raises LocalError."""
    unit = afn_00.ALL_CONFIRMED
    if confirm.results:
        unit = afn_00.results_unit(confirm.frame.afn, confirm.results)
    return _verdict_frame(confirm.frame, address, unit)


def deny_frame(frame: Frame1376, address: TerminalAddress) -> Frame1376:
    """AFN 00 with F2."""
    return _verdict_frame(frame, address, afn_00.ALL_DENIED)


def _verdict_frame(frame: Frame1376, address: TerminalAddress, unit: Unit) -> Frame1376:
    """An answer echoes MSA, number and time tag of what it answers."""
    return Frame1376(
        _DOWN_CONFIRM if frame.up else _UP_CONFIRM,
        replace(address, msa=frame.address.msa, group=False),
        afn_00.AFN,
        Sequence(frame.sequence.number, tagged=frame.time_tag is not None),
        (unit,),
        time_tag=frame.time_tag,
    )


def answer_frames(
    asked: Frame1376,
    units: Iterable[Unit | HasUnit],
    address: TerminalAddress,
    *,
    user_bytes_max: int = REPORT_USER_BYTES_MAX,
    event_counters: tuple[int, int] | None = None,
) -> list[Frame1376]:
    """The frames of an answer: FIR and FIN mark its ends, RSEQ counts up. Raises LocalError."""
    tagged = asked.time_tag is not None
    room = user_bytes_max - (address.width + 6) - (TAG_BYTES if tagged else 0)
    room -= COUNTER_BYTES if event_counters else 0
    groups = group_units(units, room)
    if not groups:
        raise LocalError("an answer without units; deny instead")
    own = replace(address, msa=asked.address.msa, group=False)
    return [
        Frame1376(
            _ANSWER_WITH_EVENTS if event_counters else _ANSWER,
            own,
            asked.afn,
            Sequence(
                (asked.sequence.number + place) & 0x0F,
                first=place == 0,
                last=place == len(groups) - 1,
                tagged=tagged,
            ),
            group,
            event_counters=event_counters,
            time_tag=asked.time_tag,
        )
        for place, group in enumerate(groups)
    ]
