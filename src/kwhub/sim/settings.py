"""The parameters of a meter: what they are out of the box, and what may be written into them.

Source: DL/T 645-2007, annex A, table A.5, and clause 7 (ERR: too many zones, slots, tariffs).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Final

from kwhub.domain.errors import DecodeError
from kwhub.protocols.dlt645.deviations import STANDARD, Deviations
from kwhub.protocols.dlt645.editions import Edition
from kwhub.protocols.dlt645.items import encode, find
from kwhub.protocols.dlt645.refusals import Error2007
from kwhub.sim.denial import Denied, NoSuchData, not_authorised, other_error
from kwhub.sim.memory import Memory
from kwhub.sim.quantities import Plain
from kwhub.sim.registers import TARIFFS, USUAL_TABLE
from kwhub.sim.tariff_tables import (
    DAY_TABLES,
    DAY_TABLES_MAX,
    SLOTS_MAX,
    ZONES,
    ZONES_MAX,
    day_table_bytes,
    is_table,
)

__all__ = [
    "FREEZE_MODES",
    "LOAD_RECORD_INTERVALS",
    "LOAD_RECORD_MODE_WORD",
    "PRICES",
    "SETTLEMENT_DAYS",
    "Settings",
]

LOAD_RECORD_MODE_WORD: Final = 0x0400_0901
LOAD_RECORD_INTERVALS: Final = MappingProxyType(dict(enumerate(range(0x0400_0A02, 0x0400_0A08), 1)))
"""Minutes between the records of each class."""
SETTLEMENT_DAYS: Final = (0x0400_0B01, 0x0400_0B02, 0x0400_0B03)
FREEZE_MODES: Final = MappingProxyType(
    {
        0: 0x0400_0902,
        1: 0x0400_0903,
        **dict.fromkeys((2, 3, 5, 7), 0x0400_0904),
        4: 0x0400_0905,
        6: 0x0400_0906,
    }
)
"""Mode words by kind of freeze."""

PRICES: Final = MappingProxyType({0x0405_0200 + n: 0x0405_0100 + n for n in range(1, TARIFFS + 1)})
"""The price of each tariff: of the standby set, and where it comes into force."""

_NEVER: Final = "2000-00-00 00:00"
_HOLIDAYS: Final = 0x0403_0000
_MINUTES: Final = 15  #: demand period, sliding step and load records: a quarter each


def _number(value: int | str) -> tuple[Plain, ...]:
    return (Decimal(value),)


_DEFAULTS: Final[Mapping[int, tuple[Plain, ...]]] = MappingProxyType(
    {
        0x0400_0103: _number(_MINUTES),
        0x0400_0104: _number(_MINUTES),  # as long as the period, so blocks
        0x0400_0105: _number(80),
        0x0400_0106: (_NEVER,),
        **dict.fromkeys(range(0x0400_0107, 0x0400_010A), (_NEVER,)),
        0x0400_0201: _number(1),
        0x0400_0202: _number(DAY_TABLES_MAX),
        0x0400_0203: _number(len(USUAL_TABLE.switches)),
        0x0400_0204: _number(TARIFFS),
        0x0400_0205: _number(0),
        0x0400_0206: _number(21),
        0x0400_0301: _number(6),
        0x0400_0302: _number(5),
        0x0400_0303: _number(2),
        0x0400_0304: _number(4),
        0x0400_0305: _number(20),
        0x0400_0307: _number(1),
        0x0400_0308: _number(5),
        0x0400_0403: ("SIMULATED",),
        0x0400_0404: ("220V",),
        0x0400_0405: ("5A",),
        0x0400_0406: ("60A",),
        0x0400_0407: ("1.0",),
        0x0400_0408: ("2.0",),
        0x0400_0409: _number(1200),
        0x0400_040A: _number(1200),
        0x0400_040B: ("KWHUB-SIM",),
        0x0400_040C: ("2026",),
        0x0400_040D: ("DL/T645-2007",),
        0x0400_040E: ("000000000000",),
        0x0400_0601: ("05",),  # combined active = forward + reverse
        0x0400_0602: ("41",),  # combined reactive 1 = quadrants I and IV
        0x0400_0603: ("14",),  # combined reactive 2 = quadrants II and III
        0x0400_0701: ("04",),  # 1200 baud
        **dict.fromkeys(range(0x0400_0702, 0x0400_0706), ("08",)),  # 2400 baud
        0x0400_0801: ("7F",),  # every day is a working day
        0x0400_0802: _number(1),
        LOAD_RECORD_MODE_WORD: ("0F",),  # voltage, current, frequency; powers; factors; energies
        **dict.fromkeys(range(0x0400_0902, 0x0400_0905), ("FF",)),
        0x0400_0905: ("03",),
        0x0400_0906: ("FF",),
        0x0400_0A01: ("01-01 00:00",),
        **dict.fromkeys(range(0x0400_0A02, 0x0400_0A08), _number(_MINUTES)),
        0x0400_0B01: ("0100",),
        0x0400_0B02: ("9999",),
        0x0400_0B03: ("9999",),
        0x0400_1101: ("00",),
        0x0400_1201: ("2000-01-01 00:00",),
        0x0400_1202: _number(60),
        0x0400_1203: ("00:00",),
        0x0400_1401: _number(0),
        0x0400_1402: _number("999.999"),  # no limit
        0x0400_1403: _number(0),
        **dict.fromkeys((*PRICES, *PRICES.values()), _number("0.5000")),
        **dict.fromkeys(ZONES, ("01-01 01",) * ZONES_MAX),
        0xC020: ("00",),
        0xC022: ("00",),
        0xC030: _number(1200),
        0xC031: _number(1200),
        0xC033: ("000000000000",),
        0xC034: ("000000000000",),
        0xC111: _number(_MINUTES),
        0xC112: _number(_MINUTES),
        0xC113: _number(5),
        0xC114: _number(5),
        0xC115: _number(2),
        0xC116: _number(4),
        0xC117: ("0100",),
        0xC211: _number(80),
        0xC310: _number(1),
        0xC311: _number(1),
        0xC312: _number(1),
        0xC313: _number(TARIFFS),
        0xC314: _number(0),
        **dict.fromkeys(range(0xC321, 0xC32F), ("01-01 01",)),
        **dict.fromkeys(
            (16 * t + s for t in range(0xC33, 0xC3B) for s in range(1, 11)), ("00:00 01",)
        ),
        **dict.fromkeys(range(0xC411, 0xC41E), ("01-01 01",)),
        0xC41E: _number(1),
        0xC511: _number(_MINUTES),
    }
)

_RATES: Final = range(0x0400_0701, 0x0400_0706)
_YEAR_ZONES: Final = Error2007.TOO_MANY_YEAR_ZONES
_DAY_SLOTS: Final = Error2007.TOO_MANY_DAY_SLOTS
_TARIFFS: Final = Error2007.TOO_MANY_TARIFFS
_OTHER: Final = Error2007.OTHER

_LIMITS: Final[Mapping[int, tuple[int, int, Error2007]]] = MappingProxyType(
    {
        0x0400_0103: (_MINUTES, _MINUTES, _OTHER),
        0x0400_0104: (_MINUTES, _MINUTES, _OTHER),
        0x0400_0201: (1, ZONES_MAX, _YEAR_ZONES),
        0x0400_0202: (1, DAY_TABLES_MAX, _DAY_SLOTS),
        0x0400_0203: (1, SLOTS_MAX, _DAY_SLOTS),
        0x0400_0204: (TARIFFS, TARIFFS, _TARIFFS),
        0x0400_0205: (0, 254, _OTHER),
        0x0400_0802: (1, DAY_TABLES_MAX, _DAY_SLOTS),
        **dict.fromkeys(LOAD_RECORD_INTERVALS.values(), (1, 60, _OTHER)),
        0x0400_1202: (1, 60, _OTHER),
        0xC111: (_MINUTES, _MINUTES, _OTHER),
        0xC112: (_MINUTES, _MINUTES, _OTHER),
        0xC310: (1, 14, _YEAR_ZONES),
        0xC311: (1, 8, _DAY_SLOTS),
        0xC312: (1, 10, _DAY_SLOTS),
        0xC313: (TARIFFS, TARIFFS, _TARIFFS),
        0xC511: (_MINUTES, _MINUTES, _OTHER),
    }
)
"""Least, most, and the bit of ERR for more than that."""


def _edition(identifier: int) -> Edition:
    return Edition.E1997 if identifier <= 0xFFFF else Edition.E2007


@cache
def _default(identifier: int) -> bytes | None:
    if identifier in DAY_TABLES:
        return day_table_bytes(USUAL_TABLE)
    if identifier not in _DEFAULTS:
        return None
    return encode(identifier, _DEFAULTS[identifier], _edition(identifier))


class Settings:
    """The parameters of one meter.

    Args:
        memory: keeps what was written.
        own: numbers that differ from meter to meter, by identifier.
        deviations: the words that its maker has for the speeds.
    """

    def __init__(
        self, memory: Memory, own: Mapping[int, Plain], deviations: Deviations = STANDARD
    ) -> None:
        self._memory = memory
        self._own = own
        self._deviations = deviations

    def raw(self, identifier: int) -> bytes:
        """Value bytes in the form of the wire. Raises NoSuchData."""
        raw = self._memory.parameters.get(identifier)
        if raw is None and identifier in self._own:
            raw = encode(identifier, [self._own[identifier]], _edition(identifier))
        if raw is None:
            raw = _default(identifier)
        if raw is None:
            raise NoSuchData(f"{identifier:08X}")
        return raw

    def raw_holiday(self, identifier: int) -> bytes:
        """Value bytes of a public holiday; zeros while none is written."""
        return self._memory.parameters.get(identifier, bytes(4))

    def digits(self, identifier: int) -> str:
        """The same as digits, high byte first."""
        return self.raw(identifier)[::-1].hex()

    def number(self, identifier: int) -> int:
        """The digits of a parameter as a number, its point left out."""
        return int(self.digits(identifier))

    def word(self, identifier: int) -> int:
        """A word of bits."""
        return int.from_bytes(self.raw(identifier), "little")

    def put(self, identifier: int, payload: bytes) -> None:
        """Take value bytes that have been checked."""
        self._memory.parameters[identifier] = payload

    def check(self, identifier: int, payload: bytes) -> None:
        """Insist on a parameter that may be written, and on a value that it may have.

        Raises:
            Denied: with the bit that says why.
        """
        item = find(identifier, _edition(identifier))
        is_holiday = identifier >> 8 == _HOLIDAYS >> 8
        if item is None or not (is_holiday or self._keeps(identifier)):
            raise NoSuchData(f"{identifier:X}")
        if "W" not in item.access:
            raise not_authorised(f"{identifier:X} is not for writing")
        try:
            values = [value.value for value in item.decode(payload)]
        except DecodeError as error:
            raise other_error(str(error)) from None
        if None in values:
            raise other_error("no value")
        limits = _LIMITS.get(identifier)
        if limits is not None:
            _within(int(Decimal(values[0] or 0)), *limits)
        check = self.check_rate if identifier in _RATES else _CHECKS.get(identifier)
        if check is not None:
            check(payload)
        if is_table(identifier) and len(payload) > 1:
            self._check_rows(identifier, payload)

    def check_rate(self, payload: bytes) -> None:
        """Insist on a word for a speed that the meter has. Raises Denied."""
        if self._deviations.baud(payload[0]) is None:
            raise Denied(Error2007.RATE_FIXED, f"no rate {payload.hex()}")

    def _keeps(self, identifier: int) -> bool:
        return identifier in self._own or _default(identifier) is not None

    def _check_rows(self, identifier: int, payload: bytes) -> None:
        """Zones and holidays name a day table that there is, slots a tariff that there is."""
        if identifier not in ZONES and identifier not in DAY_TABLES:  # a holiday, or their number
            if identifier >> 8 == _HOLIDAYS >> 8:
                _check_holiday(payload, self.number(0x0400_0202))
            return
        for at in range(0, len(payload), 3):
            last, middle, first = (int(f"{byte:02x}") for byte in payload[at : at + 3])
            if identifier in ZONES:
                _moment(f"2000{first:02d}{middle:02d}", "%Y%m%d")
                _within(last, 1, self.number(0x0400_0202), _DAY_SLOTS)
            else:
                _moment(f"{first:02d}{middle:02d}", "%H%M")
                _within(last, 1, self.number(0x0400_0204), _TARIFFS)


def _within(number: int, least: int, most: int, error: Error2007) -> None:
    if number > most:
        raise Denied(error, f"{number} is more than {most}")
    if number < least:
        raise other_error(f"{number} is less than {least}")


def _moment(text: str, form: str) -> None:
    """Insist on digits that a calendar or a clock knows."""
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - a meter's wall time
    except ValueError:
        raise other_error(f"{text} is no time") from None


def _check_holiday(payload: bytes, tables: int) -> None:
    _moment(payload[:0:-1].hex(), "%y%m%d")
    _within(int(payload[:1].hex()), 1, tables, _DAY_SLOTS)


def _check_switch_time(payload: bytes) -> None:
    if any(payload):
        _moment(payload[::-1].hex(), "%y%m%d%H%M")


def _check_settlement(payload: bytes, *, may_be_open: bool = True) -> None:
    hour, day = (int(f"{byte:02x}") for byte in payload)
    if may_be_open and hour == day == 99:
        return
    if not 1 <= day <= 28 or hour > 23:
        raise other_error(f"no settlement on day {day} at hour {hour}")


def _check_minute(payload: bytes) -> None:
    _moment(payload[::-1].hex(), "%H%M")


_CHECKS: Final[Mapping[int, Callable[[bytes], None]]] = MappingProxyType(
    {
        0x0400_0106: _check_switch_time,
        **dict.fromkeys(range(0x0400_0107, 0x0400_010A), _check_switch_time),
        0x0400_0B01: lambda payload: _check_settlement(payload, may_be_open=False),
        0x0400_0B02: _check_settlement,
        0x0400_0B03: _check_settlement,
        0x0400_1201: _check_switch_time,
        0x0400_1203: _check_minute,
    }
)
