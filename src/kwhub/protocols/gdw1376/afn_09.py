"""AFN 09: terminal configuration; a request carries no data.

Source: Q/GDW 1376.1-2013, clause 5.9, F1.
"""

from kwhub.protocols.gdw1376.formats import A20, text_format
from kwhub.protocols.gdw1376.layouts import Field, Row

__all__ = ["AFN", "ROWS"]

AFN = 0x09

_VERSION = (
    Field("maker", "厂商代号", text_format(4)),
    Field("device number", "设备编号", text_format(8)),
    Field("software version", "终端软件版本号", text_format(4)),
    Field("software date", "终端软件发布日期", A20),
    Field("capacity code", "终端配置容量信息码", text_format(11)),
    Field("protocol version", "终端通信协议版本号", text_format(4)),
    Field("hardware version", "终端硬件版本号", text_format(4)),
    Field("hardware date", "终端硬件发布日期", A20),
)

ROWS = (
    Row(1, "version", "终端版本信息", (), _VERSION),
    Row(2, "ports", "终端支持的输入、输出及通信端口配置", (), None),
    Row(3, "other settings", "终端支持的其他配置", (), None),
    Row(4, "supported parameters", "终端支持的参数配置", (), None),
    Row(5, "supported controls", "终端支持的控制配置", (), None),
    Row(6, "supported class 1 data", "终端支持的1类数据配置", (), None),
    Row(7, "supported class 2 data", "终端支持的2类数据配置", (), None),
    Row(8, "supported events", "终端支持的事件记录配置", (), None),
)
