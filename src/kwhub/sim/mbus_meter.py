"""A simulated water, heat, gas or electricity meter on an M-Bus: what it counts, remembers and does wrong.

Source: EN 13757-2 (frame count bit, selection, change of speed), EN 13757-3 (variable data, application
reset, application errors). Every value is a closed form of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from kwhub.domain.errors import LocalError
from kwhub.protocols.mbus import control as c
from kwhub.protocols.mbus.frames import ACK_FRAME, DATA_BYTES_MAX, FrameMbus
from kwhub.protocols.mbus.identity import Identity
from kwhub.protocols.mbus.records import encode
from kwhub.protocols.mbus.repeats import RepeatMemory
from kwhub.protocols.mbus.telegrams import Telegram, read_telegram
from kwhub.protocols.mbus.values import bcd_bytes, date_bytes, time_bytes
from kwhub.sim.noise import unit_permille

__all__ = ["FALL_BACK_S", "MbusFaults", "MbusMeter"]

FALL_BACK_S = 30.0
"""After this a meter that heard nothing good at its new speed goes back to the old one."""

_MORE = b"\x1f"
_INT16, _INT32, _BCD8 = 0x02, 0x04, 0x0C
_COUNTER_MAX = 100_000_000
_EPOCH_S = 1_577_836_800  # 2020-01-01 UTC: every counter stood at 0
_DAY_S = 86_400
_MONTHS_A_YEAR = 12
_TOO_MANY_READOUTS = 9
_LOST, _FLIPPED, _FLIPPED_BIT = range(41, 44)  # streams of chance


class _Momentary(NamedTuple):
    """A value that swings about its middle over the day, in units of its last place."""

    vif: bytes
    middle: int
    swing: int


# medium: VIF of the counter, its growth in units of the last place an hour
_COUNTERS: Mapping[int, tuple[bytes, int]] = MappingProxyType(
    {
        0x02: (b"\x04", 40),
        0x03: (b"\x13", 180),
        0x04: (b"\x06", 3),
        0x06: (b"\x13", 9),
        0x07: (b"\x13", 14),
        0x0A: (b"\x06", 2),
        0x15: (b"\x13", 9),
        0x16: (b"\x13", 14),
    }
)
# medium: VIF of a second counter, its growth for each unit of the first, in thousandths
_SECONDS: Mapping[int, tuple[bytes, int]] = MappingProxyType(
    {0x02: (b"\x84\x3c", 10), 0x04: (b"\x14", 8_600), 0x0A: (b"\x14", 17_200)}
)
_MOMENTARY: Mapping[int, tuple[_Momentary, ...]] = MappingProxyType(
    {
        0x02: (
            _Momentary(b"\x2b", 400, 250),
            _Momentary(b"\xfd\x48", 2310, 60),
            _Momentary(b"\xfd\x59", 174, 100),
        ),
        0x03: (_Momentary(b"\x3b", 180, 170),),
        0x04: (
            _Momentary(b"\x2d", 30, 18),
            _Momentary(b"\x3b", 26, 15),
            _Momentary(b"\x5a", 680, 60),
            _Momentary(b"\x5e", 420, 40),
            _Momentary(b"\x61", 2600, 400),
        ),
        0x06: (_Momentary(b"\x3b", 9, 8),),
        0x07: (_Momentary(b"\x3b", 14, 13),),
        0x0A: (
            _Momentary(b"\x2d", 20, 12),
            _Momentary(b"\x5a", 70, 10),
            _Momentary(b"\x5e", 120, 10),
        ),
        0x15: (_Momentary(b"\x3b", 9, 8),),
        0x16: (_Momentary(b"\x3b", 14, 13),),
    }
)


@dataclass(frozen=True, slots=True)
class MbusFaults:
    """What is wrong with a meter; all off unless turned.

    What becomes of its n-th answer is a function of ``seed`` and of n.
    """

    seed: int = 1
    lost_permille: int = 0  #: answers that do not come
    flipped_permille: int = 0  #: answers with a bit turned
    first_lost: bool = False  #: the first frame after power-on wakes it and is not answered
    ignores_count_bit: bool = False  #: every read gets the next telegram, repeated or not
    endless: bool = False  #: its last telegram says that more follow, and comes for ever
    readouts_a_day: int = 0  #: the next ones are refused with code 9; 0: no limit
    keeps_rate: bool = False  #: acknowledges a change of speed and stays where it is

    def spoil(self, number: int, raw: bytes) -> bytes:
        """What becomes of the n-th answer; empty when it is lost."""
        if unit_permille(self.seed, _LOST, number) < self.lost_permille:
            return b""
        if unit_permille(self.seed, _FLIPPED, number) >= self.flipped_permille:
            return raw
        bit = unit_permille(self.seed, _FLIPPED_BIT, number) * len(raw) * 8 // 1000
        changed = bytearray(raw)
        changed[bit >> 3] ^= 1 << (bit & 7)
        return bytes(changed)


@dataclass(slots=True)
class MbusMeter:
    """One meter.

    Attributes:
        identity: secondary address; its medium says what is counted (02, 03, 04, 06, 07, 0A, 15, 16).
        address: primary address.
        parts: telegrams of a whole answer; the second and later carry stored values.
        deaf: answers nothing.
        history: months whose counters are kept, in storages 1 and up.
        fabrication: number for enhanced selection, eight digits; the identification when empty.
        enhanced: knows enhanced selection; otherwise its record is passed over.
        baud: its speed.
    """

    identity: Identity
    address: int = 0
    parts: int = 1
    deaf: bool = False
    history: int = 0
    fabrication: str = ""
    enhanced: bool = True
    baud: int = 2400
    faults: MbusFaults = field(default_factory=MbusFaults)
    selected: bool = False
    readouts: int = 0  #: of the present day
    answers: int = 0
    _memory: RepeatMemory = field(default_factory=RepeatMemory)
    _asleep: bool = True
    _part: int = 0
    _accesses: int = 0
    _day: int = -1
    _rates: tuple[int, float] | None = None  # the old speed, and when it returns to it

    def counter(self, at_s: float) -> int:
        """The counter in units of its last place. Raises LocalError for an unknown medium."""
        if self.identity.medium not in _COUNTERS:
            raise LocalError(f"no counter for medium {self.identity.medium:02X}")
        growth = _COUNTERS[self.identity.medium][1]
        return max(0, int((at_s - _EPOCH_S) * growth // 3600)) % _COUNTER_MAX

    def hears(self, line_baud: int | None, at_s: float) -> bool:
        """Whether a frame at the line's speed reaches it; goes back to its old speed when it is time."""
        if self._rates is not None and at_s >= self._rates[1]:
            self.baud, self._rates = self._rates[0], None
        if line_baud is not None and line_baud != self.baud:
            return False
        self._rates = None
        asleep, self._asleep = self._asleep, False
        return not (asleep and self.faults.first_lost)

    def say(self, frame: FrameMbus, at_s: float) -> bytes:
        """What it puts on the line in answer to a master's frame, its faults included."""
        said = self.answer(frame, at_s)
        if said is None:
            return b""
        self.answers += 1
        return self.faults.spoil(self.answers, said.to_bytes())

    def answer(self, frame: FrameMbus, at_s: float) -> FrameMbus | None:
        """What it means to say to a master's frame; None when it is silent."""
        if frame.ci == c.CI_SELECT and frame.address == c.ADDRESS_SELECTED:
            return self._select(frame)
        if self.deaf or not self._is_meant(frame.address):
            return None
        if frame.control == c.SND_NKE:
            self._memory.forget(frame.address)
            self._part = 0
            self.selected &= frame.address != c.ADDRESS_SELECTED
            said: FrameMbus = ACK_FRAME
        else:
            said = self._counted(frame, at_s)
        return None if frame.address == c.ADDRESS_ALL else said

    def _is_meant(self, address: int) -> bool:
        if address == c.ADDRESS_SELECTED:
            return self.selected
        return address in (self.address, c.ADDRESS_ANY, c.ADDRESS_ALL)

    def _select(self, frame: FrameMbus) -> FrameMbus | None:
        telegram = read_telegram(frame)
        wanted = telegram.identity
        matches = wanted is not None and wanted.matches(self.identity)
        self.selected = not self.deaf and matches and self._is_fabricated(telegram)
        self._part = 0
        self._memory.forget(c.ADDRESS_SELECTED)
        return ACK_FRAME if self.selected else None

    def _is_fabricated(self, telegram: Telegram) -> bool:
        """Whether the fabrication number of an enhanced selection, if there is one, is this meter's."""
        if not self.enhanced:
            return True
        mine = self.fabrication or self.identity.number
        for record in telegram.records:
            wanted = record.data[::-1].hex().upper()
            if record.block == b"\x0c\x78" and not all(
                digit in ("F", own) for digit, own in zip(wanted, mine, strict=True)
            ):
                return False
        return True

    def _counted(self, frame: FrameMbus, at_s: float) -> FrameMbus:
        """The same frame again: the last answer again."""
        last = None if self.faults.ignores_count_bit else self._memory.recall(frame)
        if last is not None:
            return last
        said = self._obey(frame, at_s)
        self._memory.keep(frame, said)
        return said

    def _obey(self, frame: FrameMbus, at_s: float) -> FrameMbus:
        if frame.ci is None:
            is_data = frame.control & ~c.FCB == c.REQ_UD2
            return self._read(at_s) if is_data else ACK_FRAME
        if frame.ci == c.CI_RESET:
            self._part = 0
        elif frame.ci in c.BAUD_BY_CI and not self.faults.keeps_rate:
            self._rates = (self.baud, at_s + FALL_BACK_S)
            self.baud = c.BAUD_BY_CI[frame.ci]
        for record in read_telegram(frame).records if frame.ci == c.CI_SEND else ():
            self._write(record.block, record.data)
        return ACK_FRAME

    def _write(self, block: bytes, data: bytes) -> None:
        """Primary address, identification, or the whole secondary address."""
        if block == b"\x01\x7a" and data[0] <= c.ADDRESS_MAX:
            self.address = data[0]
        elif block == b"\x07\x79":
            self.identity = Identity.from_bytes(data)
        elif block == b"\x0c\x79":
            number = data[::-1].hex().upper()
            mine = self.identity
            self.identity = Identity(number, mine.manufacturer, mine.version, mine.medium)

    def _read(self, at_s: float) -> FrameMbus:
        day = int(at_s // _DAY_S)
        if day != self._day:
            self._day, self.readouts = day, 0
        if self._part == 0:
            self.readouts += 1
        if 0 < self.faults.readouts_a_day < self.readouts:
            code = bytes([_TOO_MANY_READOUTS])
            return FrameMbus.long(c.RSP_UD, self.address, c.CI_ERROR, code)
        return self._telegram(at_s)

    def _telegram(self, at_s: float) -> FrameMbus:
        part, last = self._part, self._part + 1 >= self.parts
        self._part = part if last and self.faults.endless else (part + 1) % self.parts
        if not (last and self.faults.endless):
            self._accesses = (self._accesses + 1) & 0xFF
        head = self.identity.to_bytes() + bytes([self._accesses, 0, 0, 0])
        body = b"" if part else self._present(at_s)
        for storage in self._storages(part):
            body += self._stored(storage, at_s)
        room = DATA_BYTES_MAX - len(head) - 1
        if len(body) > room:
            raise LocalError(
                f"{self.history} months in {self.parts} telegrams: too much for a frame"
            )
        body += _MORE if self.faults.endless or not last else b""
        return FrameMbus.long(c.RSP_UD, self.address, c.CI_VARIABLE, head + body)

    def _storages(self, part: int) -> range:
        """The storages that a telegram carries; the first only when it is the only one."""
        months = max(self.history, self.parts - 1)
        if self.parts == 1:
            return range(1, months + 1)
        each = -(-months // (self.parts - 1))
        return range((part - 1) * each + 1, min(part * each, months) + 1) if part else range(0)

    def _present(self, at_s: float) -> bytes:
        """Counters, the time, the fabrication number and momentary values."""
        medium = self.identity.medium
        body = self._counters(at_s, 0) + encode(_INT32, b"\x6d", _stamp(at_s))
        number = self.fabrication or self.identity.number
        body += encode(_BCD8, b"\x78", bytes.fromhex(number)[::-1])
        phase = abs(at_s % _DAY_S * 2 / _DAY_S - 1) * 2 - 1  # 1 at midnight, -1 at noon
        for each in _MOMENTARY.get(medium, ()):
            value = int(each.middle - each.swing * phase)
            body += encode(_INT16, each.vif, value.to_bytes(2, "little"))
        return body

    def _stored(self, storage: int, at_s: float) -> bytes:
        month_s = _month_start(at_s, storage - 1)
        stamp = encode(_INT32, b"\x6d", _stamp(month_s), storage=storage)
        return self._counters(month_s, storage) + stamp

    def _counters(self, at_s: float, storage: int) -> bytes:
        medium, count = self.identity.medium, self.counter(at_s)
        data = bcd_bytes(count, 4)
        body = encode(_BCD8, _COUNTERS[medium][0], data, storage=storage)
        if medium in _SECONDS:
            vif, growth = _SECONDS[medium]
            second = count * growth // 1000 % _COUNTER_MAX
            body += encode(_BCD8, vif, bcd_bytes(second, 4), storage=storage)
        return body


def _stamp(at_s: float) -> bytes:
    """Type F of a moment."""
    moment = datetime.fromtimestamp(int(at_s), UTC)
    day = date_bytes(moment.year, moment.month, moment.day)
    return time_bytes(day, moment.hour, moment.minute)


def _month_start(at_s: float, back: int) -> float:
    """The start of the month of a moment, or of one that many months before."""
    moment = datetime.fromtimestamp(int(at_s), UTC)
    months = moment.year * _MONTHS_A_YEAR + moment.month - 1 - back
    year, month = divmod(months, _MONTHS_A_YEAR)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
