"""0D-F240: values of any register by its OBIS code, for water, heat and gas, which the standard has no words for.

Source: this package; Q/GDW 1376.1-2013, AFN 0D, ends at F216 and provinces use F241 and from F245 on. The
head-end must know this extension: to any other it is a function that it does not know.

Data: value groups A to E of the OBIS code (5 bytes), digits after the decimal point (1), start (A.15), minutes
from value to value (2, little-endian), number of values (1), then 8 bytes for each: a signed integer, low byte
first, all EE when there is no value. Units are m3 for volumes, kWh and kW for energy and power of every medium.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import A15, BIN1, BIN2, Format
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat, Row, measure
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["FUNCTION", "REGISTERS_ROW", "RegisterUnit"]

FUNCTION = 240

_VALUE_BYTES = 8
_GROUPS = 5
_HEAD_BYTES = 14
_DECIMALS_MAX = 12
_COUNT_MAX = 0xFF
_MINUTES_MAX = 0xFFFF


class _Signed:
    """A signed integer, low byte first."""

    def decode(self, raw: bytes) -> int:
        return int.from_bytes(raw, "little", signed=True)

    def encode(self, value: int | None) -> bytes:
        try:
            return int(value or 0).to_bytes(_VALUE_BYTES, "little", signed=True)
        except OverflowError:
            raise LocalError(f"{value} does not fit {_VALUE_BYTES} bytes") from None


_VALUE: Format[int | None] = Format("INT8", _VALUE_BYTES, "signed binary", _Signed())

_HEAD: Layout = (
    *(Field(f"OBIS {letter}", f"OBIS {letter}", BIN1) for letter in "ABCDE"),
    Field("decimals", "小数位数", BIN1),
    Field("start", "起始时间", A15),
    Field("interval", "时间间隔", BIN2, "min"),
    Field("values", "数据点数n", BIN1, key="n"),
)
_UP: Layout = (
    *_HEAD,
    Repeat("n", (Field("value without decimal point", "数值（无小数点）", _VALUE),)),
)

REGISTERS_ROW = Row(
    FUNCTION,
    "values of a register (extension)",
    "按OBIS编码的数据（扩展）",
    None,
    _UP,
    "an extension of this package",
)


@dataclass(frozen=True, slots=True)
class RegisterUnit:
    """Values of one register of one measuring point, equally spaced."""

    point: int
    register: str  #: OBIS code in the short form ``8-0:1.0.0``
    start: datetime  #: naive wall time of the site: the moment of the first value
    interval_s: int  #: whole minutes
    values: tuple[Decimal | None, ...]

    @property
    def function(self) -> int:
        """The function."""
        return FUNCTION

    def times(self) -> tuple[datetime, ...]:
        """The naive wall time of every value."""
        step = timedelta(seconds=self.interval_s)
        return tuple(self.start + step * at for at in range(len(self.values)))

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError when it does not fit."""
        minutes, rest = divmod(self.interval_s, 60)
        if rest or not 0 < minutes <= _MINUTES_MAX or not 1 <= len(self.values) <= _COUNT_MAX:
            raise LocalError(f"{len(self.values)} values every {self.interval_s} s do not fit")
        decimals = max((_decimals(value) for value in self.values), default=0)
        if decimals > _DECIMALS_MAX:
            raise LocalError(f"{decimals} digits after the decimal point; at most {_DECIMALS_MAX}")
        scaled = (
            None if value is None else int(value.scaleb(decimals).to_integral_value())
            for value in self.values
        )
        head = _groups(self.register) + bytes([decimals]) + A15.encode(self.start)
        head += BIN2.encode(minutes) + bytes([len(self.values)])
        data = head + b"".join(map(_VALUE.encode, scaled))
        return Unit((self.point,), (FUNCTION,), data)

    @classmethod
    def from_data(cls, point: int, data: bytes) -> "RegisterUnit":
        """Read the data of one point. Raises DecodeError."""
        measure(_UP, data)
        groups, decimals = data[:_GROUPS], data[_GROUPS]
        start = A15.decode(data[6:11])
        if start is None:
            raise DecodeError("not_a_time", "values without a start", field="start", offset=6)
        if decimals > _DECIMALS_MAX:
            raise DecodeError("decimals", f"{decimals} digits", field="decimals", offset=_GROUPS)
        minutes, count = int.from_bytes(data[11:13], "little"), data[13]
        stop = _HEAD_BYTES + count * _VALUE_BYTES
        if len(data) != stop:
            raise DecodeError("length", f"{len(data)} bytes for {count} values")
        numbers = (_VALUE.decode(data[at : at + _VALUE_BYTES]) for at in range(14, stop, 8))
        values = tuple(None if n is None else Decimal(n).scaleb(-decimals) for n in numbers)
        register = "{}-{}:{}.{}.{}".format(*groups)
        return cls(point, register, start, minutes * 60, values)


def _groups(register: str) -> bytes:
    """Value groups A to E. Raises LocalError."""
    medium, _, code = register.partition(":")
    try:
        groups = bytes(int(part) for part in (*medium.split("-"), *code.split(".")))
    except ValueError:
        groups = b""
    if len(groups) != _GROUPS:
        raise LocalError(f"{register!r} is no OBIS code such as 8-0:1.0.0")
    return groups


def _decimals(value: Decimal | None) -> int:
    exponent = 0 if value is None else value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise LocalError(f"{value} is no number")
    return max(0, -exponent)
