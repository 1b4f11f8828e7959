"""Frozen data: what the registers showed at a moment that the meter keeps.

Source: DL/T 645-2007, annex A, table A.6, with the numbers of records of the State Grid filings.

A daily freeze that is stamped 2026-03-02 00:00 is the state at the end of 1 March.
"""

from typing import NamedTuple

from kwhub.protocols.dlt645.families import TIME, Family, Kind, Part, rows

__all__ = ["FAMILIES"]


class _Freeze(NamedTuple):
    """One kind of freeze."""

    di2: str
    last: str  #: hole for the number of the record, 1 = last
    name_en: str
    name_zh: str
    single_source: bool = False
    whole_single_source: bool = False  #: of the row for the whole record


class _Content(NamedTuple):
    """One item that every kind of freeze keeps."""

    di1: str
    format: str
    unit: str
    name_en: str
    name_zh: str
    register: str = ""
    signed: bool = False
    parts: tuple[Part, ...] = ()


# fmt: off
_FREEZES = (
    _Freeze("00", "{last:01-3C}", "timed freeze", "定时冻结", whole_single_source=True),
    _Freeze("01", "{last:01-03}", "instant freeze", "瞬时冻结"),
    _Freeze("02", "{last:01-02}", "year-zone table switch", "两套时区表切换", whole_single_source=True),
    _Freeze("03", "{last:01-02}", "day-slot table switch", "两套日时段表切换", whole_single_source=True),
    _Freeze("05", "{last:01-02}", "price set switch", "分时费率切换", single_source=True, whole_single_source=True),
    _Freeze("06", "{last:01-3E}", "daily freeze", "日冻结", single_source=True),
    _Freeze("07", "{last:01-02}", "tier set switch", "两套阶梯切换", single_source=True),
)

_ENERGIES = "XXXXXX.XXxn"
_DEMANDS = "(XX.XXXX+YYMMDDhhmm)xn"
_DEMAND_PARTS = (Part("", "", None), TIME)
_POWER_PARTS = (
    Part("active power total", "总有功功率", "kW", "1-0:16.7.0"),
    Part("active power A", "A相有功功率", "kW", "1-0:36.7.0"),
    Part("active power B", "B相有功功率", "kW", "1-0:56.7.0"),
    Part("active power C", "C相有功功率", "kW", "1-0:76.7.0"),
    Part("reactive power total", "总无功功率", "kvar", "1-0:131.7.0"),
    Part("reactive power A", "A相无功功率", "kvar", "1-0:151.7.0"),
    Part("reactive power B", "B相无功功率", "kvar", "1-0:171.7.0"),
    Part("reactive power C", "C相无功功率", "kvar", "1-0:191.7.0"),
)

_CONTENTS = (
    _Content("01", _ENERGIES, "kWh", "forward active energy", "正向有功电能", "1-0:1.8.0"),
    _Content("02", _ENERGIES, "kWh", "reverse active energy", "反向有功电能", "1-0:2.8.0"),
    _Content("03", _ENERGIES, "kvarh", "combined reactive 1 energy", "组合无功1电能", "1-0:3.8.0", signed=True),
    _Content("04", _ENERGIES, "kvarh", "combined reactive 2 energy", "组合无功2电能", "1-0:4.8.0", signed=True),
    _Content("05", _ENERGIES, "kvarh", "quadrant 1 reactive energy", "第一象限无功电能", "1-0:5.8.0"),
    _Content("06", _ENERGIES, "kvarh", "quadrant 2 reactive energy", "第二象限无功电能", "1-0:6.8.0"),
    _Content("07", _ENERGIES, "kvarh", "quadrant 3 reactive energy", "第三象限无功电能", "1-0:7.8.0"),
    _Content("08", _ENERGIES, "kvarh", "quadrant 4 reactive energy", "第四象限无功电能", "1-0:8.8.0"),
    _Content("09", _DEMANDS, "kW", "forward active maximum demand", "正向有功最大需量", "1-0:1.6.0", parts=_DEMAND_PARTS),
    _Content("0A", _DEMANDS, "kW", "reverse active maximum demand", "反向有功最大需量", "1-0:2.6.0", parts=_DEMAND_PARTS),
    _Content("10", "XX.XXXXx8", "kW,kvar", "power", "变量", signed=True, parts=_POWER_PARTS),
)
# fmt: on

_WHOLE = (*range(0x0B), 0x10)
"""DI1 of everything that a whole record holds, in its order."""


def _time(freeze: _Freeze) -> Family:
    return Family(
        f"05{freeze.di2}00{freeze.last}",
        "YYMMDDhhmm",
        "",
        f"{freeze.name_en}, {{last}}: time",
        f"({{last}}){freeze.name_zh}时间",
    )


def _content(freeze: _Freeze, content: _Content) -> Family:
    return Family(
        f"05{freeze.di2}{content.di1}{freeze.last}",
        content.format,
        content.unit,
        f"{freeze.name_en}, {{last}}: {content.name_en}",
        f"({{last}}){freeze.name_zh}{content.name_zh}",
        content.register,
        signed=content.signed,
        parts=content.parts,
        repeats="tariff",
    )


def _whole(freeze: _Freeze) -> Family:
    """The row of a whole record; what the mode word leaves out makes the length vary."""
    return Family(
        f"05{freeze.di2}FF{freeze.last}",
        "block",
        "mixed",
        f"{freeze.name_en}, {{last}}: whole record",
        f"({{last}}){freeze.name_zh}数据块",
        kind=Kind.BLOCK,
        members=_WHOLE,
    )


# fmt: off
_HOURLY = rows(
    "State Grid filing to DL/T 645-2007, table A.6",
    Family("050400{last:01-FE}", "YYMMDDhhmm", "", "hourly freeze, {last}: time", "({last})整点冻结时间"),
    Family("050401{last:01-FE}", "XXXXXX.XX", "kWh", "hourly freeze, {last}: forward active energy, total", "({last})整点冻结正向有功总电能", "1-0:1.8.0"),
    Family("050402{last:01-FE}", "XXXXXX.XX", "kWh", "hourly freeze, {last}: reverse active energy, total", "({last})整点冻结反向有功总电能", "1-0:2.8.0"),
    Family("050802{last:01-3E}", "XXXX+XXXXXX.XXx2", "times,yuan,yuan", "daily freeze of the account, {last}", "({last})剩余金额日冻结", parts=(Part("purchase count", "购电次数", "times"), Part("remaining money", "剩余金额", "yuan"), Part("overdraft money", "透支金额", "yuan"))),
    single_source=True,
)
_HOURLY_WHOLE = rows(
    "State Grid filing to DL/T 645-2007, table A.6",
    Family("0504FF{last:01-FE}", "block", "mixed", "hourly freeze, {last}: whole record", "({last})整点冻结数据块", kind=Kind.BLOCK, size=13, members=(0, 1, 2)),
)
# fmt: on

_SOURCE = "DL/T 645-2007, table A.6"

FAMILIES = (
    *_HOURLY,
    *_HOURLY_WHOLE,
    *(
        row
        for freeze in _FREEZES
        for row in (
            *rows(
                _SOURCE,
                _time(freeze),
                # The stamp of a daily freeze was also seen in a frame from the field.
                single_source=freeze.single_source and freeze.di2 != "06",
            ),
            *rows(
                _SOURCE,
                *(_content(freeze, content) for content in _CONTENTS),
                single_source=freeze.single_source,
            ),
            *rows(_SOURCE, _whole(freeze), single_source=freeze.whole_single_source),
        )
    ),
)
