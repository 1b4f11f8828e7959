"""Every AFN with its functions: the one register of what is known.

Source: Q/GDW 1376.1-2013, clauses 4.3.4.2 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from kwhub.protocols.gdw1376 import (
    afn_0a,
    afn_0b,
    afn_0c,
    afn_0d,
    afn_0e,
    afn_0f,
    afn_00,
    afn_01,
    afn_02,
    afn_04,
    afn_05,
    afn_06,
    afn_08,
    afn_09,
    afn_10,
)
from kwhub.protocols.gdw1376.common import PASSWORD_AFNS
from kwhub.protocols.gdw1376.editions import DELTAS, Edition
from kwhub.protocols.gdw1376.layouts import Layout, Row

__all__ = ["AFN_NAMES", "PASSWORD_AFNS", "TABLES", "find", "layout_of"]

AFN_NAMES = MappingProxyType(
    {
        0x00: ("confirm or deny", "确认/否认"),
        0x01: ("reset", "复位"),
        0x02: ("link test", "链路接口检测"),
        0x03: ("relay station command", "中继站命令"),
        0x04: ("set parameters", "设置参数"),
        0x05: ("control", "控制命令"),
        0x06: ("authentication and key negotiation", "身份认证及密钥协商"),
        0x08: ("request a cascaded terminal's report", "请求被级联终端主动上报"),
        0x09: ("terminal configuration", "请求终端配置"),
        0x0A: ("query parameters", "查询参数"),
        0x0B: ("task data", "请求任务数据"),
        0x0C: ("class 1 data (current)", "请求1类数据（实时）"),
        0x0D: ("class 2 data (history)", "请求2类数据（历史）"),
        0x0E: ("class 3 data (events)", "请求3类数据（事件）"),
        0x0F: ("file transfer", "文件传输"),
        0x10: ("data forwarding", "数据转发"),
    }
)
"""English and Chinese name of every AFN of clause 4.3.4.2; 07 and 11 to FF are reserved."""

TABLES: MappingProxyType[int, MappingProxyType[int, Row]] = MappingProxyType(
    {
        module.AFN: MappingProxyType({row.function: row for row in module.ROWS})
        for module in (
            *(afn_00, afn_01, afn_02, afn_04, afn_05, afn_06, afn_08, afn_09),
            *(afn_0a, afn_0b, afn_0c, afn_0d, afn_0e, afn_0f, afn_10),
        )
    }
)
"""Rows by AFN and function."""


@dataclass(frozen=True, slots=True)
class _Way:
    """The layouts of one AFN in one direction."""

    afn: int
    edition: Edition
    up: bool
    unknown: Layout | None  #: of functions without a row

    def __call__(self, function: int) -> Layout | None:
        row = find(self.afn, function, self.edition)
        if row is None:
            return self.unknown
        return row.up if self.up else row.down


_BARE_REQUESTS = frozenset({0x09, 0x0A, 0x0C})
"""AFNs whose requests carry no data unless a row says so.  Source: clauses 5.9 to 5.11."""

_NOTHING: MappingProxyType[int, Row] = MappingProxyType({})


def find(afn: int, function: int, edition: Edition = Edition.E2013) -> Row | None:
    """The row of a function in an edition, None when the tables do not know it."""
    delta = DELTAS[edition].get((afn, function))
    return delta or TABLES.get(afn, _NOTHING).get(function)


def layout_of(
    afn: int, *, up: bool, edition: Edition = Edition.E2013
) -> Callable[[int], Layout | None]:
    """Layouts of the functions of an AFN, for units that come up or go down."""
    bare = not up and afn in _BARE_REQUESTS
    return _Way(afn, edition, up, () if bare else None)
