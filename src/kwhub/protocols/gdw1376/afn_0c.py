"""AFN 0C: class 1 data, what the terminal knows now.

Source: Q/GDW 1376.1-2013, clause 5.11. A request is the bare unit identifier.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kwhub.domain.errors import DecodeError, LocalError
from kwhub.protocols.gdw1376.common import (
    ENERGY_LISTS,
    READ_AT,
    TARIFF_COUNT,
    demand_list,
    per_phase,
    reading_list,
    tariff_list,
)
from kwhub.protocols.gdw1376.formats import (
    A1,
    A5,
    A7,
    A8,
    A9,
    A10,
    A11,
    A14,
    A15,
    A17,
    A25,
    A27,
    BIN1,
    BIN4,
    bytes_format,
)
from kwhub.protocols.gdw1376.layouts import Field, Row, cells, measure
from kwhub.protocols.gdw1376.registers import CURRENT_REGISTERS
from kwhub.protocols.gdw1376.times import WallClock
from kwhub.protocols.gdw1376.units import Unit

__all__ = [
    "AFN",
    "CLOCK",
    "INSTANT",
    "INSTANT_FIELDS",
    "ROWS",
    "CurrentEnergyUnit",
    "InstantUnit",
    "clock_answer",
    "read_clock",
]

AFN = 0x0C
CLOCK = 2
INSTANT = 25

_CLOCK = (Field("terminal clock", "终端日历时钟", A1),)
_NEUTRAL_CURRENT = Field("zero sequence current", "零序电流", A25, "A")
_INSTANT = (
    READ_AT,
    *per_phase("active power", "有功功率", A9, "kW"),
    *per_phase("reactive power", "无功功率", A9, "kvar"),
    *per_phase("power factor", "功率因数", A5, "%"),
    *per_phase("voltage", "电压", A7, "V", slice(1, 4)),
    *per_phase("current", "电流", A25, "A", slice(1, 4)),
    _NEUTRAL_CURRENT,
    *per_phase("apparent power", "视在功率", A9, "kVA"),
)
_PHASE_LOSS = (
    READ_AT,
    *per_phase("loss count", "断相次数", A10, ""),
    *per_phase("loss time", "断相时间累计值", A10, "min"),
    *per_phase("last loss start", "最近一次断相起始时刻", A17, ""),
    *per_phase("last loss end", "最近一次断相结束时刻", A17, ""),
)
_METER_CLOCK_EVENTS = tuple(
    field
    for name, name_zh in (
        ("programming", "编程"),
        ("energy cleared", "电能表清零"),
        ("demand cleared", "最大需量清零"),
        ("events cleared", "事件清零"),
        ("clock set", "校时"),
    )
    for field in (
        Field(f"{name}, count", f"{name_zh}总次数", A10),
        Field(f"{name}, last time", f"最近一次{name_zh}发生时刻", A1),
    )
)
_STATUS_WORDS = (
    READ_AT,
    *(
        Field(f"change word {n}", f"电表运行状态字变位标志{n}", bytes_format(2))
        for n in range(1, 8)
    ),
    *(Field(f"status word {n}", f"电表运行状态字{n}", bytes_format(2)) for n in range(1, 8)),
)
_PREPAY = (
    READ_AT,
    Field("purchase count", "购电次数", A8),
    Field("balance", "剩余金额", A14, "CNY"),
    Field("total purchased", "累计购电金额", A14, "CNY"),
    Field("remaining energy", "剩余电量", A11, "kWh"),
    Field("overdraft energy", "透支电量", A11, "kWh"),
    Field("total purchased energy", "累计购电量", A11, "kWh"),
    Field("credit limit energy", "赊欠门限电量", A11, "kWh"),
    Field("alarm energy", "报警电量", A11, "kWh"),
    Field("fault energy", "故障电量", A11, "kWh"),
)
_READ_STATE = (
    Field("port", "终端通信端口号", BIN1),
    Field("relay level", "中继级别", BIN1),
    Field("phase", "载波抄读相位", BIN1),
    Field("signal quality", "载波信号品质", BIN1),
    Field("ok", "最近一次抄表成功/失败标志", BIN1),
    Field("last success", "最近一次抄表成功时间", A1),
    Field("last failure", "最近一次抄表失败时间", A1),
    Field("failures in a row", "最近连续失败累计次数", BIN1),
)


def _energy(first: int, when: str, when_zh: str) -> tuple[Row, ...]:
    """Eight rows in the order of F129 to F136."""
    return tuple(
        Row(
            first + place,
            f"{when} {name}",
            f"{when_zh}{name_zh}",
            (),
            (READ_AT, TARIFF_COUNT, tariff_list(name, name_zh, form, unit)),
            f"clause 5.11, F{first + place}",
        )
        for place, (_, name, name_zh, form, unit) in enumerate(ENERGY_LISTS)
    )


ROWS = (
    Row(CLOCK, "terminal clock", "终端日历时钟", (), _CLOCK),
    Row(
        3,
        "parameter flags",
        "终端参数状态",
        (),
        (Field("flags", "参数状态标志位", bytes_format(31)),),
    ),
    Row(4, "communication state", "终端上行通信状态", (), (Field("state", "通信状态", BIN1),)),
    Row(
        7,
        "event counters",
        "终端事件计数器当前值",
        (),
        (
            Field("important", "重要事件计数器EC1值", BIN1),
            Field("normal", "一般事件计数器EC2值", BIN1),
        ),
    ),
    Row(
        8, "event flags", "终端事件标志状态", (), (Field("flags", "事件标志状态", bytes_format(8)),)
    ),
    Row(
        9,
        "status inputs",
        "终端状态量及变位标志",
        (),
        (Field("state", "状态量的状态ST", BIN1), Field("changed", "状态量的变位CD", BIN1)),
    ),
    Row(
        10,
        "traffic",
        "终端与主站当日、月通信流量",
        (),
        (
            Field("today", "终端与主站日通信流量", BIN4, "byte"),
            Field("this month", "终端与主站月通信流量", BIN4, "byte"),
        ),
    ),
    Row(
        INSTANT,
        "instant values",
        "当前三相及总有/无功功率、功率因数，三相电压、电流、零序电流、视在功率",
        (),
        _INSTANT,
    ),
    Row(26, "phase loss", "A、B、C三相断相统计数据及最近一次断相记录", (), _PHASE_LOSS),
    Row(
        27,
        "meter clock and events",
        "电能表日历时钟、编程次数及其最近一次操作时间",
        (),
        (
            READ_AT,
            Field("meter clock", "电能表日历时钟", A1),
            Field("battery time", "电池工作时间", A27, "min"),
            *_METER_CLOCK_EVENTS,
        ),
    ),
    Row(28, "meter status words", "电表运行状态字及其变位标志", (), _STATUS_WORDS),
    Row(
        33,
        "forward readings",
        "当前正向有/无功电能示值、一/四象限无功电能示值",
        (),
        reading_list(0),
    ),
    Row(
        34,
        "reverse readings",
        "当前反向有/无功电能示值、二/三象限无功电能示值",
        (),
        reading_list(1),
    ),
    Row(
        37,
        "forward readings at last settlement",
        "上月（上一结算日）正向有/无功电能示值",
        (),
        reading_list(0),
    ),
    Row(
        38,
        "reverse readings at last settlement",
        "上月（上一结算日）反向有/无功电能示值",
        (),
        reading_list(1),
    ),
    Row(
        49,
        "phase angles",
        "当前电压、电流相位角",
        (),
        (
            *per_phase("voltage angle", "电压相位角", A5, "deg", slice(1, 4)),
            *per_phase("current angle", "电流相位角", A5, "deg", slice(1, 4)),
        ),
    ),
    *_energy(129, "current", "当前"),
    *_energy(137, "last settlement", "上月（上一结算日）"),
    Row(
        145,
        "forward active demand of this month",
        "当月正向有功最大需量及发生时间",
        (),
        demand_list("forward active", "正向有功", "kW"),
    ),
    Row(
        146,
        "forward reactive demand of this month",
        "当月正向无功最大需量及发生时间",
        (),
        demand_list("forward reactive", "正向无功", "kvar"),
    ),
    Row(
        147,
        "reverse active demand of this month",
        "当月反向有功最大需量及发生时间",
        (),
        demand_list("reverse active", "反向有功", "kW"),
    ),
    Row(
        148,
        "reverse reactive demand of this month",
        "当月反向无功最大需量及发生时间",
        (),
        demand_list("reverse reactive", "反向无功", "kvar"),
    ),
    Row(
        162,
        "meter clock",
        "电能表日历时钟",
        (),
        (Field("read at", "终端抄表时间", A1), Field("meter clock", "电能表日历时钟", A1)),
        single_source=True,
    ),
    Row(167, "prepayment", "电能表购、用电信息", (), _PREPAY),
    Row(170, "reading state", "集中器抄读电表状态信息", (), _READ_STATE),
)


@dataclass(frozen=True, slots=True)
class CurrentEnergyUnit:
    """Latest readings of one register: total and tariffs (F129 to F136)."""

    point: int
    function: int
    read_at: datetime | None  #: naive wall time of the site
    values: tuple[Decimal | None, ...]  #: total, tariff 1, tariff 2 ...; kWh or kvarh

    def to_unit(self) -> Unit:
        """The unit on the wire. Raises LocalError."""
        kind = CURRENT_REGISTERS.get(self.function)
        if kind is None or not 1 <= len(self.values) <= 256:
            raise LocalError(f"0C-F{self.function} is no list of readings")
        data = A15.encode(self.read_at) + bytes([len(self.values) - 1])
        data += b"".join(map(kind.form.encode, self.values))
        return Unit((self.point,), (self.function,), data)

    @classmethod
    def from_data(cls, point: int, function: int, data: bytes) -> "CurrentEnergyUnit":
        """Read the data of one point. Raises DecodeError."""
        kind = CURRENT_REGISTERS.get(function)
        if kind is None:
            raise DecodeError("unknown_function", f"0C-F{function} is no list of readings")
        measure((READ_AT, TARIFF_COUNT, tariff_list("", "", kind.form, "")), data)
        size = kind.form.size
        starts = range(6, 6 + (data[5] + 1) * size, size)
        values = tuple(kind.form.decode(data[at : at + size]) for at in starts)
        return cls(point, function, A15.decode(data[:5]), values)


INSTANT_FIELDS: tuple[tuple[str, str, str], ...] = (
    *(("active_power", phase, "kW") for phase in ("total", "a", "b", "c")),
    *(("reactive_power", phase, "kvar") for phase in ("total", "a", "b", "c")),
    *(("power_factor", phase, "%") for phase in ("total", "a", "b", "c")),
    *(("voltage", phase, "V") for phase in ("a", "b", "c")),
    *(("current", phase, "A") for phase in ("a", "b", "c", "zero")),
    *(("apparent_power", phase, "kVA") for phase in ("total", "a", "b", "c")),
)
"""Quantity, phase and unit of the fields of F25 after the read time, in wire order."""


@dataclass(frozen=True, slots=True)
class InstantUnit:
    """Instant values of one point (F25)."""

    point: int
    read_at: datetime | None  #: naive wall time of the site
    values: dict[tuple[str, str], Decimal | None]  #: by quantity and phase of INSTANT_FIELDS

    def to_unit(self) -> Unit:
        """The unit on the wire; what is not given is missing. Raises LocalError."""
        forms = [element.format for element in _INSTANT if isinstance(element, Field)]
        found = (self.values.get((quantity, phase)) for quantity, phase, _ in INSTANT_FIELDS)
        parts = [form.encode(value) for form, value in zip(forms[1:], found, strict=True)]
        return Unit((self.point,), (INSTANT,), A15.encode(self.read_at) + b"".join(parts))

    @classmethod
    def from_data(cls, point: int, data: bytes) -> "InstantUnit":
        """Read the data of one point. Raises DecodeError."""
        measure(_INSTANT, data)
        found = cells(_INSTANT, data)
        for cell in found:
            if cell.problem:
                raise DecodeError("not_bcd", cell.problem, field=cell.name, offset=cell.start)
        keys = [(quantity, phase) for quantity, phase, _ in INSTANT_FIELDS]
        values = [cell.value for cell in found[1:]]
        return cls(point, found[0].value, dict(zip(keys, values, strict=True)))


def clock_answer(clock: datetime) -> Unit:
    """The answer to F2 with the terminal's naive wall time."""
    return Unit((0,), (CLOCK,), A1.encode(WallClock.of(clock)))


def read_clock(unit: Unit) -> datetime | None:
    """The clock of an answer to F2. Raises DecodeError."""
    found = A1.decode(unit.data[: A1.size])
    return found.time if found else None
