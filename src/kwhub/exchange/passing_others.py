"""Protocols beside DL/T 645 as seen by those who only pass them on, and which there are.

Whether a frame says something possible is decided by the decoder that `kwhub decode` uses.
Source: Q/GDW 1376.2-2013, clauses 4.3 and 5 (AFN); EN 13757-2, clause 5 (services), EN 13757-3 (CI).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kwhub.catalog.decoding import GDW13762, MBUS, decode
from kwhub.exchange.passing import DLT645
from kwhub.protocols.gdw1376_2 import afn_00
from kwhub.protocols.gdw1376_2.frames import BROADCAST, Control, Frame13762
from kwhub.protocols.gdw1376_2.frames import frame as frame_13762
from kwhub.protocols.gdw1376_2.frames import parse as parse_13762
from kwhub.protocols.gdw1376_2.receiver import Received as Received13762
from kwhub.protocols.gdw1376_2.receiver import Receiver as Receiver13762
from kwhub.protocols.gdw1376_2.routes import DownRoute, UpRoute
from kwhub.protocols.gdw1376_2.summary import inner_frame
from kwhub.protocols.gdw1376_2.tables import find
from kwhub.protocols.mbus import control as mbus
from kwhub.protocols.mbus.frames import FrameMbus
from kwhub.protocols.mbus.receiver import Received as ReceivedMbus
from kwhub.protocols.mbus.receiver import Receiver as ReceiverMbus
from kwhub.wire.events import Discarded
from kwhub.wire.passing import Dialect, Framer, Kind, Passing

__all__ = ["DIALECTS", "DLT645_NAME", "Dialect13762", "DialectMbus"]

DLT645_NAME: Final = "dlt645"

_GAP_13762_S: Final = 1.0
_GAP_MBUS_S: Final = 0.15
"""At 300 baud a byte takes 37 ms; a frame is over after some bytes' time."""

_AFN_KINDS: Final = {
    **dict.fromkeys((0x03, 0x10, 0x14), Kind.READ),
    **dict.fromkeys((0x11, 0x15), Kind.WRITE),
    **dict.fromkeys((0x01, 0x04, 0x05, 0x12), Kind.CONTROL),
    **dict.fromkeys((0x00, 0x06), Kind.READ),  # confirm, deny, report: they change nothing
}
"""Of what goes to the module itself; a frame that is forwarded is of the kind of what it carries."""

_VERSION: Final = (0x03, 1, b"")
"""03-F1, vendor and version: what every module answers."""

_NOT_SUPPORTED: Final = 10
"""Reason of a denial; there is none that says "not allowed"."""

_CARRIED_645: Final = frozenset({1, 2})

_WEIGHTS: Final = (Kind.READ, Kind.CLOCK, Kind.WRITE, Kind.CONTROL, Kind.OTHER)
"""Of several frames in one the last of these is what counts."""

_CI_KINDS: Final = {
    **dict.fromkeys((mbus.CI_SEND, 0x55, *mbus.BAUD_BY_CI), Kind.WRITE),
    **dict.fromkeys((mbus.CI_SELECT, 0x56), Kind.READ),
    **dict.fromkeys((mbus.CI_RESET, 0x54), Kind.CONTROL),
}
_ANYBODY: Final = frozenset(map(str, (mbus.ADDRESS_SELECTED, mbus.ADDRESS_ANY, mbus.ADDRESS_ALL)))


class _Framer13762:
    def __init__(self) -> None:
        self._receiver = Receiver13762()

    def feed(self, data: bytes) -> list[Passing | Discarded]:
        return [_passing_13762(each) for each in self._receiver.feed(data)]

    def flush(self) -> list[Passing | Discarded]:
        return [_passing_13762(each) for each in self._receiver.give_up()]


class Dialect13762:
    """The interface of a local module; a `kwhub.wire.passing.Dialect`.

    The address of a frame is that of the meter behind the module; what is for the module itself has
    none. A frame that is forwarded is of the kind of the DL/T 645 frame that it carries.
    """

    name = GDW13762
    gap_s = _GAP_13762_S

    def framer(self) -> Framer:
        """See Dialect."""
        return _Framer13762()

    def matches(self, pattern: str, address: str) -> bool:
        """See Dialect; a module that answers for itself names nobody."""
        return not address or pattern in (BROADCAST, address)

    def heartbeat(self, address: str) -> bytes:
        """See Dialect: the version of the module is read, whatever meters are behind it."""
        del address
        down = Control(up=False, primary=True)
        return frame_13762(down, DownRoute(), _VERSION).to_bytes()

    def refusal(self, request: Passing) -> bytes:
        """See Dialect: the module denies (00-F2)."""
        asked = parse_13762(request.raw)
        up = Control(up=True, primary=False, mode=asked.control.mode)
        deny = (afn_00.AFN, afn_00.Denial.FUNCTION, afn_00.Denial(_NOT_SUPPORTED).to_data())
        return frame_13762(up, UpRoute(asked.sequence), deny).to_bytes()


def _passing_13762(found: Received13762 | Discarded) -> Passing | Discarded:
    if isinstance(found, Discarded):
        return found
    frame = found.frame
    row = find(frame.afn, frame.function)
    kind, trouble = _kind_13762(frame)
    address = ""
    if frame.addresses is not None:
        address = frame.addresses.source if frame.up else frame.addresses.target
    error = decode(found.raw, GDW13762).error
    return Passing(
        found.raw,
        address,
        kind,
        f"{frame.afn:02X}-F{frame.function}" if row is None else row.name,
        is_answer=frame.up,
        wants_answer=frame.control.primary,
        token=bytes([frame.sequence]),
        trouble=trouble or ("" if error is None else error.kind),
    )


def _kind_13762(frame: Frame13762) -> tuple[Kind, str]:
    """What a frame is for, and what is wrong with what it carries."""
    if find(frame.afn, frame.function) is None:
        return Kind.OTHER, "unknown_function"
    protocol, carried = inner_frame(frame) or (0, b"")
    if not carried:
        return _AFN_KINDS.get(frame.afn, Kind.OTHER), ""
    if protocol not in _CARRIED_645:
        return Kind.OTHER, ""
    framer = DLT645.framer()
    found = (*framer.feed(carried), *framer.flush())
    frames = [each for each in found if isinstance(each, Passing)]
    if not frames:
        return Kind.OTHER, "carries_no_frame"
    # The module sends all of it: what does most decides, and nobody hides behind a question.
    worst = max(frames, key=lambda each: _WEIGHTS.index(each.kind))
    troubles = (each.trouble or _wrong_address(each, frame) for each in frames)
    return worst.kind, next(filter(None, troubles), "")


def _wrong_address(carried: Passing, frame: Frame13762) -> str:
    """Whether a frame is carried to one meter and means another."""
    if frame.addresses is None:
        return ""
    to = frame.addresses.source if frame.up else frame.addresses.target
    return "" if DLT645.matches(carried.address, to) else "carried_to_another"


class _FramerMbus:
    def __init__(self) -> None:
        self._receiver = ReceiverMbus()

    def feed(self, data: bytes) -> list[Passing | Discarded]:
        return [_passing_mbus(each) for each in self._receiver.feed(data)]

    def flush(self) -> list[Passing | Discarded]:
        return [_passing_mbus(each) for each in self._receiver.give_up()]


class DialectMbus:
    """Wired M-Bus; a `kwhub.wire.passing.Dialect` whose addresses are primary ones, 0 to 250."""

    name = MBUS
    gap_s = _GAP_MBUS_S

    def framer(self) -> Framer:
        """See Dialect."""
        return _FramerMbus()

    def matches(self, pattern: str, address: str) -> bool:
        """See Dialect; 253 to 255 mean whoever is there, and an acknowledgement names nobody."""
        return not address or pattern in _ANYBODY or pattern == address

    def heartbeat(self, address: str) -> bytes:
        """See Dialect: the link is reset, which every slave acknowledges and which changes nothing."""
        to = int(address) if address else mbus.ADDRESS_ANY
        return FrameMbus.short(mbus.SND_NKE, to).to_bytes()

    def refusal(self, request: Passing) -> bytes:
        """See Dialect; a slave that does not take something is silent."""
        del request
        return b""


def _passing_mbus(found: ReceivedMbus | Discarded) -> Passing | Discarded:
    if isinstance(found, Discarded):
        return found
    frame = found.frame
    is_answer = not frame.from_master
    wants_answer = not is_answer and frame.address != mbus.ADDRESS_ALL
    seeks = frame.control == mbus.SND_NKE or str(frame.address) in _ANYBODY
    error = decode(found.raw, MBUS).error
    return Passing(
        found.raw,
        "" if frame.service == "ACK" else str(frame.address),
        _kind_mbus(frame),
        frame.service or "",
        is_answer=is_answer,
        wants_answer=wants_answer,
        is_for_many=wants_answer and seeks,
        trouble="" if error is None else error.kind,
    )


def _kind_mbus(frame: FrameMbus) -> Kind:
    """Resetting the link and selecting are part of reading; without them there is none."""
    if frame.ci is None or not frame.from_master:
        return Kind.READ
    return _CI_KINDS.get(frame.ci, Kind.OTHER)


DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {DLT645_NAME: DLT645, GDW13762: Dialect13762(), MBUS: DialectMbus()}
)
"""What nodes can inspect, by the names of ``kwhub decode`` (both editions of DL/T 645 are one)."""
