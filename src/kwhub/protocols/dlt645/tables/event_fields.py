"""Every field of an event record under an identifier of its own.

Source: State Grid filing to DL/T 645-2007, classes 10 to 21 (DI3 = kind of event, DI1 = field, DI0 = which
of the last ten, FF in DI1 = the whole record).
"""

from typing import NamedTuple

from kwhub.protocols.dlt645.families import Family, Kind, Part, rows

__all__ = ["FAMILIES"]


class _Field(NamedTuple):
    """One field of a record; the fields are numbered from 01 in the order of the record."""

    format: str
    unit: str
    name_en: str
    name_zh: str
    signed: bool = False


class _Event(NamedTuple):
    """One kind of event."""

    head: str  #: DI3 and DI2
    name_en: str
    name_zh: str
    fields: tuple[_Field, ...]
    record_block: bool = False  #: FF in DI0 gives all of the last ten
    counters: tuple[tuple[str, str, str, str], ...] = ()


_ENERGIES = (
    ("forward active energy", "正向有功", "kWh", False),
    ("reverse active energy", "反向有功", "kWh", False),
    ("combined reactive 1 energy", "组合无功1", "kvarh", True),
    ("combined reactive 2 energy", "组合无功2", "kvarh", True),
)

# fmt: off
_START = _Field("YYMMDDhhmmss", "", "start time", "发生时刻")
_END = _Field("YYMMDDhhmmss", "", "end time", "结束时刻")
_RATE = _Field("XXXX.XX", "%", "maximum unbalance rate", "最大不平衡率")
_AMPERE_HOURS = tuple(
    _Field("XXXXXX.XX", "Ah", f"ampere-hours during the event, {phase}", f"期间{chinese}安时数")
    for phase, chinese in (("total", "总"), ("phase A", "A相"), ("phase B", "B相"), ("phase C", "C相"))
)
# fmt: on


def _total_energies(when: str, moment: str) -> tuple[_Field, ...]:
    return tuple(
        _Field("XXXXXX.XX", unit, f"{when}: {english}, total", f"{moment}{chinese}总电能", signed)
        for english, chinese, unit, signed in _ENERGIES
    )


def _phase_energies(when: str, moment: str, phase: str) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            "XXXXXX.XX",
            unit,
            f"{when}: {english}, phase {phase}",
            f"{moment}{phase}相{chinese}电能",
            signed,
        )
        for english, chinese, unit, signed in _ENERGIES
    )


def _phase_variables(phase: str) -> tuple[_Field, ...]:
    rows_of_phase = (
        ("XXX.X", "V", "voltage", "电压", False),
        ("XXX.XXX", "A", "current", "电流", True),
        ("XX.XXXX", "kW", "active power", "有功功率", True),
        ("XX.XXXX", "kvar", "reactive power", "无功功率", True),
        ("X.XXX", "", "power factor", "功率因数", True),
    )
    return tuple(
        _Field(
            notation,
            unit,
            f"at start: {english}, phase {phase}",
            f"发生时刻{phase}相{chinese}",
            signed,
        )
        for notation, unit, english, chinese, signed in rows_of_phase
    )


def _energies(when: str, moment: str) -> tuple[_Field, ...]:
    """Total, then each phase."""
    phases = (field for phase in "ABC" for field in _phase_energies(when, moment, phase))
    return (*_total_energies(when, moment), *phases)


_AT_START = ("at start", "发生时刻")
_AT_END = ("at end", "结束时刻")
_SNAPSHOT = (
    *_total_energies(*_AT_START),
    *(
        field
        for phase in "ABC"
        for field in (*_phase_energies(*_AT_START, phase), *_phase_variables(phase))
    ),
)

_LIKE_10 = (_START, *_SNAPSHOT, *_AMPERE_HOURS, _END, *_energies(*_AT_END))
_LIKE_14 = (_START, *_energies(*_AT_START), _END, *_energies(*_AT_END))
_LIKE_16 = (_START, *_energies(*_AT_START), _RATE, _END, *_energies(*_AT_END))
_LIKE_18 = (_START, *_SNAPSHOT, _END, *_energies(*_AT_END))
_LIKE_1F = (_START, *_total_energies(*_AT_START), _END, *_total_energies(*_AT_END))

# fmt: off
_SWITCHED = (
    _Field("YYMMDDhhmmss", "", "time", "发生时刻"),
    _Field("C0C1C2C3", "", "operator code (FFFFFFFF if local)", "操作者代码"),
    _Field("XXXXXX.XX", "kWh", "forward active energy", "正向有功总电能"),
    _Field("XXXXXX.XX", "kWh", "reverse active energy", "反向有功总电能"),
    _Field("XXXXXX.XX", "kvarh", "quadrant 1 reactive energy", "第一象限无功总电能"),
    _Field("XXXXXX.XX", "kvarh", "quadrant 2 reactive energy", "第二象限无功总电能"),
    _Field("XXXXXX.XX", "kvarh", "quadrant 3 reactive energy", "第三象限无功总电能"),
    _Field("XXXXXX.XX", "kvarh", "quadrant 4 reactive energy", "第四象限无功总电能"),
)

_COUNTERS = (("0001", "times", "count", "总次数"), ("0002", "min", "total time", "总累计时间"))
_COUNT = (("0001", "times", "count", "次数"),)
_PHASE = "{phase:01-03}"

_EVENTS = (
    _Event("10" + _PHASE, "voltage loss, phase {phase}", "{phase}失压", _LIKE_10, counters=_COUNTERS),
    _Event("11" + _PHASE, "undervoltage, phase {phase}", "{phase}欠压", _LIKE_10, record_block=True, counters=_COUNTERS),
    _Event("12" + _PHASE, "overvoltage, phase {phase}", "{phase}过压", _LIKE_10, record_block=True, counters=_COUNTERS),
    _Event("13" + _PHASE, "phase failure, phase {phase}", "{phase}断相", _LIKE_10, record_block=True, counters=_COUNTERS),
    _Event("1400", "voltage phase sequence reversed", "电压逆相序", _LIKE_14, counters=_COUNTERS),
    _Event("1500", "current phase sequence reversed", "电流逆相序", _LIKE_14, counters=_COUNTERS),
    _Event("1600", "voltage unbalance", "电压不平衡", _LIKE_16, counters=_COUNTERS),
    _Event("1700", "current unbalance", "电流不平衡", _LIKE_16, counters=_COUNTERS),
    _Event("18" + _PHASE, "current loss, phase {phase}", "{phase}失流", _LIKE_18, counters=_COUNTERS),
    _Event("19" + _PHASE, "overcurrent, phase {phase}", "{phase}过流", _LIKE_18, record_block=True, counters=_COUNTERS),
    _Event("1A" + _PHASE, "current interruption, phase {phase}", "{phase}断流", _LIKE_18, record_block=True, counters=_COUNTERS),
    _Event("1B" + _PHASE, "power reversed, phase {phase}", "{phase}功率反向", _LIKE_14, counters=_COUNTERS),
    _Event("1C" + _PHASE, "overload, phase {phase}", "{phase}过载", _LIKE_14, record_block=True, counters=_COUNTERS),
    _Event("1D00", "trip", "跳闸", _SWITCHED),
    _Event("1E00", "close", "合闸", _SWITCHED, counters=_COUNT),
    _Event("1F{total_phase:00-03}", "power factor below limit, {total_phase}", "{total_phase}功率因数超下限", _LIKE_1F, counters=_COUNTERS),
    _Event("2000", "severe current unbalance", "电流严重不平衡", _LIKE_16, counters=_COUNTERS),
)
_SOURCE = "State Grid filing to DL/T 645-2007, event fields"

_OTHERS = (
    *rows(
        _SOURCE,
        Family("1D000001", "XXXXXX", "times", "trip count", "跳闸次数"),
    ),
    *rows(
        _SOURCE,
        Family("10000001", "XXXXXX", "times", "voltage loss count, any phase", "失压总次数"),
        Family("10000002", "XXXXXX", "min", "voltage loss total time, any phase", "失压总累计时间"),
        Family("10000101", "YYMMDDhhmmss", "", "last voltage loss: start", "最近1次失压发生时刻"),
        Family("10000201", "YYMMDDhhmmss", "", "last voltage loss: end", "最近1次失压结束时刻"),
        Family("21000000", "XXXXXX", "times", "power flow reversal count", "潮流反向总次数"),
        Family("210000{last}", "YYMMDDhhmmss+XX+XXXXXX.XXx16", "mixed", "power flow reversal record, {last}", "({last})潮流反向", parts=(Part("time", "发生时刻"), Part("direction", "潮流方向"), *(Part(field.name_en.removeprefix("at start: "), field.name_zh.removeprefix("发生时刻"), field.unit) for field in _energies(*_AT_START)))),
        single_source=True,
    ),
)
# fmt: on


def _counters(event: _Event) -> list[Family]:
    return [
        Family(
            event.head + ending,
            "XXXXXX",
            unit,
            f"{event.name_en} {english}",
            f"{event.name_zh}{chinese}",
        )
        for ending, unit, english, chinese in event.counters
    ]


def _record(event: _Event) -> list[Family]:
    """All fields of an event, and the block of them."""
    last = "{last:01-0A|FF}" if event.record_block else "{last}"
    fields = [
        Family(
            f"{event.head}{number:02X}{last}",
            field.format,
            field.unit,
            f"{event.name_en}, {{last}}: {field.name_en}",
            f"({{last}}){event.name_zh}{field.name_zh}",
            signed=field.signed,
        )
        for number, field in enumerate(event.fields, 1)
    ]
    whole = Family(
        f"{event.head}FF{last}",
        "block",
        "mixed",
        f"{event.name_en}, {{last}}: whole record",
        f"({{last}}){event.name_zh}数据块",
        kind=Kind.BLOCK,
        members=tuple(range(1, len(event.fields) + 1)),
        size=1,
    )
    return [*fields, whole]


FAMILIES = (
    *_OTHERS,
    *rows(
        _SOURCE,
        *(family for event in _EVENTS for family in (*_counters(event), *_record(event))),
        single_source=True,
    ),
)
