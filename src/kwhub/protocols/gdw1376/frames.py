"""Frames: length words, control byte, address, AFN, SEQ, data units, PW, EC, Tp, checksum.

Source: Q/GDW 1376.1-2013, clause 4.3.

    68 | W W | W W | 68 | C | A1 A1 A2 A2 A3 | AFN SEQ {DA DT data}* [PW] [EC] [Tp] | CS | 16

``W = L1 << 2 | protocol id``; L1 counts from C to the last byte before CS.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.editions import Edition
from kwhub.protocols.gdw1376.formats import A16
from kwhub.protocols.gdw1376.tables import PASSWORD_AFNS, layout_of
from kwhub.protocols.gdw1376.times import PartialTime
from kwhub.protocols.gdw1376.units import Unit, join_units, split_units
from kwhub.wire.checksums import sum8

__all__ = [
    "BROADCAST",
    "COUNTER_BYTES",
    "END",
    "HEAD_BYTES",
    "PASSWORD_BYTES",
    "STANDARD",
    "START",
    "TAG_BYTES",
    "USER_BYTES_MAX",
    "Control",
    "Frame1376",
    "Profile",
    "Sequence",
    "TerminalAddress",
    "TimeTag",
    "header_problem",
    "parse",
    "parse_user_data",
]

START, END = 0x68, 0x16
HEAD_BYTES = 6
TAIL_BYTES = 2
USER_BYTES_MAX = 16_383
"""L1 has 14 bits."""
TAG_BYTES = 6
COUNTER_BYTES = 2
PASSWORD_BYTES = 16
PASSWORD_SIZES = frozenset({2, PASSWORD_BYTES})
BROADCAST = 0xFFFF
"""Terminal address of a broadcast, with the group bit."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between provinces and editions."""

    terminal_bytes: int = 2  #: width of A2; Jilin has 4 (single source)
    protocol_ids: frozenset[int] = frozenset({2})  #: 1 is Q/GDW 130-2005, 2 all since 2009
    password_bytes: int = 16  #: of PW; 2 in Q/GDW 130-2005
    edition: Edition = Edition.E2013  #: of the tables

    @property
    def protocol_id(self) -> int:
        """What own frames bear."""
        return max(self.protocol_ids)

    @property
    def address_bytes(self) -> int:
        """A1, A2 and A3."""
        return 3 + self.terminal_bytes

    @property
    def user_bytes_min(self) -> int:
        """C, address, AFN, SEQ."""
        return self.address_bytes + 3


STANDARD = Profile()


def _check_nibble(name: str, value: int) -> None:
    if not 0 <= value <= 0x0F:
        raise LocalError(f"{name} {value} does not fit four bits")


def _byte_field(*values: int) -> bytes:
    try:
        return bytes(values)
    except ValueError:
        raise LocalError(f"one of {values} does not fit a byte") from None


@dataclass(frozen=True, slots=True)
class Control:
    """Control byte C.  Source: clause 4.3.3.1."""

    up: bool  #: DIR: from the terminal
    primary: bool  #: PRM: from the station that started the transaction
    function: int
    bit5: bool = False  #: down FCB, up ACD
    bit4: bool = False  #: down FCV, up reserved

    @classmethod
    def from_byte(cls, byte: int) -> "Control":
        """Any byte has a meaning."""
        return cls(
            bool(byte & 0x80), bool(byte & 0x40), byte & 0x0F, bool(byte & 0x20), bool(byte & 0x10)
        )

    def to_byte(self) -> int:
        """The byte on the wire. Raises LocalError."""
        _check_nibble("function code", self.function)
        return self.up << 7 | self.primary << 6 | self.bit5 << 5 | self.bit4 << 4 | self.function

    @property
    def events_wait(self) -> bool:
        """ACD: important events wait, and EC stands in the frame."""
        return self.up and self.bit5


@dataclass(frozen=True, slots=True)
class TerminalAddress:
    """Address field.  Source: clause 4.3.3.2."""

    region: str  #: A1, four digits as people write them; hexadecimal digits occur in the field
    terminal: int  #: A2, 1 to 65535, 65535 with ``group`` is a broadcast
    msa: int = 0  #: A3 D7-D1, the station that asked; a terminal that starts sends 0
    group: bool = False  #: A3 D0
    width: int = 2  #: bytes of A2

    @classmethod
    def from_bytes(cls, raw: bytes) -> "TerminalAddress":
        """Read A1 A2 A3; everything between the first two bytes and the last one is A2."""
        return cls(
            raw[1::-1].hex().upper(),
            int.from_bytes(raw[2:-1], "little"),
            raw[-1] >> 1,
            bool(raw[-1] & 1),
            len(raw) - 3,
        )

    def to_bytes(self) -> bytes:
        """A1 A2 A3. Raises LocalError."""
        try:
            region = bytes.fromhex(self.region)[::-1]
            terminal = self.terminal.to_bytes(self.width, "little")
            tail = bytes([self.msa << 1 | self.group])
        except (ValueError, OverflowError) as error:
            raise LocalError(f"{self} is no terminal address: {error}") from None
        if len(region) != 2:
            raise LocalError(f"region {self.region!r} has not four digits")
        return region + terminal + tail

    @property
    def broadcast(self) -> bool:
        """Whether every terminal is meant."""
        return self.group and self.terminal == (1 << 8 * self.width) - 1

    def same_terminal(self, other: "TerminalAddress") -> bool:
        """Whether both name the same terminal, whoever asked."""
        return (self.region, self.terminal) == (other.region, other.terminal)

    def __str__(self) -> str:
        return f"{self.region}-{self.terminal:05d}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """SEQ.  Source: clause 4.3.4.3."""

    number: int  #: PSEQ of whoever starts, RSEQ of whoever answers: 0 to 15
    confirm: bool = False  #: CON: the sender wants AFN 00 back
    first: bool = True  #: FIR
    last: bool = True  #: FIN
    tagged: bool = False  #: TpV: a time tag stands in the frame

    @classmethod
    def from_byte(cls, byte: int) -> "Sequence":
        """Any byte has a meaning."""
        return cls(
            byte & 0x0F, bool(byte & 0x10), bool(byte & 0x40), bool(byte & 0x20), bool(byte & 0x80)
        )

    def to_byte(self) -> int:
        """The byte on the wire. Raises LocalError."""
        _check_nibble("sequence number", self.number)
        return self.tagged << 7 | self.first << 6 | self.last << 5 | self.confirm << 4 | self.number


@dataclass(frozen=True, slots=True)
class TimeTag:
    """Tp.  Source: clause 4.3.4.5 (auxiliary information)."""

    counter: int  #: PFC, whose low nibble is PSEQ
    raw_time: bytes  #: A.16: second, minute, hour, day; kept raw because zeros occur in the field
    delay_min: int = 0  #: permitted delay in minutes, 0: do not check

    @classmethod
    def from_bytes(cls, raw: bytes) -> "TimeTag":
        """Read six bytes."""
        return cls(raw[0], raw[1:5], raw[5])

    def to_bytes(self) -> bytes:
        """Six bytes. Raises LocalError."""
        if len(self.raw_time) != A16.size:
            raise LocalError(f"the time of Tp has {A16.size} bytes")
        return _byte_field(self.counter) + self.raw_time + _byte_field(self.delay_min)

    @property
    def sent(self) -> PartialTime | None:
        """When it was sent; None when the bytes are no time."""
        try:
            return A16.decode(self.raw_time)
        except DecodeError:
            return None

    def is_stale(self, now: datetime) -> bool:
        """Whether a terminal whose wall clock shows ``now`` must drop the frame without an answer."""
        sent = self.sent
        if self.delay_min == 0 or sent is None or sent.day is None:
            return False
        clock = timedelta(hours=sent.hour or 0, minutes=sent.minute or 0, seconds=sent.second or 0)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        for days_ago in range(-1, 31):
            day = midnight - timedelta(days=days_ago)
            if day.day == sent.day:
                return now - (day + clock) > timedelta(minutes=self.delay_min)
        return True


@dataclass(frozen=True, slots=True)
class Frame1376:
    """One frame; ``to_bytes`` of what ``parse`` gave is the same bytes again."""

    control: Control
    address: TerminalAddress
    afn: int
    sequence: Sequence
    units: tuple[Unit, ...] = ()
    password: bytes | None = field(default=None, repr=False)  #: PW, only down; a secret
    event_counters: tuple[int, int] | None = None  #: EC1 important, EC2 normal; only with ACD
    time_tag: TimeTag | None = None
    protocol_id: int = 2

    @property
    def up(self) -> bool:
        """From terminal to station."""
        return self.control.up

    def user_data(self) -> bytes:
        """C to the last byte before CS (L1 bytes). Raises LocalError when parts contradict."""
        if self.sequence.tagged != (self.time_tag is not None):
            raise LocalError("TpV and the time tag contradict")
        if self.control.events_wait != (self.event_counters is not None):
            raise LocalError("ACD and the event counters contradict")
        if self.password is not None and len(self.password) not in PASSWORD_SIZES:
            raise LocalError(f"PW has {PASSWORD_BYTES} bytes, or 2 in Q/GDW 130-2005")
        parts = (
            _byte_field(self.control.to_byte()),
            self.address.to_bytes(),
            _byte_field(self.afn, self.sequence.to_byte()),
            join_units(self.units),
            self.password or b"",
            _byte_field(*(self.event_counters or ())),
            self.time_tag.to_bytes() if self.time_tag else b"",
        )
        return b"".join(parts)

    def to_bytes(self) -> bytes:
        """The whole frame. Raises LocalError."""
        user = self.user_data()
        if len(user) > USER_BYTES_MAX:
            raise LocalError(f"{len(user)} user bytes, at most {USER_BYTES_MAX}")
        word = (len(user) << 2 | self.protocol_id).to_bytes(2, "little")
        return b"\x68" + word + word + b"\x68" + user + bytes([sum8(user), END])


def header_problem(head: bytes, profile: Profile = STANDARD) -> tuple[str, str] | None:
    """What is wrong with the first six bytes (or with as many as have come), None when nothing is.

    Returns:
        Kind and detail.
    """
    word = int.from_bytes(head[1:3], "little")
    checks = (
        (1, head[:1] != b"\x68", "start_missing", f"{head[:1].hex().upper()} where 68 belongs"),
        (
            2,
            word & 3 not in profile.protocol_ids,
            "protocol_id",
            f"protocol id {word & 3} is not {profile.protocol_id}",
        ),
        (3, word >> 2 < profile.user_bytes_min, "length_too_small", f"L1 is only {word >> 2}"),
        (4, head[1:2] != head[3:4], "length_words_differ", "the two length words differ"),
        (5, head[2:3] != head[4:5], "length_words_differ", "the two length words differ"),
        (6, head[5:6] != b"\x68", "second_start_missing", "no second 68 after the length words"),
    )
    for needed, wrong, kind, detail in checks:
        if len(head) >= needed and wrong:
            return kind, detail
    return None


def parse(raw: bytes, profile: Profile = STANDARD) -> Frame1376:
    """Decode exactly one frame.

    Raises:
        DecodeError: with the kind ``truncated``, ``start_missing``, ``protocol_id``,
            ``length_words_differ``, ``length_too_small``, ``second_start_missing``,
            ``length_mismatch``, ``checksum_mismatch``, ``end_missing``, ``trailing_bytes`` or
            ``aux_too_short``.
    """
    problem = header_problem(raw[:HEAD_BYTES], profile) if raw else None
    if problem:
        raise DecodeError(*problem)
    if len(raw) < HEAD_BYTES:
        raise DecodeError("truncated", f"{len(raw)} bytes are not even a head")
    stated = int.from_bytes(raw[1:3], "little") >> 2
    _check_size(raw, stated)
    user = raw[HEAD_BYTES : HEAD_BYTES + stated]
    if raw[-1] != END:
        raise DecodeError("end_missing", f"{raw[-1]:02X} where 16 belongs", offset=len(raw) - 1)
    if sum8(user) != raw[-2]:
        raise DecodeError(
            "checksum_mismatch",
            f"checksum {raw[-2]:02X}, computed {sum8(user):02X}",
            field="CS",
            offset=len(raw) - 2,
        )
    return parse_user_data(user, profile, protocol_id=raw[1] & 3)


def _check_size(raw: bytes, stated: int) -> None:
    whole = HEAD_BYTES + stated + TAIL_BYTES
    found = len(raw) - HEAD_BYTES - TAIL_BYTES
    if len(raw) == whole:
        return
    ends_itself = len(raw) > HEAD_BYTES + TAIL_BYTES and raw[-1] == END
    if len(raw) > whole:
        user = raw[HEAD_BYTES : HEAD_BYTES + stated]
        if raw[whole - 1] == END and raw[whole - 2] == sum8(user):
            extra = len(raw) - whole
            raise DecodeError("trailing_bytes", f"{extra} bytes after the frame", offset=whole)
    elif not (ends_itself and sum8(raw[HEAD_BYTES:-2]) == raw[-2]):
        raise DecodeError("truncated", f"{len(raw)} bytes of a frame of {whole}")
    raise DecodeError(
        "length_mismatch",
        f"length word says {stated} user bytes, frame has {found}",
        field="L1",
        offset=1,
    )


def parse_user_data(user: bytes, profile: Profile = STANDARD, *, protocol_id: int = 2) -> Frame1376:
    """Decode the L1 bytes between head and checksum. Raises DecodeError ``aux_too_short``."""
    at = 1 + profile.address_bytes
    control = Control.from_byte(user[0])
    address = TerminalAddress.from_bytes(user[1:at])
    afn, sequence = user[at], Sequence.from_byte(user[at + 1])
    rest = user[at + 2 :]
    rest, tag = _cut(rest, TAG_BYTES if sequence.tagged else 0, "Tp")
    rest, counters = _cut(rest, COUNTER_BYTES if control.events_wait else 0, "EC")
    password, units = _body(rest, afn, control, profile)
    return Frame1376(
        control,
        address,
        afn,
        sequence,
        units,
        password,
        (counters[0], counters[1]) if counters else None,
        TimeTag.from_bytes(tag) if tag else None,
        protocol_id,
    )


def _cut(data: bytes, size: int, name: str) -> tuple[bytes, bytes]:
    if size > len(data):
        raise DecodeError("aux_too_short", f"no room for {name} ({size} bytes)", field=name)
    return data[: len(data) - size], data[len(data) - size :]


def _body(
    rest: bytes, afn: int, control: Control, profile: Profile
) -> tuple[bytes | None, tuple[Unit, ...]]:
    """Units and password; a frame that only makes sense without password has none."""
    layouts = layout_of(afn, up=control.up, edition=profile.edition)
    size = profile.password_bytes
    whole, clean = split_units(rest, layouts)
    if control.up or afn not in PASSWORD_AFNS or len(rest) < size:
        return None, whole
    body, password = rest[:-size], rest[-size:]
    units, clean_with = split_units(body, layouts)
    if clean and not clean_with:
        return None, whole
    return password, units
