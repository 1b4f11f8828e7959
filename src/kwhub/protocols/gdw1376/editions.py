"""What the editions of 2009 and 2013 say differently, as deltas on the tables of 2013.

Source: Q/GDW 376.1-2009 and Q/GDW 1376.1-2013, clause 5. Only 10-F10 clashes: trip or batch read.
"""

from enum import Enum
from types import MappingProxyType

from kwhub.protocols.gdw1376.formats import A12, A15, BIN1, BIN4
from kwhub.protocols.gdw1376.layouts import Field, Repeat, Row
from kwhub.protocols.gdw1376.more_rows import relay_state

__all__ = ["DELTAS", "Edition"]


class Edition(Enum):
    """Year of the edition that a terminal speaks."""

    E2009 = 2009
    E2013 = 2013


_BATCH = (
    Field("port", "终端通信端口号", BIN1),
    Field("meter address", "目标地址", A12),
    Field("count", "数据标识个数n", BIN1, key="n"),
    Repeat("n", (Field("identifier", "数据标识", BIN4),)),
)

DELTAS: MappingProxyType[Edition, MappingProxyType[tuple[int, int], Row]] = MappingProxyType(
    {
        Edition.E2009: MappingProxyType(
            {
                (0x02, 3): Row(3, "heartbeat", "心跳", (), (), "Q/GDW 376.1-2009, clause 5.3, F3"),
                (0x0C, 161): Row(
                    161, "relay state", "电能表远程控制通断电状态及记录", (), relay_state(A15)
                ),
                (0x10, 10): Row(
                    10,
                    "trip or allow close",
                    "转发主站直接对电表的遥控跳闸/允许合闸命令",
                    None,
                    None,
                ),
                (0x10, 11): Row(11, "power on", "转发主站直接对电表的远程送电命令", None, None),
            }
        ),
        Edition.E2013: MappingProxyType(
            {
                (0x10, 10): Row(
                    10, "batch read", "转发主站批量抄读数据命令", _BATCH, None, single_source=True
                ),
                (0x10, 12): Row(12, "batch task", "批量任务", None, None, single_source=True),
                (0x10, 13): Row(13, "batch result", "批量任务结果", None, None, single_source=True),
            }
        ),
    }
)
"""Rows by AFN and function that stand before those of the tables."""
