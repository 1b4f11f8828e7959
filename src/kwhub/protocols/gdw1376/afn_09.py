"""AFN 09: terminal configuration; a request carries no data.

Source: Q/GDW 1376.1-2013, clause 5.9, F1 and F2; the bit sets of F4, F5 and F8 are not confirmed by a
second source.
"""

from kwhub.protocols.gdw1376.formats import A20, BIN1, BIN2, BIN4, bytes_format, text_format
from kwhub.protocols.gdw1376.layouts import Field, Repeat, Row

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

_PORTS = (
    Field("pulse inputs", "脉冲量输入路数", BIN1),
    Field("status inputs", "开关量输入路数", BIN1),
    Field("DC inputs", "直流模拟量输入路数", BIN1),
    Field("outputs", "开关量输出路数", BIN1),
    Field("meters", "支持的抄表数量", BIN2),
    Field("receive buffer", "终端上行通信最大接收缓存区字节数", BIN2, "byte"),
    Field("send buffer", "终端上行通信最大发送缓存区字节数", BIN2, "byte"),
    Field("MAC address", "终端MAC地址", bytes_format(6)),
    Field("ports", "通信端口数量n", BIN1, key="n"),
    Repeat(
        "n",
        (
            Field("port word", "端口号及信息字", BIN2),
            Field("highest baud", "支持的最高波特率", BIN4, "bit/s"),
            Field("devices", "支持的设备数量", BIN2),
            Field("receive buffer", "端口最大接收缓存区字节数", BIN2, "byte"),
            Field("send buffer", "端口最大发送缓存区字节数", BIN2, "byte"),
        ),
    ),
)
_SUPPORTED = (
    Field("groups", "支持的信息类组数n", BIN1, key="n"),
    Repeat("n", (Field("functions", "信息类元", bytes_format(1)),)),
)
_EVENTS = (Field("events", "支持的事件记录标志位", bytes_format(8)),)

ROWS = (
    Row(1, "version", "终端版本信息", (), _VERSION),
    Row(2, "ports", "终端支持的输入、输出及通信端口配置", (), _PORTS),
    Row(3, "other settings", "终端支持的其他配置", (), None),
    Row(4, "supported parameters", "终端支持的参数配置", (), _SUPPORTED, single_source=True),
    Row(5, "supported controls", "终端支持的控制配置", (), _SUPPORTED, single_source=True),
    Row(6, "supported class 1 data", "终端支持的1类数据配置", (), None),
    Row(7, "supported class 2 data", "终端支持的2类数据配置", (), None),
    Row(8, "supported events", "终端支持的事件记录配置", (), _EVENTS, single_source=True),
)
