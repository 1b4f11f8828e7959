"""Every AFN with its functions: the one register of what is known.

Source: Q/GDW 1376.2-2013, clauses 4.4 and 5, with the additions of Q/GDW 10376.2-2019 and of vendors, which
are marked in their rows and left out for an older edition.
"""

from types import MappingProxyType, ModuleType
from typing import TypeAlias

from kwhub.domain.errors import DecodeError
from kwhub.protocols.gdw1376_2 import (
    afn_00,
    afn_01,
    afn_02,
    afn_03,
    afn_04,
    afn_05,
    afn_06,
    afn_10,
    afn_11,
    afn_12,
    afn_13,
    afn_14,
    afn_15,
    afn_f0,
    afn_f1,
)
from kwhub.protocols.gdw1376_2.common import Unit
from kwhub.protocols.gdw1376_2.layouts import Layout, Row, Words

__all__ = [
    "AFN_NAMES",
    "EDITION_ALL",
    "TABLES",
    "carried",
    "find",
    "known_editions",
    "layout_of",
    "read_unit",
]

_MODULES: tuple[ModuleType, ...] = (
    *(afn_00, afn_01, afn_02, afn_03, afn_04, afn_05, afn_06),
    *(afn_10, afn_11, afn_12, afn_13, afn_14, afn_15, afn_f0, afn_f1),
)

AFN_NAMES: MappingProxyType[int, Words] = MappingProxyType(
    {
        0x00: ("confirm or deny", "确认/否认"),
        0x01: ("initialise", "初始化"),
        0x02: ("forward", "数据转发"),
        0x03: ("query", "查询数据"),
        0x04: ("link test", "链路接口检测"),
        0x05: ("control", "控制命令"),
        0x06: ("report", "主动上报"),
        0x10: ("route query", "路由查询"),
        0x11: ("route setting", "路由设置"),
        0x12: ("route control", "路由控制"),
        0x13: ("forward along the route", "路由数据转发"),
        0x14: ("module asks", "路由数据抄读"),
        0x15: ("file transfer", "文件传输"),
        0xF0: ("vendor debugging", "内部调试"),
        0xF1: ("parallel reading", "并发抄表"),
    }
)

EDITION_ALL = ("2013", "2019", "vendor")

TABLES: MappingProxyType[int, MappingProxyType[int, Row]] = MappingProxyType(
    {
        module.AFN: MappingProxyType({row.function: row for row in module.ROWS})
        for module in _MODULES
    }
)
"""Rows by AFN and function."""

_NOTHING: MappingProxyType[int, Row] = MappingProxyType({})


def known_editions(edition: str) -> frozenset[str]:
    """Which rows an edition has: ``2013``, ``2019`` or ``vendor``, each with those before it."""
    return frozenset(EDITION_ALL[: EDITION_ALL.index(edition) + 1])


def find(afn: int, function: int, edition: str = "vendor") -> Row | None:
    """The row of a function, None when the tables of the edition do not know it."""
    row = TABLES.get(afn, _NOTHING).get(function)
    return row if row is not None and row.edition in known_editions(edition) else None


def layout_of(afn: int, function: int, *, up: bool) -> Layout | None:
    """How the data is laid out; None when that is not known."""
    row = find(afn, function)
    if row is None:
        return None
    return row.up if up else row.down


_Key: TypeAlias = tuple[int, int, bool]

_BOTH: tuple[type[Unit], ...] = (afn_00.Confirmation, afn_00.Denial, afn_02.Forward)
_DOWN: tuple[type[Unit], ...] = (
    *(afn_05.SetMaster, afn_05.Broadcast, afn_10.NodeQuery, afn_11.AddNodes),
    *(afn_11.DeleteNodes, afn_11.StartRegistration, afn_11.StopRegistration, afn_13.Monitor),
    *(afn_14.ReadOrder, afn_14.ClockAnswer, afn_15.FilePart, afn_f1.ParallelRead),
)
_UP: tuple[type[Unit], ...] = (
    *(afn_03.RunMode, afn_03.MasterAddress, afn_03.BroadcastDelay, afn_06.SlaveReport),
    *(afn_06.DeviceReport, afn_06.ReadReport, afn_06.RouteReport, afn_06.EventReport),
    afn_10.Counts,
    *(afn_10.NodePage, afn_10.RunState, afn_13.Monitored, afn_14.ReadQuestion),
    afn_f1.ParallelAnswer,
)
_TYPED: MappingProxyType[_Key, type[Unit]] = MappingProxyType(
    {(kind.AFN, kind.FUNCTION, False): kind for kind in (*_BOTH, *_DOWN)}
    | {(kind.AFN, kind.FUNCTION, True): kind for kind in (*_BOTH, *_UP)}
    | {(afn_10.AFN, number, True): afn_10.NodePage for number in (5, 6)}
    | {(afn_10.AFN, number, False): afn_10.NodeQuery for number in (5, 6)}
)


def read_unit(afn: int, function: int, data: bytes, *, up: bool) -> Unit | None:
    """The data as something typed; None where there is no type for it or it does not fit."""
    kind = _TYPED.get((afn, function, up))
    try:
        return None if kind is None else kind.from_data(data)
    except DecodeError:
        return None


def carried(afn: int, function: int, data: bytes, *, up: bool) -> tuple[int, bytes] | None:
    """Protocol type and bytes of the frame that is carried inside; None when none is."""
    match read_unit(afn, function, data, up=up):
        case afn_06.EventReport(content=content, protocol=protocol) if content:
            return protocol, content
        case (
            afn_02.Forward(frame=frame, protocol=protocol)
            | afn_05.Broadcast(frame=frame, word=protocol)
            | afn_06.ReadReport(frame=frame, protocol=protocol)
            | afn_13.Monitor(frame=frame, protocol=protocol)
            | afn_13.Monitored(frame=frame, protocol=protocol)
            | afn_f1.ParallelRead(frames=frame, protocol=protocol)
            | afn_f1.ParallelAnswer(frames=frame, protocol=protocol)
        ) if frame:
            return protocol, frame
        case afn_14.ReadOrder(frame=frame) if frame:
            return 2, frame
        case _:
            return None
