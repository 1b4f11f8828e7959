"""AFN 0B: the data of a report task; the measuring point is the number of the task.

Source: Q/GDW 1376.1-2013, clause 5.10; single source. The answer has the units that the task of 04-F65 or
F66 names, whose layouts are those of AFN 0C and 0D: they are told by the number of the unit's function.
"""

from kwhub.protocols.gdw1376.formats import A15
from kwhub.protocols.gdw1376.layouts import Blob, Field, Row

__all__ = ["AFN", "ROWS"]

AFN = 0x0B

_BEGIN = (
    Field("begin", "数据起始时间", A15),
    Blob("span", "数据时间间隔", "left"),
)

ROWS = (
    Row(1, "data of a class 1 task", "请求定时上报1类数据", (), None, single_source=True),
    Row(2, "data of a class 2 task", "请求定时上报2类数据", _BEGIN, None, single_source=True),
)
