"""0D-F239: which values of a day are missing at the concentrator, each with its cause.

Source: this package; Q/GDW 1376.1-2013 has 0C-F170 and ERC 31, which tell of a meter as a whole. AFN 0D ends at F216
and F217 and F218 are known of provinces. To a head-end that does not know this extension it is a function that it
does not ask for; a concentrator that does not know it denies.

The request has the day (A.20). The answer has, for each point, one unit or more: the day (A.20), the number of values
(1), then for each value groups A to E of its OBIS code (5), minutes from value to value (2, low byte first; 1440 for
a day freeze), its moment (A.15), its state (1: 0 it may still come, 1 it is lost), its cause (1) and how often the meter
answered without it (1). A day without any missing value has one unit with none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple, Self

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.formats import A15, A20, BIN1, BIN2
from kwhub.protocols.gdw1376.layouts import Field, Layout, Repeat, Row, measure
from kwhub.protocols.gdw1376.units import Unit

__all__ = ["CAUSES", "FUNCTION", "MISSING_ROW", "VALUES_PER_UNIT", "MissingUnit", "MissingValue"]

FUNCTION = 239

VALUES_PER_UNIT = 60
"""So that a unit fits into a frame of 1,000 bytes."""

CAUSES: Mapping[int, str] = MappingProxyType(
    dict(
        enumerate(
            (
                "unknown",
                "silent",
                "damaged",
                "refused",
                "absent",
                "faulty",
                "clock",
                "too_old",
                "no_record",
                "given_up",
                "readouts",
                "replaced",
                "turn",
                "asked",
                "not_yet",
            )
        )
    )
)
"""Words of the causes by their code; a code that is not known is ``unknown``."""

_CODES = {word: code for code, word in CAUSES.items()}
_OPEN, _LOST = "open", "lost"
_GROUPS, _HEAD_BYTES, _ROW_BYTES = 5, 4, 15
_MOST = 0xFF


def _cause_words(code: int) -> tuple[str, str]:
    word = CAUSES.get(code, CAUSES[0])
    return f"{code}: {word}", f"{code}：{word}"


_DAY: Layout = (Field("day Td-d", "日时标Td_d", A20),)
_UP: Layout = (
    *_DAY,
    Field("values", "数据点数n", BIN1, key="n"),
    Repeat(
        "n",
        (
            *(Field(f"OBIS {letter}", f"OBIS {letter}", BIN1) for letter in "ABCDE"),
            Field("interval", "时间间隔", BIN2, "min"),
            Field("time", "时间", A15),
            Field("lost", "不可恢复", BIN1),
            Field("cause", "缺失原因", BIN1, tell=_cause_words),
            Field("attempts", "抄读次数", BIN1),
        ),
    ),
)

MISSING_ROW = Row(
    FUNCTION,
    "missing values and their causes (extension)",
    "缺失数据及原因（扩展）",
    _DAY,
    _UP,
    "an extension of this package",
)


class MissingValue(NamedTuple):
    """A value that was wanted and is not there."""

    register: str  #: OBIS code in the short form ``1-0:1.8.0``
    interval_s: int  #: whole minutes; a day for freezes
    time: datetime  #: naive wall time of the site
    state: str  #: ``open``: may still come; ``lost``: for good
    cause: str  #: a word of ``CAUSES``
    attempts: int

    def to_bytes(self) -> bytes:
        """As it stands in a unit. Raises LocalError."""
        medium, _, code = self.register.partition(":")
        try:
            groups = bytes(int(part) for part in (*medium.split("-"), *code.split(".")))
        except ValueError:
            groups = b""
        if len(groups) != _GROUPS:
            raise LocalError(f"{self.register!r} is no OBIS code such as 1-0:1.8.0")
        tail = (int(self.state == _LOST), _CODES.get(self.cause, 0), min(self.attempts, _MOST))
        return groups + BIN2.encode(self.interval_s // 60) + A15.encode(self.time) + bytes(tail)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From its bytes. Raises DecodeError."""
        time = A15.decode(data[7:12])
        if time is None:
            raise DecodeError("not_a_time", "a missing value without time", field="time")
        lost, cause, attempts = data[12:]
        return cls(
            "{}-{}:{}.{}.{}".format(*data[:_GROUPS]),
            int.from_bytes(data[5:7], "little") * 60,
            time,
            _LOST if lost else _OPEN,
            CAUSES.get(cause, CAUSES[0]),
            attempts,
        )


@dataclass(frozen=True, slots=True)
class MissingUnit:
    """Some missing values of one point and day; several of them may follow one another."""

    point: int
    day: date
    values: tuple[MissingValue, ...]

    @property
    def function(self) -> int:
        """The function."""
        return FUNCTION

    @classmethod
    def of(cls, point: int, day: date, values: Sequence[MissingValue]) -> Iterator[Self]:
        """As many units as it takes, at least one."""
        for at in range(0, max(1, len(values)), VALUES_PER_UNIT):
            yield cls(point, day, tuple(values[at : at + VALUES_PER_UNIT]))

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        rows = b"".join(value.to_bytes() for value in self.values)
        data = A20.encode(self.day) + BIN1.encode(len(self.values)) + rows
        return Unit((self.point,), (FUNCTION,), data)

    @classmethod
    def from_data(cls, point: int, data: bytes) -> Self:
        """Read the data of one point. Raises DecodeError."""
        size = measure(_UP, data)
        day = A20.decode(data[: A20.size])
        if day is None:
            raise DecodeError("not_a_time", "missing values without a day", field="Td-d", offset=0)
        rows = (data[at : at + _ROW_BYTES] for at in range(_HEAD_BYTES, size, _ROW_BYTES))
        return cls(point, day, tuple(map(MissingValue.from_bytes, rows)))
